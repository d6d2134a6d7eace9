//! A password that was forgotten: a link goes to the address, if it has an account. Whoever asks gets the
//! same answer at the same time either way.

use axum::extract::{Request, State};
use forebay_db::{Look, mail};
use forebay_http::principal::Peer;
use forebay_http::query::Params;
use forebay_http::{Answer, body};
use http::StatusCode;
use serde_json::json;

use super::MAX_BYTES;
use super::reset::hash_of;
use crate::answer::secret;
use crate::challenge::RESET;
use crate::mail::{TO_NOBODY, To};
use crate::sign_in::count;
use crate::sql::{account, person};
use crate::{Auth, audit, email};

/// `POST /v1/auth/password/forgot`.
#[utoipa::path(
    post,
    path = "/v1/auth/password/forgot",
    tag = "sign in",
    request_body(content = crate::api::PasswordForgotten),
    responses(
        (status = 202, description = "A link is on its way, if the address has an account"),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn forgot(
    State(auth): State<Auth>,
    peer: Peer,
    params: Params,
    request: Request,
) -> Answer {
    params.only(&[])?;
    let document = body::document(request.into_body(), MAX_BYTES).await?;
    let members = body::members(document, &["email"])?;
    let address = body::required(&members, "email")?;
    auth.require_mail()?;
    let name = email::key(&address);
    // Not forgiven: each costs a letter. Apart from tries to sign in, which it must not use up.
    let pass = auth.admit(&format!("forgot {name}"), peer.0).await?;
    let now = auth.inner.clock.now();
    // However many ask for it, somebody gets a few letters in a while and no more.
    let few = auth.inner.throttle.code(&format!("forgot {name}"), now).is_ok() && !pass.slowed;
    let mut conn = auth.inner.db.reader(Look::Point).await?;
    let person = person::by_email(&mut conn, &name).await?;
    // Looked for where nobody was found too: that takes as long.
    let id = person.as_ref().map(|person| person.account.clone()).unwrap_or_default();
    let account = account::find(&mut conn, &id).await?.filter(|account| account.enabled);
    drop(conn);
    if !id.is_empty() {
        audit::target(&id);
    }
    let hash = person.as_ref().map(hash_of).unwrap_or_default();
    let token = RESET.write(auth.inner.secrets.reset(), &id, &hash, now);
    let to = match (&person, &account) {
        (Some(person), Some(account)) if few => To { account: &account.id, address: &person.email },
        _ => TO_NOBODY,
    };
    let name = account.as_ref().map(|account| account.name.as_str());
    let data = json!({"name": name, "path": format!("console/reset?token={token}")});
    let letter = auth.letter("mail.password_reset", to, &data)?;
    let asked = auth.locked(false, move |conn| {
        Box::pin(async move {
            mail::put(conn, &letter).await?;
            Ok(Ok(()))
        })
    });
    asked.await?;
    count("forgotten");
    Ok(secret(StatusCode::ACCEPTED, &json!({})))
}
