//! The first administrator.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::extract::{Request, State};
use forebay_db::{Conn, DbError};
use forebay_http::principal::Peer;
use forebay_http::query::Params;
use forebay_http::{Answer, body};
use forebay_model::{Code, Error};
use http::StatusCode;

use super::{Done, MAX_BYTES};
use crate::password::rules::{self, Owner};
use crate::sign_in::{self, Begun, Caller, count};
use crate::sql::account::{self, Account};
use crate::sql::person::{self, Person};
use crate::sql::setting::{self, SETUP};
use crate::{Auth, audit, email, key, open, setup};

/// `POST /v1/setup`: whoever has the link becomes the administrator, once.
#[utoipa::path(
    post,
    path = "/v1/setup",
    tag = "sign in",
    request_body(content = crate::api::Setup),
    responses(
        (status = 201, body = crate::api::SignedIn),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn create(
    State(auth): State<Auth>,
    peer: Peer,
    params: Params,
    request: Request,
) -> Answer {
    params.only(&[])?;
    if open::has_administrator(&auth).await? {
        return Err(done().into());
    }
    let (head, content) = request.into_parts();
    let document = body::document(content, MAX_BYTES).await?;
    let members = body::members(document, &["token", "email", "name", "password", "cookie"])?;
    let token = body::required(&members, "token")?;
    let address = body::required(&members, "email")?;
    let password = body::required(&members, "password")?;
    let name = super::read_name(body::text(&members, "name")?.or_else(|| Some(address.clone())))?;
    let cookie = body::flag(&members, "cookie")?.unwrap_or(false);
    let caller = Caller::of(&auth, &head, peer, cookie)?;
    let pass = auth.inner.throttle.address(peer.0, auth.inner.clock.now())?;
    let expected = setup::pending(&auth).await?.ok_or_else(done)?;
    verify_slices_are_equal(expected.as_bytes(), token.as_bytes()).map_err(|_| unknown())?;
    auth.inner.throttle.forgive(&pass);
    email::check(&address)?;
    let owner = Owner { email: &address, name: &name, second_factor: false };
    let password = rules::check("/password", &password, &owner)?;
    let password = auth.hash(password).await?;
    let now = auth.inner.clock.now();
    let account = super::invitations::new_account(name, vec!["admin".to_owned()], now);
    let session = caller.session(&account.id, false, now)?;
    audit::account(&account.id);
    let person = super::invitations::person(&account.id, &address, password);
    let (auth_again, nonce) = (auth.clone(), key::random()?.to_vec());
    let begun = auth.change(move |conn| {
        Box::pin(async move {
            // Looked at again under the lock: two with the link make one administrator.
            let stored = setting::find(conn, SETUP).await?.unwrap_or_default();
            if account::has_administrator(conn).await? {
                return Ok(Err(done()));
            }
            if setup::token(&auth_again, &stored) != token {
                return Ok(Err(unknown()));
            }
            setting::set(conn, SETUP, nonce).await?;
            enrol(conn, &account, &person, session).await
        })
    });
    let begun = begun.await?;
    count("set_up");
    Ok(auth.signed_in(StatusCode::CREATED, &begun, cookie)?)
}

/// Writes somebody new and their first session.
pub(super) async fn enrol(
    conn: &mut Conn,
    account: &Account,
    person: &Person,
    session: crate::session::Session,
) -> Done<Begun> {
    if !person::insert(conn, person).await? {
        let detail = "the address has an account already";
        return Ok(Err(Error::new(Code::Conflict, detail)));
    }
    account::put(conn, account).await?;
    let begun = sign_in::begin(conn, session).await?;
    let lost = || DbError::Internal("a new account has no session".to_owned());
    Ok(Ok(begun.ok_or_else(lost)?))
}

fn done() -> Error {
    Error::new(Code::SetupDone, "there is an administrator, who can invite others")
}

fn unknown() -> Error {
    Error::new(Code::InvalidCredentials, "the link is not the one that was shown last")
}
