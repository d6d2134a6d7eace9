//! Service accounts: programs that hold roles and keys.

use axum::extract::{Path, Request, State};
use axum::response::IntoResponse;
use forebay_db::Look;
use forebay_http::query::Params;
use forebay_http::reply::{json_text, versioned};
use forebay_http::{Answer, Who, body};
use forebay_model::principal::{ACCOUNTS_READ, ACCOUNTS_WRITE};
use http::header::IF_MATCH;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::accounts::{self, Change, may_assign};
use super::{MAX_BYTES, read_name};
use crate::sql::account::{self, Account};
use crate::{Auth, audit};

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
    let (found, next) = accounts::page(&auth, &params, "service-accounts", false).await?;
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
    who.require_proof(auth.inner.clock.now())?;
    let document = body::document(request.into_body(), MAX_BYTES).await?;
    let members = body::members(document, &["name", "roles"])?;
    let mut account = Account {
        id: uuid::Uuid::now_v7().to_string(),
        person: false,
        name: read_name(body::text(&members, "name")?)?,
        enabled: true,
        version: 1,
        created_at: auth.inner.clock.now(),
        roles: body::texts(&members, "roles")?.unwrap_or_default(),
    };
    audit::target(&account.id);
    audit::detail("roles", account.roles.clone());
    let written = auth.change(move |conn| {
        Box::pin(async move {
            if let Err(error) = may_assign(conn, &who, &account.roles).await? {
                return Ok(Err(error));
            }
            account.roles.sort();
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
    let found = found.ok_or_else(|| accounts::missing(&id, false))?;
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
    who.require_proof(auth.inner.clock.now())?;
    let (head, content) = request.into_parts();
    let document = body::document(content, MAX_BYTES).await?;
    let change = Change::read(&body::members(document, &["name", "roles", "state"])?)?;
    change.note();
    let if_match = head.headers.get(IF_MATCH).cloned();
    let written = auth.change(move |conn| {
        Box::pin(async move {
            let found = accounts::found(conn, &who, (&id, false), if_match.as_ref()).await?;
            let mut account = match found {
                Ok(account) => account,
                Err(error) => return Ok(Err(error)),
            };
            if let Err(error) = change.apply(conn, &who, &mut account).await? {
                return Ok(Err(error));
            }
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
    who.require_proof(auth.inner.clock.now())?;
    let if_match = headers.get(IF_MATCH).cloned();
    let deleted = auth.change(move |conn| {
        Box::pin(async move {
            let found = accounts::found(conn, &who, (&id, false), if_match.as_ref()).await?;
            if let Err(error) = found {
                return Ok(Err(error));
            }
            account::delete(conn, &id).await?;
            Ok(Ok(()))
        })
    });
    deleted.await?;
    Ok(StatusCode::NO_CONTENT.into_response())
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
        "state": accounts::state(account),
        "version": account.version,
        "created_at": account.created_at,
    })
}
