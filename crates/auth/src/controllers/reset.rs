//! A password that is chosen anew, by a link: it came by mail, or an administrator handed it over.

use axum::extract::{Request, State};
use axum::response::IntoResponse;
use forebay_db::{Conn, Look};
use forebay_http::principal::Peer;
use forebay_http::query::Params;
use forebay_http::{Answer, body};
use forebay_model::{Code, Error};
use http::StatusCode;

use super::{Done, MAX_BYTES, users};
use crate::challenge::RESET;
use crate::password::rules::{self, Owner};
use crate::sign_in::count;
use crate::sql::account::{self, Account};
use crate::sql::person::{self, Person};
use crate::{Auth, audit};

/// `POST /v1/auth/password/reset`: all sessions end; what is asked at a sign-in beside the password
/// is asked still.
#[utoipa::path(
    post,
    path = "/v1/auth/password/reset",
    tag = "sign in",
    request_body(content = crate::api::PasswordReset),
    responses(
        (status = 204),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn reset(
    State(auth): State<Auth>,
    peer: Peer,
    params: Params,
    request: Request,
) -> Answer {
    params.only(&[])?;
    let document = body::document(request.into_body(), MAX_BYTES).await?;
    let members = body::members(document, &["token", "password"])?;
    let token = body::required(&members, "token")?;
    let password = body::required(&members, "password")?;
    let now = auth.inner.clock.now();
    let pass = auth.inner.throttle.address(peer.0, now)?;
    let shown = RESET.read(&token).ok_or_else(over)?;
    let mut conn = auth.inner.db.reader(Look::Point).await?;
    let (account, person) = known(&mut conn, &shown.account).await??;
    drop(conn);
    audit::target(&account.id);
    let before = hash_of(&person);
    if !shown.holds(auth.inner.secrets.reset(), &before, now) {
        return Err(over().into());
    }
    auth.inner.throttle.forgive(&pass);
    audit::account(&account.id);
    let second_factor = person.totp.is_some();
    let owner = Owner { email: &person.email, name: &account.name, second_factor };
    let password = auth.hash(rules::check("/password", &password, &owner)?).await?;
    let reset = auth.change(move |conn| {
        Box::pin(async move {
            // Another has been chosen in the meantime: the link was used.
            match known(conn, &account.id).await? {
                Ok((_, person)) if hash_of(&person) == before => {}
                _ => return Ok(Err(over())),
            }
            users::reset(conn, &account.id, &password).await?;
            // The link came by the address, or from somebody who knows whose it is.
            person::verify(conn, &account.id).await?;
            Ok(Ok(()))
        })
    });
    reset.await?;
    count("password_reset");
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn known(conn: &mut Conn, id: &str) -> Done<(Account, Person)> {
    let account = account::find(conn, id).await?.filter(|account| account.enabled);
    let person = person::find(conn, id).await?;
    Ok(account.zip(person).ok_or_else(over))
}

/// What a link hangs on.
pub(crate) fn hash_of(person: &Person) -> String {
    person.password.as_ref().map(|password| password.hash.clone()).unwrap_or_default()
}

fn over() -> Error {
    Error::new(Code::InvalidCredentials, "the link is over, or was used before")
}
