//! The caller's sessions, and what changes one: another password, a fresh proof.

use axum::extract::{Path, Request, State};
use axum::response::IntoResponse;
use forebay_db::Look;
use forebay_http::principal::Peer;
use forebay_http::query::Params;
use forebay_http::reply::json_text;
use forebay_http::{Answer, Who, body};
use forebay_model::principal::Principal;
use forebay_model::{Code, Error, FieldError};
use http::StatusCode;
use serde_json::{Value, json};

use super::login::{end, second_of, without_cookie};
use super::{MAX_BYTES, session_of};
use crate::Auth;
use crate::password::rules::{self, Owner};
use crate::session::Session;
use crate::sign_in::{Caller, Ends, Opening, Second, count, wrong};
use crate::sql::person::{self, Person};
use crate::sql::session as sessions;

/// `GET /v1/me/sessions`: the last used first.
#[utoipa::path(
    get,
    path = "/v1/me/sessions",
    tag = "sign in",
    responses(
        (status = 200, body = crate::api::Sessions),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list(State(auth): State<Auth>, Who(who): Who, params: Params) -> Answer {
    params.only(&[])?;
    let current = session_of(&who)?;
    let mut conn = auth.inner.db.reader(Look::Point).await?;
    let found = sessions::of_account(&mut conn, account_of(&who)?).await?;
    let now = auth.inner.clock.now();
    let good = found.iter().filter(|session| session.is_good(now));
    let items: Vec<Value> = good.map(|session| describe(session, current)).collect();
    Ok(json_text(StatusCode::OK, json!({"items": items, "next_cursor": null}).to_string()))
}

/// As it is shown.
pub(super) fn describe(session: &Session, current: &str) -> Value {
    json!({
        "id": session.id,
        "current": session.id == current,
        "device": session.device,
        "address": session.address,
        "second_factor": session.second_factor,
        "created_at": session.created_at,
        "last_used_at": session.last_used_at,
        "expires_at": session.expires_at,
    })
}

/// `DELETE /v1/me/sessions/{id}`.
#[utoipa::path(
    delete,
    path = "/v1/me/sessions/{id}",
    tag = "sign in",
    params(("id" = String, Path, description = "The session's id")),
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
) -> Answer {
    params.only(&[])?;
    let own = session_of(&who)? == id;
    let account = account_of(&who)?.to_owned();
    let ended = auth.change(move |conn| {
        Box::pin(async move {
            let found = sessions::find(conn, &id).await?;
            if found.is_none_or(|session| session.account != account) {
                return Ok(Err(Error::not_found("the session")));
            }
            end(conn, id).await
        })
    });
    ended.await?;
    let response = StatusCode::NO_CONTENT.into_response();
    Ok(if own { without_cookie(&auth, response) } else { response })
}

