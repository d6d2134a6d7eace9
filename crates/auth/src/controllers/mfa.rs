//! Second factors: offered, confirmed with a first code, and taken away.

use axum::extract::{Request, State};
use axum::response::IntoResponse;
use forebay_http::query::Params;
use forebay_http::{Answer, Who, body};
use forebay_model::{Code, Error};
use http::StatusCode;
use serde_json::json;

use super::login::SEED;
use super::sessions::{account_of, own};
use super::{MAX_BYTES, session_of};
use crate::answer::secret;
use crate::sign_in::{count, wrong_code};
use crate::sql::{person, recovery_code, session as sessions};
use crate::{Auth, factor};

/// `POST /v1/me/mfa/totp`: a seed for a phone. It counts once a code of it was shown.
#[utoipa::path(
    post,
    path = "/v1/me/mfa/totp",
    tag = "sign in",
    responses(
        (status = 200, body = crate::api::TotpSeed),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn offer(State(auth): State<Auth>, Who(who): Who, params: Params) -> Answer {
    params.only(&[])?;
    session_of(&who)?;
    who.require_proof(auth.inner.clock.now())?;
    let (person, _) = own(&auth, &who).await?;
    if person.totp.is_some() {
        return Err(there_is_one().into());
    }
    let seed = factor::seed()?;
    let sealed = auth.inner.master.seal(SEED, &person.account, &seed)?;
    let url = factor::otpauth_url(&seed, &person.email);
    let body = json!({
        "secret": factor::base32(&seed),
        "otpauth_url": url,
        "qr_svg": factor::qr_svg(&url)?,
    });
    let offered = auth.locked(false, move |conn| {
        Box::pin(async move {
            person::offer_totp(conn, &person.account, sealed).await?;
            Ok(Ok(()))
        })
    });
    offered.await?;
    Ok(secret(StatusCode::OK, &body))
}

/// `POST /v1/me/mfa/totp/confirm`: the session counts as proven twice from then on.
#[utoipa::path(
    post,
    path = "/v1/me/mfa/totp/confirm",
    tag = "sign in",
    request_body(content = crate::api::CodeShown),
    responses(
        (status = 200, body = crate::api::RecoveryCodes),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn confirm(
    State(auth): State<Auth>,
    Who(who): Who,
    params: Params,
    request: Request,
) -> Answer {
    params.only(&[])?;
    let session = session_of(&who)?.to_owned();
    let now = auth.inner.clock.now();
    who.require_proof(now)?;
    let document = body::document(request.into_body(), MAX_BYTES).await?;
    let members = body::members(document, &["code"])?;
    let code = body::required(&members, "code")?;
    let (person, _) = own(&auth, &who).await?;
    if person.totp.is_some() {
        return Err(there_is_one().into());
    }
    let offered = person.totp_new.ok_or_else(|| {
        Error::new(Code::Conflict, "no second factor is offered: POST /v1/me/mfa/totp")
    })?;
    let pass = auth.inner.throttle.code(&person.account, now)?;
    let seed = auth.inner.master.open(SEED, &person.account, &offered)?;
    let step = factor::step_of(&seed, &code, now, 0).ok_or_else(wrong_code)?;
    auth.inner.throttle.forgive(&pass);
    let codes = factor::recovery_codes()?;
    let hashes: Vec<Vec<u8>> =
        codes.iter().filter_map(|code| factor::recovery_hash(code)).collect();
    let account = person.account;
    let confirmed = auth.change(move |conn| {
        Box::pin(async move {
            // Offered anew in the meantime: the code was of another seed.
            let found = person::find(conn, &account).await?;
            if found.and_then(|person| person.totp_new) != Some(offered) {
                return Ok(Err(wrong_code()));
            }
            person::confirm_totp(conn, &account, step).await?;
            recovery_code::replace(conn, &account, hashes).await?;
            sessions::prove(conn, &session, now).await?;
            Ok(Ok(()))
        })
    });
    confirmed.await?;
    count("second_factor_added");
    Ok(secret(StatusCode::OK, &json!({"recovery_codes": codes})))
}

/// `DELETE /v1/me/mfa/totp`: with its codes on paper; the other sessions end.
#[utoipa::path(
    delete,
    path = "/v1/me/mfa/totp",
    tag = "sign in",
    responses(
        (status = 204),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn remove(State(auth): State<Auth>, Who(who): Who, params: Params) -> Answer {
    params.only(&[])?;
    let session = session_of(&who)?.to_owned();
    who.require_proof(auth.inner.clock.now())?;
    let account = account_of(&who)?.to_owned();
    let removed = auth.change(move |conn| {
        Box::pin(async move {
            let found = person::find(conn, &account).await?;
            let Some(person) = found.filter(|person| person.totp.is_some()) else {
                return Ok(Err(Error::not_found("a second factor")));
            };
            if person.password.is_some_and(|password| password.short) {
                let detail = "the password is too short to be alone: change it first";
                return Ok(Err(Error::new(Code::Conflict, detail)));
            }
            person::remove_totp(conn, &account).await?;
            recovery_code::replace(conn, &account, Vec::new()).await?;
            sessions::delete_others(conn, &account, &session).await?;
            Ok(Ok(()))
        })
    });
    removed.await?;
    count("second_factor_removed");
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `POST /v1/me/mfa/recovery-codes`: new ones instead of those before.
#[utoipa::path(
    post,
    path = "/v1/me/mfa/recovery-codes",
    tag = "sign in",
    responses(
        (status = 200, body = crate::api::RecoveryCodes),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn renew_codes(State(auth): State<Auth>, Who(who): Who, params: Params) -> Answer {
    params.only(&[])?;
    session_of(&who)?;
    who.require_proof(auth.inner.clock.now())?;
    let account = account_of(&who)?.to_owned();
    let codes = factor::recovery_codes()?;
    let hashes: Vec<Vec<u8>> =
        codes.iter().filter_map(|code| factor::recovery_hash(code)).collect();
    let renewed = auth.locked(false, move |conn| {
        Box::pin(async move {
            let found = person::find(conn, &account).await?;
            if found.is_none_or(|person| person.totp.is_none()) {
                return Ok(Err(Error::not_found("a second factor")));
            }
            recovery_code::replace(conn, &account, hashes).await?;
            Ok(Ok(()))
        })
    });
    renewed.await?;
    count("recovery_codes_renewed");
    Ok(secret(StatusCode::OK, &json!({"recovery_codes": codes})))
}

fn there_is_one() -> Error {
    Error::new(Code::Conflict, "there is a second factor: take it away first")
}
