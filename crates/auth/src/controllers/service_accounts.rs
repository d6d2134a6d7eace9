//! Service accounts: programs that hold roles and keys.

use axum::extract::{Path, Request, State};
use axum::response::IntoResponse;
use forebay_db::{Conn, Look};
use forebay_http::query::Params;
use forebay_http::reply::{json_text, matches, versioned};
use forebay_http::{Answer, Who, body};
use forebay_model::principal::{ACCOUNTS_READ, ACCOUNTS_WRITE, Principal};
use forebay_model::{Code, Error, FieldError};
use http::header::IF_MATCH;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Value, json};

use super::{Done, MAX_BYTES, may_grant, read_limit, read_name};
use crate::sql::account::{self, Account};
use crate::sql::role;
use crate::{Auth, directory, rights};

/// The most roles of an account.
const MOST_ROLES: usize = 32;

/// `GET /v1/service-accounts`.
#[utoipa::path(
    get,
    path = "/v1/service-accounts",
    tag = "identity",
    params(
        ("limit" = Option<u32>, Query, description = "1 to 1000, 50 without it"),
        ("cursor" = Option<String>, Query, description = "Where the page before ended"),
    ),
    responses(
        (status = 200, body = crate::api::ServiceAccounts),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list(State(auth): State<Auth>, Who(who): Who, params: Params) -> Answer {
    params.only(&["limit", "cursor"])?;
    who.require(ACCOUNTS_READ)?;
    let limit = read_limit(&params)?;
    let signer = &auth.inner.signer;
    let after = params.get("cursor").map(|c| signer.open("service-accounts", c)).transpose()?;
    let mut conn = auth.inner.db.reader(Look::Point).await?;
    let mut found = account::list(&mut conn, &after.unwrap_or_default(), limit + 1).await?;
    let more = i64::try_from(found.len()).is_ok_and(|n| n > limit);
    found.truncate(usize::try_from(limit).unwrap_or(50));
    let last = found.last().filter(|_| more);
    let next = last.map(|last| signer.sign("service-accounts", &last.id));
    let items: Vec<Value> = found.iter().map(describe).collect();
    Ok(json_text(StatusCode::OK, json!({"items": items, "next_cursor": next}).to_string()))
}

/// `POST /v1/service-accounts`.
#[utoipa::path(
    post,
    path = "/v1/service-accounts",
    tag = "identity",
    request_body(content = crate::api::NewServiceAccount),
    responses(
        (status = 201, body = crate::api::ServiceAccount),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn create(
    State(auth): State<Auth>,
    Who(who): Who,
    params: Params,
    request: Request,
) -> Answer {
    params.only(&[])?;
    who.require(ACCOUNTS_WRITE)?;
    let document = body::document(request.into_body(), MAX_BYTES).await?;
    let members = body::members(document, &["name", "roles"])?;
    let account = Account {
        id: uuid::Uuid::now_v7().to_string(),
        person: false,
        name: read_name(body::text(&members, "name")?)?,
        enabled: true,
        version: 1,
        created_at: auth.inner.clock.now(),
        roles: body::texts(&members, "roles")?.unwrap_or_default(),
    };
    let written = auth.change(move |conn| {
        Box::pin(async move {
            if let Err(error) = may_assign(conn, &who, &account.roles).await? {
                return Ok(Err(error));
            }
            account::put(conn, &account).await?;
            Ok(Ok(account))
        })
    });
    Ok(shown(StatusCode::CREATED, &written.await?))
}

/// `GET /v1/service-accounts/{id}`.
#[utoipa::path(
    get,
    path = "/v1/service-accounts/{id}",
    tag = "identity",
    params(("id" = String, Path, description = "The account's id")),
    responses(
        (status = 200, body = crate::api::ServiceAccount),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn show(
    State(auth): State<Auth>,
    Who(who): Who,
    Path(id): Path<String>,
    params: Params,
) -> Answer {
    params.only(&[])?;
    who.require(ACCOUNTS_READ)?;
    let mut conn = auth.inner.db.reader(Look::Point).await?;
    let found = account::find(&mut conn, &id).await?.filter(|account| !account.person);
    let found = found.ok_or_else(|| missing(&id))?;
    Ok(shown(StatusCode::OK, &found))
}

/// `PATCH /v1/service-accounts/{id}`: its name, roles, or state.
#[utoipa::path(
    patch,
    path = "/v1/service-accounts/{id}",
    tag = "identity",
    params(
        ("id" = String, Path, description = "The account's id"),
        ("If-Match" = Option<String>, Header, description = "Only this version"),
    ),
    request_body(content = crate::api::ServiceAccountChange),
    responses(
        (status = 200, body = crate::api::ServiceAccount),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn patch(
    State(auth): State<Auth>,
    Who(who): Who,
    Path(id): Path<String>,
    params: Params,
    request: Request,
) -> Answer {
    params.only(&[])?;
    who.require(ACCOUNTS_WRITE)?;
    let (head, content) = request.into_parts();
    let document = body::document(content, MAX_BYTES).await?;
    let members = body::members(document, &["name", "roles", "state"])?;
    let name = body::text(&members, "name")?.map(|name| read_name(Some(name))).transpose()?;
    let roles = body::texts(&members, "roles")?;
    let enabled = match body::text(&members, "state")?.as_deref() {
        None => None,
        Some("active") => Some(true),
        Some("disabled") => Some(false),
        Some(_) => return Err(body::mismatch("state", "active or disabled").into()),
    };
    let if_match = head.headers.get(IF_MATCH).cloned();
    let written = auth.change(move |conn| {
        Box::pin(async move {
            let mut account = match found(conn, &who, &id, if_match.as_ref()).await? {
                Ok(account) => account,
                Err(error) => return Ok(Err(error)),
            };
            if let Some(roles) = roles {
                if let Err(error) = may_assign(conn, &who, &roles).await? {
                    return Ok(Err(error));
                }
                account.roles = roles;
            }
            account.name = name.unwrap_or(account.name);
            account.enabled = enabled.unwrap_or(account.enabled);
            account.version += 1;
            account::put(conn, &account).await?;
            Ok(Ok(account))
        })
    });
    Ok(shown(StatusCode::OK, &written.await?))
}

/// `DELETE /v1/service-accounts/{id}`: with its keys.
#[utoipa::path(
    delete,
    path = "/v1/service-accounts/{id}",
    tag = "identity",
    params(
        ("id" = String, Path, description = "The account's id"),
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
    Path(id): Path<String>,
    params: Params,
    headers: HeaderMap,
) -> Answer {
    params.only(&[])?;
    who.require(ACCOUNTS_WRITE)?;
    let if_match = headers.get(IF_MATCH).cloned();
    let deleted = auth.change(move |conn| {
        Box::pin(async move {
            if let Err(error) = found(conn, &who, &id, if_match.as_ref()).await? {
                return Ok(Err(error));
            }
            account::delete(conn, &id).await?;
            Ok(Ok(()))
        })
    });
    deleted.await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The account that is to be changed, if it is there at the version asked for, and holds nothing
/// that who changes it lacks.
async fn found(
    conn: &mut Conn,
    who: &Principal,
    id: &str,
    if_match: Option<&HeaderValue>,
) -> Done<Account> {
    let account = account::find(conn, id).await?.filter(|account| !account.person);
    let Some(account) = account else { return Ok(Err(missing(id))) };
    let held = directory::permissions_of(conn, &account.roles).await?;
    if let Err(error) = may_grant(who, &held, "/roles") {
        return Ok(Err(error));
    }
    if if_match.is_some() && !matches(if_match, &format!("\"{}\"", account.version)) {
        let detail = format!("the account is at version {}", account.version);
        return Ok(Err(Error::new(Code::VersionMismatch, detail)));
    }
    Ok(Ok(account))
}

/// Whether somebody may give these roles: each exists, and holds nothing that the giver lacks.
pub(super) async fn may_assign(conn: &mut Conn, who: &Principal, roles: &[String]) -> Done<()> {
    if roles.len() > MOST_ROLES {
        let message = format!("at most {MOST_ROLES}");
        return Ok(Err(Error::invalid(FieldError::new("/roles", "too_long", message))));
    }
    for (at, name) in roles.iter().enumerate() {
        let known = rights::built_in(name).is_some() || role::find(conn, name).await?.is_some();
        if !known || roles[..at].contains(name) {
            let path = format!("/roles/{at}");
            let message = if known { "stands twice" } else { "there is no such role" };
            return Ok(Err(Error::invalid(FieldError::new(path, "invalid", message))));
        }
    }
    let permissions = directory::permissions_of(conn, roles).await?;
    Ok(may_grant(who, &permissions, "/roles"))
}

fn missing(id: &str) -> Error {
    Error::not_found(format!("the service account `{id}`"))
}

fn shown(status: StatusCode, account: &Account) -> axum::response::Response {
    let tag = account.version.to_string();
    versioned(&HeaderMap::new(), status, &tag, describe(account).to_string())
}

fn describe(account: &Account) -> Value {
    json!({
        "id": account.id,
        "name": account.name,
        "roles": account.roles,
        "state": if account.enabled { "active" } else { "disabled" },
        "version": account.version,
        "created_at": account.created_at,
    })
}
