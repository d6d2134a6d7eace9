//! People's accounts, as administrators see and change them.

use std::collections::HashMap;

use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use forebay_db::{Conn, DbError, Look};
use forebay_http::query::Params;
use forebay_http::reply::{json_text, versioned};
use forebay_http::{Answer, Who, body};
use forebay_model::principal::{Principal, USERS_READ, USERS_WRITE};
use forebay_model::{Code, Error, FieldError};
use http::header::IF_MATCH;
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value, json};

use super::accounts::{self, Change, may_assign};
use super::invitations::{new_account, person};
use super::{Done, MAX_BYTES, read_name};
use crate::password::rules::{self, Owner};
use crate::sign_in::count;
use crate::sql::account::{self, Account};
use crate::sql::person::{self, Hashed, Person};
use crate::sql::{recovery_code, session as sessions};
use crate::{Auth, audit, email};

/// `GET /v1/users`.
#[utoipa::path(
    get,
    path = "/v1/users",
    tag = "identity",
    params(
        ("limit" = Option<u32>, Query, description = "1 to 1000, 50 without it"),
        ("cursor" = Option<String>, Query, description = "Where the page before ended"),
    ),
    responses(
        (status = 200, body = crate::api::Users),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list(State(auth): State<Auth>, Who(who): Who, params: Params) -> Answer {
    params.only(&["limit", "cursor"])?;
    who.require(USERS_READ)?;
    let (found, next) = accounts::page(&auth, &params, "users", true).await?;
    let mut people = HashMap::new();
    if let (Some(first), Some(last)) = (found.first(), found.last()) {
        let mut conn = auth.inner.db.reader(Look::Point).await?;
        let between = person::between(&mut conn, &first.id, &last.id).await?;
        people.extend(between.into_iter().map(|person| (person.account.clone(), person)));
    }
    // Whoever was deleted in between is left out.
    let pairs = found.iter().filter_map(|account| Some((account, people.get(&account.id)?)));
    let items: Vec<Value> = pairs.map(|(account, person)| describe(account, person)).collect();
    Ok(json_text(StatusCode::OK, json!({"items": items, "next_cursor": next}).to_string()))
}

/// `POST /v1/users`: active, and verified by whoever asks.
#[utoipa::path(
    post,
    path = "/v1/users",
    tag = "identity",
    request_body(content = crate::api::NewUser),
    responses(
        (status = 201, body = crate::api::User),
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
    who.require(USERS_WRITE)?;
    let now = auth.inner.clock.now();
    who.require_proof(now)?;
    sees_all(&who)?;
    let document = body::document(request.into_body(), MAX_BYTES).await?;
    let members = body::members(document, &["email", "name", "password", "roles"])?;
    let address = body::required(&members, "email")?;
    email::check(&address)?;
    let name = read_name(body::text(&members, "name")?.or_else(|| Some(address.clone())))?;
    let password = body::required(&members, "password")?;
    let roles = body::texts(&members, "roles")?.unwrap_or_default();
    let owner = Owner { email: &address, name: &name, second_factor: false };
    let password = auth.hash(rules::check("/password", &password, &owner)?).await?;
    let mut account = new_account(name, roles, now);
    audit::target(&account.id);
    audit::detail("roles", account.roles.clone());
    let person = person(&account.id, &address, password);
    let made = auth.change(move |conn| {
        Box::pin(async move {
            if let Err(error) = may_assign(conn, &who, &account.roles).await? {
                return Ok(Err(error));
            }
            account.roles.sort();
            if !person::insert(conn, &person).await? {
                return Ok(Err(taken()));
            }
            account::put(conn, &account).await?;
            Ok(Ok((account, person)))
        })
    });
    let (account, person) = made.await?;
    count("user_made");
    Ok(shown(StatusCode::CREATED, &account, &person))
}

/// `GET /v1/users/{id}`.
#[utoipa::path(
    get,
    path = "/v1/users/{id}",
    tag = "identity",
    params(("id" = String, Path, description = "The account's id")),
    responses(
        (status = 200, body = crate::api::User),
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
    who.require(USERS_READ)?;
    let mut conn = auth.inner.db.reader(Look::Point).await?;
    let account = account::find(&mut conn, &id).await?;
    let person = person::find(&mut conn, &id).await?;
    let (account, person) = account.zip(person).ok_or_else(|| accounts::missing(&id, true))?;
    Ok(shown(StatusCode::OK, &account, &person))
}

/// `PATCH /v1/users/{id}`: the name, roles, state or password; `"second_factor": false` takes a lost
/// one away. Another password, a factor less, and being disabled end all sessions.
#[utoipa::path(
    patch,
    path = "/v1/users/{id}",
    tag = "identity",
    params(
        ("id" = String, Path, description = "The account's id"),
        ("If-Match" = Option<String>, Header, description = "Only this version"),
    ),
    request_body(content = crate::api::UserChange),
    responses(
        (status = 200, body = crate::api::User),
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
    who.require(USERS_WRITE)?;
    who.require_proof(auth.inner.clock.now())?;
    sees_all(&who)?;
    let (head, content) = request.into_parts();
    let document = body::document(content, MAX_BYTES).await?;
    let known = ["name", "roles", "state", "password", "second_factor"];
    let members = body::members(document, &known)?;
    let change = Change::read(&members)?;
    change.note();
    let renewal = Renewal::read(&auth, &who, &id, &members).await?;
    let if_match = head.headers.get(IF_MATCH).cloned();
    let changed = auth.change(move |conn| {
        Box::pin(async move {
            let found = accounts::found(conn, &who, (&id, true), if_match.as_ref()).await?;
            let mut account = match found {
                Ok(account) => account,
                Err(error) => return Ok(Err(error)),
            };
            if let Err(error) = renewal.fits(conn, &id).await? {
                return Ok(Err(error));
            }
            if let Err(error) = change.apply(conn, &who, &mut account).await? {
                return Ok(Err(error));
            }
            account::put(conn, &account).await?;
            renewal.apply(conn, &id).await?;
            let person = person::find(conn, &id).await?;
            Ok(person.map(|person| (account, person)).ok_or_else(|| accounts::missing(&id, true)))
        })
    });
    let (account, person) = changed.await?;
    Ok(shown(StatusCode::OK, &account, &person))
}

/// The answer to an address that somebody has.
pub(crate) fn taken() -> Error {
    let message = "the address has an account already";
    Error::new(Code::Conflict, message).field(FieldError::new("/email", "taken", message))
}

/// Gives somebody another password; all that the one before has opened ends.
pub(crate) async fn reset(conn: &mut Conn, id: &str, password: &Hashed) -> Result<(), DbError> {
    person::set_password(conn, id, password).await?;
    sessions::delete_others(conn, id, "").await
}

/// Takes somebody's second factor away with its codes on paper, and a password that is good beside it
/// alone.
pub(crate) async fn drop_second_factor(conn: &mut Conn, id: &str) -> Result<(), DbError> {
    person::remove_totp(conn, id).await?;
    person::remove_short_password(conn, id).await?;
    recovery_code::replace(conn, id, Vec::new()).await
}

/// What somebody signs in with from now on.
struct Renewal {
    password: Option<Hashed>,
    /// The second factor is taken away.
    drop: bool,
}

impl Renewal {
    /// Reads the members `password` and `second_factor`. Looked at before anything is hashed: who may
    /// not change somebody costs nothing.
    async fn read(
        auth: &Auth,
        who: &Principal,
        id: &str,
        members: &Map<String, Value>,
    ) -> Result<Renewal, Error> {
        let drop = match body::flag(members, "second_factor")? {
            None => false,
            Some(false) => true,
            Some(true) => {
                let message = "false takes it away; people add their own";
                return Err(Error::invalid(FieldError::new("/second_factor", "invalid", message)));
            }
        };
        let text = body::text(members, "password")?;
        audit::detail("password", text.is_some());
        audit::detail("second_factor_dropped", drop);
        let Some(text) = text else { return Ok(Renewal { password: None, drop }) };
        let mut conn = auth.inner.db.reader(Look::Point).await?;
        let account = accounts::found(&mut conn, who, (id, true), None).await??;
        let person = person::find(&mut conn, id).await?;
        let person = person.ok_or_else(|| accounts::missing(id, true))?;
        std::mem::drop(conn);
        let second_factor = person.totp.is_some() && !drop;
        let owner = Owner { email: &person.email, name: &account.name, second_factor };
        let password = auth.hash(rules::check("/password", &text, &owner)?).await?;
        Ok(Renewal { password: Some(password), drop })
    }

    /// Looks again under the lock: a short password needs the factor that it was measured beside.
    async fn fits(&self, conn: &mut Conn, id: &str) -> Done<()> {
        let found = person::find(conn, id).await?;
        let beside = !self.drop && found.is_some_and(|person| person.totp.is_some());
        if !beside && self.password.as_ref().is_some_and(|password| password.short) {
            let detail = "the second factor is gone: the password is too short to be alone";
            return Ok(Err(Error::new(Code::Conflict, detail)));
        }
        Ok(Ok(()))
    }

    async fn apply(&self, conn: &mut Conn, id: &str) -> Result<(), DbError> {
        if self.drop {
            drop_second_factor(conn, id).await?;
            sessions::delete_others(conn, id, "").await?;
        }
        match &self.password {
            Some(password) => reset(conn, id, password).await,
            None => Ok(()),
        }
    }
}

/// `DELETE /v1/users/{id}`: with their keys and sessions.
#[utoipa::path(
    delete,
    path = "/v1/users/{id}",
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
    who.require(USERS_WRITE)?;
    who.require_proof(auth.inner.clock.now())?;
    let if_match = headers.get(IF_MATCH).cloned();
    let deleted = auth.change(move |conn| {
        Box::pin(async move {
            let found = accounts::found(conn, &who, (&id, true), if_match.as_ref()).await?;
            let account = match found {
                Ok(account) => account,
                Err(error) => return Ok(Err(error)),
            };
            if let Err(error) = accounts::one_is_left(conn, &account, None).await? {
                return Ok(Err(error));
            }
            account::delete(conn, &id).await?;
            Ok(Ok(()))
        })
    });
    deleted.await?;
    count("user_deleted");
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// A person signs in without a key's filter: whoever sees through one makes and changes nobody.
pub(super) fn sees_all(who: &Principal) -> Result<(), Error> {
    match who.filter {
        None => Ok(()),
        Some(_) => {
            let detail = "this key sees through a filter, which people do not";
            Err(Error::new(Code::Forbidden, detail))
        }
    }
}

fn shown(status: StatusCode, account: &Account, person: &Person) -> Response {
    let tag = account.version.to_string();
    versioned(&HeaderMap::new(), status, &tag, describe(account, person).to_string())
}

/// As it is shown.
pub(crate) fn describe(account: &Account, person: &Person) -> Value {
    json!({
        "id": account.id,
        "email": person.email,
        "name": account.name,
        "roles": account.roles,
        "state": accounts::state(account),
        "second_factor": person.totp.is_some(),
        "version": account.version,
        "created_at": account.created_at,
    })
}
