//! Roles: named sets of permissions.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::IntoResponse;
use forebay_db::{Conn, Look};
use forebay_http::query::Params;
use forebay_http::reply::{json_text, matches, versioned};
use forebay_http::{Answer, Who, body};
use forebay_model::principal::{Permission, Principal, ROLES_READ, ROLES_WRITE};
use forebay_model::stream::check_stream_name;
use forebay_model::{Code, Error, FieldError};
use http::header::IF_MATCH;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Value, json};

use super::{Done, MAX_BYTES, may_grant};
use crate::rights::{self, BUILT_IN};
use crate::sql::role::{self, Role};
use crate::{Auth, audit};

/// `GET /v1/roles`: the built-in ones, then the others by name.
#[utoipa::path(
    get,
    path = "/v1/roles",
    tag = "identity",
    responses(
        (status = 200, body = crate::api::Roles),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list(State(auth): State<Auth>, Who(who): Who, params: Params) -> Answer {
    params.only(&[])?;
    who.require(ROLES_READ)?;
    let mut conn = auth.inner.db.reader(Look::Point).await?;
    let built_in = BUILT_IN.iter().map(|(name, permissions)| {
        let texts = permissions.iter().filter_map(|text| Permission::parse(text));
        document(name, &texts.collect::<Vec<_>>(), None)
    });
    let mut items: Vec<Value> = built_in.collect();
    items.extend(role::all(&mut conn).await?.iter().map(describe));
    Ok(json_text(StatusCode::OK, json!({"items": items, "next_cursor": null}).to_string()))
}

/// `GET /v1/roles/{name}`.
#[utoipa::path(
    get,
    path = "/v1/roles/{name}",
    tag = "identity",
    params(("name" = String, Path, description = "The role's name")),
    responses(
        (status = 200, body = crate::api::Role),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn show(
    State(auth): State<Auth>,
    Who(who): Who,
    Path(name): Path<String>,
    params: Params,
) -> Answer {
    params.only(&[])?;
    who.require(ROLES_READ)?;
    if let Some(permissions) = rights::built_in(&name) {
        return Ok(json_text(StatusCode::OK, document(&name, &permissions, None).to_string()));
    }
    let mut conn = auth.inner.db.reader(Look::Point).await?;
    let found = role::find(&mut conn, &name).await?.ok_or_else(|| missing(&name))?;
    Ok(shown(StatusCode::OK, &found))
}

/// `PUT /v1/roles/{name}`: makes a role, or changes it for all who hold it.
#[utoipa::path(
    put,
    path = "/v1/roles/{name}",
    tag = "identity",
    params(
        ("name" = String, Path, description = "The role's name"),
        ("If-Match" = Option<String>, Header, description = "Only this version"),
    ),
    request_body(content = crate::api::NewRole),
    responses(
        (status = 201, body = crate::api::Role),
        (status = 200, body = crate::api::Role),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn put(
    State(auth): State<Auth>,
    Who(who): Who,
    Path(name): Path<String>,
    params: Params,
    request: Request,
) -> Answer {
    params.only(&[])?;
    who.require(ROLES_WRITE)?;
    who.require_proof(auth.inner.clock.now())?;
    changeable(&name)?;
    check_stream_name(&name)
        .map_err(|_| FieldError::new("?name", "name_invalid", "written as a stream's name is"))
        .map_err(Error::invalid)?;
    let (head, content) = request.into_parts();
    let document = body::document(content, MAX_BYTES).await?;
    let members = body::members(document, &["permissions", "second_factor"])?;
    let permissions = rights::read(members.get("permissions"))?;
    may_grant(&who, &permissions, "/permissions")?;
    let second_factor = body::flag(&members, "second_factor")?.unwrap_or(false);
    let if_match = head.headers.get(IF_MATCH).cloned();
    let now = auth.inner.clock.now();
    let new = Role { name, permissions, second_factor, version: 1, created_at: now };
    audit::detail("permissions", rights::to_json(&new.permissions));
    audit::detail("second_factor", second_factor);
    let written = auth.change(|conn| Box::pin(write(conn, who, new, if_match))).await?;
    let status = if written.version == 1 { StatusCode::CREATED } else { StatusCode::OK };
    Ok(shown(status, &written))
}

async fn write(
    conn: &mut Conn,
    who: Arc<Principal>,
    mut new: Role,
    if_match: Option<HeaderValue>,
) -> Done<Role> {
    let before = role::find(conn, &new.name).await?;
    if let Err(error) = fits(&who, if_match.as_ref(), before.as_ref()) {
        return Ok(Err(error));
    }
    if let Some(before) = before {
        (new.version, new.created_at) = (before.version + 1, before.created_at);
    }
    role::put(conn, &new).await?;
    Ok(Ok(new))
}

/// `DELETE /v1/roles/{name}`: whoever holds it holds it no more.
#[utoipa::path(
    delete,
    path = "/v1/roles/{name}",
    tag = "identity",
    params(
        ("name" = String, Path, description = "The role's name"),
        ("If-Match" = Option<String>, Header, description = "Only this version"),
    ),
    responses(
        (status = 204),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn delete(
    State(auth): State<Auth>,
    Who(who): Who,
    Path(name): Path<String>,
    params: Params,
    headers: HeaderMap,
) -> Answer {
    params.only(&[])?;
    who.require(ROLES_WRITE)?;
    who.require_proof(auth.inner.clock.now())?;
    changeable(&name)?;
    let if_match = headers.get(IF_MATCH).cloned();
    auth.change(|conn| Box::pin(remove(conn, who, name, if_match))).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn remove(
    conn: &mut Conn,
    who: Arc<Principal>,
    name: String,
    if_match: Option<HeaderValue>,
) -> Done<()> {
    let before = role::find(conn, &name).await?;
    if before.is_none() {
        return Ok(Err(missing(&name)));
    }
    if let Err(error) = fits(&who, if_match.as_ref(), before.as_ref()) {
        return Ok(Err(error));
    }
    role::delete(conn, &name).await?;
    Ok(Ok(()))
}

/// Whether a role may be changed: it is at the version asked for, and holds nothing that who changes
/// it lacks.
fn fits(
    who: &Principal,
    if_match: Option<&HeaderValue>,
    before: Option<&Role>,
) -> Result<(), Error> {
    may_grant(who, before.map_or(&[], |role| &role.permissions), "/permissions")?;
    let version = before.map(|role| format!("\"{}\"", role.version));
    match (if_match, version) {
        (None, _) => Ok(()),
        (header, Some(version)) if matches(header, &version) => Ok(()),
        _ => Err(Error::new(Code::VersionMismatch, "the role is at another version")),
    }
}

/// Built-in roles are what they are.
fn changeable(name: &str) -> Result<(), Error> {
    match rights::built_in(name) {
        None => Ok(()),
        Some(_) => Err(Error::new(Code::Conflict, format!("the role `{name}` is built in"))),
    }
}

fn missing(name: &str) -> Error {
    Error::not_found(format!("the role `{name}`"))
}

fn shown(status: StatusCode, role: &Role) -> axum::response::Response {
    versioned(&HeaderMap::new(), status, &role.version.to_string(), describe(role).to_string())
}

fn describe(role: &Role) -> Value {
    document(&role.name, &role.permissions, Some(role))
}

fn document(name: &str, permissions: &[Permission], made: Option<&Role>) -> Value {
    json!({
        "name": name,
        "permissions": rights::to_json(permissions),
        "second_factor": made.is_some_and(|role| role.second_factor),
        "built_in": made.is_none(),
        "version": made.map(|role| role.version),
        "created_at": made.map(|role| role.created_at),
    })
}