/// `DELETE /v1/me/sessions`: all but the one in which it is asked.
#[utoipa::path(
    delete,
    path = "/v1/me/sessions",
    tag = "sign in",
    responses(
        (status = 204),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn delete_others(
    State(auth): State<Auth>,
    Who(who): Who,
    params: Params,
) -> Answer {
    params.only(&[])?;
    let (session, account) = (session_of(&who)?.to_owned(), account_of(&who)?.to_owned());
    let ended = auth.change(move |conn| {
        Box::pin(async move {
            sessions::delete_others(conn, &account, &session).await?;
            Ok(Ok(()))
        })
    });
    ended.await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `POST /v1/auth/password/change`: all other sessions end, and this one goes on under another id.
#[utoipa::path(
    post,
    path = "/v1/auth/password/change",
    tag = "sign in",
    request_body(content = crate::api::PasswordChange),
    responses(
        (status = 200, body = crate::api::SignedIn),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn change_password(
    State(auth): State<Auth>,
    Who(who): Who,
    peer: Peer,
    params: Params,
    request: Request,
) -> Answer {
    params.only(&[])?;
    let (head, content) = request.into_parts();
    let document = body::document(content, MAX_BYTES).await?;
    let members = body::members(document, &["current", "new", "cookie"])?;
    let current = body::required(&members, "current")?;
    let new = body::required(&members, "new")?;
    let cookie = body::flag(&members, "cookie")?.unwrap_or(false);
    let caller = Caller::of(&auth, &head, peer, cookie)?;
    let (person, before) = own(&auth, &who).await?;
    let second_factor = person.totp.is_some();
    let owner = Owner { email: &person.email, name: &who.name, second_factor };
    let new = rules::check("/new", &new, &owner)?;
    let pass = auth.admit(&person.account, peer.0).await?;
    let proven = auth.prove_person(Some(person), "/current", &current).await?;
    let person = proven.ok_or_else(wrong)?.person;
    auth.inner.throttle.forgive(&pass);
    let opening = Opening {
        session: going_on(&auth, &caller, &before)?,
        compared: person.password.map(|password| password.hash),
        password: Some(auth.hash(new).await?),
        second: Second::None,
        ends: Ends::Others,
    };
    let begun = auth.open_session(opening).await?;
    count("password_changed");
    Ok(auth.signed_in(StatusCode::OK, &begun, cookie)?)
}

/// `POST /v1/auth/step-up`: shows a password or a phone's code again; the session goes on under
/// another id, and sensitive changes are open for ten minutes.
#[utoipa::path(
    post,
    path = "/v1/auth/step-up",
    tag = "sign in",
    request_body(content = crate::api::StepUp),
    responses(
        (status = 200, body = crate::api::SignedIn),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn step_up(
    State(auth): State<Auth>,
    Who(who): Who,
    peer: Peer,
    params: Params,
    request: Request,
) -> Answer {
    params.only(&[])?;
    let (head, content) = request.into_parts();
    let document = body::document(content, MAX_BYTES).await?;
    let members = body::members(document, &["password", "code", "cookie"])?;
    let shown = (body::text(&members, "password")?, body::text(&members, "code")?);
    let cookie = body::flag(&members, "cookie")?.unwrap_or(false);
    let caller = Caller::of(&auth, &head, peer, cookie)?;
    let (person, before) = own(&auth, &who).await?;
    let mut session = going_on(&auth, &caller, &before)?;
    let now = auth.inner.clock.now();
    let (pass, compared, password, second) = match shown {
        // Who knows the password and has not got the phone is whom the phone is there against.
        (Some(_), None) if person.totp.is_some() => {
            let message = "this account has a second factor: show its code";
            return Err(Error::invalid(FieldError::new("/code", "required", message)).into());
        }
        (Some(password), None) => {
            let pass = auth.admit(&person.account, peer.0).await?;
            let proven = auth.prove_person(Some(person), "/password", &password).await?;
            let proven = proven.ok_or_else(wrong)?;
            let compared = proven.person.password.map(|password| password.hash);
            (pass, compared, proven.rehashed, Second::None)
        }
        (None, Some(code)) => {
            let pass = auth.inner.throttle.code(&person.account, now)?;
            session.second_factor = true;
            (pass, None, None, second_of(&auth, &person, "totp", &code)?)
        }
        _ => {
            let message = "either a password or a code";
            return Err(Error::invalid(FieldError::new("", "invalid", message)).into());
        }
    };
    let ends = Ends::One(before.id);
    let begun = auth.open_session(Opening { session, compared, password, second, ends }).await?;
    auth.inner.throttle.forgive(&pass);
    count("stepped_up");
    Ok(auth.signed_in(StatusCode::OK, &begun, cookie)?)
}

/// Somebody's own ways of signing in, and the session in which they ask.
pub(super) async fn own(auth: &Auth, who: &Principal) -> Result<(Person, Session), Error> {
    let gone = || Error::new(Code::Unauthenticated, "the session has ended");
    let session = session_of(who)?;
    let mut conn = auth.inner.db.reader(Look::Point).await?;
    let person = person::find(&mut conn, account_of(who)?).await?.ok_or_else(gone)?;
    let session = sessions::find(&mut conn, session).await?.ok_or_else(gone)?;
    Ok((person, session))
}

/// A session under another id, which lasts no longer than it did.
fn going_on(auth: &Auth, caller: &Caller, before: &Session) -> Result<Session, Error> {
    let now = auth.inner.clock.now();
    let new = caller.session(&before.account, before.second_factor, now)?;
    Ok(Session { created_at: before.created_at, expires_at: before.expires_at, ..new })
}

/// The account of somebody in a session.
pub(super) fn account_of(who: &Principal) -> Result<&str, Error> {
    who.user_id.as_deref().ok_or_else(|| Error::internal("a session without an account"))
}
