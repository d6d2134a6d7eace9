//! Signing in and out, and going on being signed in.

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use forebay_db::{Conn, Look};
use forebay_http::principal::Peer;
use forebay_http::query::Params;
use forebay_http::{Answer, Who, body};
use forebay_model::time::Timestamp;
use forebay_model::{Code, Error, FieldError};
use http::StatusCode;
use http::header::SET_COOKIE;
use serde_json::json;

use super::{Done, MAX_BYTES};
use crate::answer::secret;
use crate::challenge::FACTOR;
use crate::session::{GRACE, Refresh};
use crate::sign_in::{Begun, Caller, Ends, Opening, Second, count, wrong, wrong_code};
use crate::sql::person::Person;
use crate::sql::{person, session as sessions};
use crate::{Auth, audit, directory, factor};

/// What seeds are sealed for.
pub(super) const SEED: &str = "totp seed";

/// `POST /v1/auth/login`.
#[utoipa::path(
    post,
    path = "/v1/auth/login",
    tag = "sign in",
    request_body(content = crate::api::Login),
    responses(
        (status = 200, body = crate::api::SignedIn, description = "Signed in, or a second factor is due: `mfa_required`, `mfa_token` and `methods`"),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn login(
    State(auth): State<Auth>,
    peer: Peer,
    params: Params,
    request: Request,
) -> Answer {
    params.only(&[])?;
    let (head, content) = request.into_parts();
    let document = body::document(content, MAX_BYTES).await?;
    let members = body::members(document, &["email", "password", "cookie"])?;
    let address = body::required(&members, "email")?;
    let password = body::required(&members, "password")?;
    let cookie = body::flag(&members, "cookie")?.unwrap_or(false);
    let caller = Caller::of(&auth, &head, peer, cookie)?;
    let pass = auth.admit(&crate::email::key(&address), peer.0).await?;
    let Some(proven) = auth.prove(&address, &password).await? else {
        count("wrong");
        return Err(wrong().into());
    };
    let now = auth.inner.clock.now();
    let person = proven.person;
    let compared = person.password.as_ref().map(|password| password.hash.clone());
    if person.totp.is_some() {
        auth.inner.throttle.forgive(&pass);
        let hash = compared.unwrap_or_default();
        return second_is_due(&auth, &person, &hash, now).await;
    }
    let opening = Opening {
        session: caller.session(&person.account, false, now)?,
        compared,
        password: proven.rehashed,
        second: Second::None,
        ends: Ends::None,
    };
    let begun = auth.open_session(opening).await.inspect_err(|_| count("wrong"))?;
    auth.inner.throttle.forgive(&pass);
    count("signed_in");
    Ok(auth.signed_in(StatusCode::OK, &begun, cookie)?)
}

/// A disabled account is told no more than a wrong password is.
async fn second_is_due(auth: &Auth, person: &Person, hash: &str, now: Timestamp) -> Answer {
    let mut conn = auth.inner.db.reader(Look::Point).await?;
    let account = crate::sql::account::find(&mut conn, &person.account).await?;
    if !account.is_some_and(|account| account.enabled) {
        count("wrong");
        return Err(wrong().into());
    }
    count("second_factor_due");
    let token = FACTOR.write(auth.inner.secrets.challenge(), &person.account, hash, now);
    let methods = ["totp", "recovery_code"];
    let body = json!({"mfa_required": true, "mfa_token": token, "methods": methods});
    Ok(secret(StatusCode::OK, &body))
}

/// `POST /v1/auth/login/mfa`.
#[utoipa::path(
    post,
    path = "/v1/auth/login/mfa",
    tag = "sign in",
    request_body(content = crate::api::SecondFactor),
    responses(
        (status = 200, body = crate::api::SignedIn),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn second_factor(
    State(auth): State<Auth>,
    peer: Peer,
    params: Params,
    request: Request,
) -> Answer {
    params.only(&[])?;
    let (head, content) = request.into_parts();
    let document = body::document(content, MAX_BYTES).await?;
    let members = body::members(document, &["mfa_token", "method", "code", "cookie"])?;
    let token = body::required(&members, "mfa_token")?;
    let method = body::required(&members, "method")?;
    let code = body::required(&members, "code")?;
    let cookie = body::flag(&members, "cookie")?.unwrap_or(false);
    let caller = Caller::of(&auth, &head, peer, cookie)?;
    let address = auth.inner.throttle.address(peer.0, auth.inner.clock.now())?;
    let (person, hash) = challenged(&auth, &token).await?;
    audit::target(&person.account);
    let now = auth.inner.clock.now();
    // A code on paper cannot be guessed; it stays good for whoever is pestered with wrong ones.
    let counted = method == "totp";
    let pass = counted.then(|| auth.inner.throttle.code(&person.account, now)).transpose()?;
    let opening = Opening {
        session: caller.session(&person.account, true, now)?,
        compared: Some(hash),
        password: None,
        second: second_of(&auth, &person, &method, &code)?,
        ends: Ends::None,
    };
    let begun = auth.open_session(opening).await.inspect_err(|_| count("wrong_code"))?;
    for pass in pass.iter().chain([&address]) {
        auth.inner.throttle.forgive(pass);
    }
    count("signed_in");
    Ok(auth.signed_in(StatusCode::OK, &begun, cookie)?)
}

async fn challenged(auth: &Auth, token: &str) -> Result<(Person, String), Error> {
    let over = || Error::new(Code::InvalidCredentials, "sign in anew: the time for it is over");
    let read = FACTOR.read(token).ok_or_else(over)?;
    let mut conn = auth.inner.db.reader(Look::Point).await?;
    let person = person::find(&mut conn, &read.account).await?.ok_or_else(over)?;
    let hash = person.password.as_ref().map(|password| password.hash.clone()).unwrap_or_default();
    let key = auth.inner.secrets.challenge();
    if !read.holds(key, &hash, auth.inner.clock.now()) {
        return Err(over());
    }
    Ok((person, hash))
}

/// Which second factor a code is; what is not one is refused before anything is written.
pub(super) fn second_of(
    auth: &Auth,
    person: &Person,
    method: &str,
    code: &str,
) -> Result<Second, Error> {
    let found = match method {
        "totp" => totp_step(auth, person, code)?.map(Second::Step),
        "recovery_code" => factor::recovery_hash(code).map(Second::Paper),
        _ => {
            let message = "totp or recovery_code";
            return Err(Error::invalid(FieldError::new("/method", "invalid", message)));
        }
    };
    found.ok_or_else(|| {
        count("wrong_code");
        wrong_code()
    })
}

/// The step of a code of somebody's phone.
pub(super) fn totp_step(auth: &Auth, person: &Person, code: &str) -> Result<Option<i64>, Error> {
    let Some(sealed) = &person.totp else { return Ok(None) };
    let seed = auth.inner.master.open(SEED, &person.account, sealed)?;
    Ok(factor::step_of(&seed, code, auth.inner.clock.now(), person.totp_step))
}

/// `POST /v1/auth/refresh`: the same token gets the same successor for ten seconds; later it ends
/// the session, because one of two who have it has stolen it.
#[utoipa::path(
    post,
    path = "/v1/auth/refresh",
    tag = "sign in",
    request_body(content = crate::api::RefreshToken),
    responses(
        (status = 200, body = crate::api::SignedIn),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn refresh(
    State(auth): State<Auth>,
    peer: Peer,
    params: Params,
    request: Request,
) -> Answer {
    params.only(&[])?;
    let document = body::document(request.into_body(), MAX_BYTES).await?;
    let members = body::members(document, &["refresh_token"])?;
    let token = body::required(&members, "refresh_token")?;
    let now = auth.inner.clock.now();
    // What was not made here costs one tag to tell; guessing it is hopeless, and counted anyway.
    let pass = auth.inner.throttle.address(peer.0, now)?;
    let shown = auth.inner.secrets.read_refresh(&token).ok_or_else(ended)?;
    auth.inner.throttle.forgive(&pass);
    let again = shown.clone();
    let rotated = auth.locked(false, move |conn| Box::pin(rotate(conn, again, now))).await?;
    match rotated {
        Rotated::Done(begun) => Ok(auth.signed_in(StatusCode::OK, &begun, false)?),
        Rotated::Over => Err(ended().into()),
        Rotated::Reused => {
            count("refresh_reused");
            tracing::warn!(
                session = shown.session,
                "a refresh token was used again: the session ends"
            );
            audit::target(&shown.session);
            audit::wrong("refresh_reused");
            auth.change(move |conn| Box::pin(end(conn, shown.session))).await?;
            Err(ended().into())
        }
    }
}

/// What became of a refresh token.
enum Rotated {
    Done(Box<Begun>),
    /// The session has ended.
    Over,
    /// Somebody has used it before.
    Reused,
}

async fn rotate(conn: &mut Conn, shown: Refresh, now: Timestamp) -> Done<Rotated> {
    let rotated = sessions::rotate(conn, &shown.session, shown.counter, now).await?;
    let found = sessions::find(conn, &shown.session).await?;
    let Some(session) = found.filter(|session| session.is_good(now)) else {
        return Ok(Ok(Rotated::Over));
    };
    let late = now.micros() - session.rotated_at.micros() > GRACE;
    if !rotated && (late || session.counter != shown.counter.saturating_add(1)) {
        return Ok(Ok(Rotated::Reused));
    }
    let Some(who) = directory::of_session(conn, &session).await? else {
        return Ok(Ok(Rotated::Over));
    };
    let account = crate::sql::account::find(conn, &session.account).await?;
    let limited = account.is_some_and(|account| account.roles.len() != who.roles.len());
    Ok(Ok(Rotated::Done(Box::new(Begun { session, who, limited, stranger: false }))))
}

pub(super) async fn end(conn: &mut Conn, session: String) -> Done<()> {
    sessions::delete(conn, &session).await?;
    Ok(Ok(()))
}

fn ended() -> Error {
    Error::new(Code::InvalidCredentials, "the session has ended: sign in")
}

/// `POST /v1/auth/logout`: ends the session in which it is asked.
#[utoipa::path(
    post,
    path = "/v1/auth/logout",
    tag = "sign in",
    responses(
        (status = 204),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn logout(State(auth): State<Auth>, Who(who): Who, params: Params) -> Answer {
    params.only(&[])?;
    let session = super::session_of(&who)?.to_owned();
    audit::target(&session);
    auth.change(move |conn| Box::pin(end(conn, session))).await?;
    count("signed_out");
    Ok(without_cookie(&auth, StatusCode::NO_CONTENT.into_response()))
}

/// Takes the cookie away, where there is one.
pub(super) fn without_cookie(auth: &Auth, mut response: Response) -> Response {
    if let Some(gone) = auth.inner.config.site.set_cookie(None, 0) {
        response.headers_mut().insert(SET_COOKIE, gone);
    }
    response
}
