//! Addresses: shown to be somebody's, and changed when both the old and the new one say so. What a mail
//! scanner fetches changes nothing: only a POST takes a link.

use axum::extract::{Request, State};
use forebay_db::{Conn, Look, mail};
use forebay_http::principal::Peer;
use forebay_http::query::Params;
use forebay_http::{Answer, Who, body};
use forebay_model::time::Timestamp;
use forebay_model::{Code, Error, FieldError};
use http::StatusCode;
use serde_json::json;

use super::sessions::own;
use super::users::taken;
use super::{Done, MAX_BYTES};
use crate::answer::secret;
use crate::challenge::{Challenge, VERIFY};
use crate::mail::{TO_NOBODY, To, moved};
use crate::sign_in::{count, wrong};
use crate::sql::email_change::{self, Wanted};
use crate::sql::{account, person};
use crate::{Auth, audit, email, key};

/// How long a change is good, in microseconds.
const GOOD: i64 = 24 * 3600 * 1_000_000;

/// `POST /v1/auth/email/change`: both addresses get a link. Whether the new one has an account is not
/// said.
#[utoipa::path(
    post,
    path = "/v1/auth/email/change",
    tag = "sign in",
    request_body(content = crate::api::EmailChange),
    responses(
        (status = 202, description = "Links are on their way to both addresses"),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn change(
    State(auth): State<Auth>,
    Who(who): Who,
    peer: Peer,
    params: Params,
    request: Request,
) -> Answer {
    params.only(&[])?;
    super::session_of(&who)?;
    let now = auth.inner.clock.now();
    who.require_proof(now)?;
    let document = body::document(request.into_body(), MAX_BYTES).await?;
    let members = body::members(document, &["email"])?;
    let address = body::required(&members, "email")?;
    email::check(&address)?;
    auth.require_mail()?;
    let (person, _) = own(&auth, &who).await?;
    let email_key = email::key(&address);
    if email_key == person.email_key {
        let field = FieldError::new("/email", "invalid", "this is the address already");
        return Err(Error::invalid(field).into());
    }
    // Not forgiven: each costs two letters.
    auth.admit(&format!("email change {}", person.account), peer.0).await?;
    let mut conn = auth.inner.db.reader(Look::Point).await?;
    let free = person::by_email(&mut conn, &email_key).await?.is_none();
    drop(conn);
    let tokens = [key::generate("email")?, key::generate("email")?];
    let [old, new] = [&person.email, &address]
        .map(|to| if free { To { account: &person.account, address: to } } else { TO_NOBODY });
    let letter = |to: To<'_>, token: &str| {
        let path = format!("console/email?token={token}");
        let data = json!({"name": who.name, "old": person.email, "new": address, "path": path});
        auth.letter("mail.email_change", to, &data)
    };
    let letters = [letter(old, &tokens[0])?, letter(new, &tokens[1])?];
    let wanted = Wanted {
        account: person.account.clone(),
        email: address.clone(),
        email_key,
        old_hash: key::hash(&tokens[0]),
        new_hash: key::hash(&tokens[1]),
        expires_at: Timestamp::from_micros(now.micros() + GOOD),
    };
    let asked = auth.locked(false, move |conn| {
        Box::pin(async move {
            email_change::put(conn, &wanted, now).await?;
            for letter in &letters {
                mail::put(conn, letter).await?;
            }
            Ok(Ok(()))
        })
    });
    asked.await?;
    Ok(secret(StatusCode::ACCEPTED, &json!({})))
}

/// `POST /v1/auth/email/verify`: takes a link. One of a registration goes with the password that was
/// chosen then: who has the address only, or the password only, made another account.
#[utoipa::path(
    post,
    path = "/v1/auth/email/verify",
    tag = "sign in",
    request_body(content = crate::api::EmailVerification),
    responses(
        (status = 200, body = crate::api::EmailVerified),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn verify(
    State(auth): State<Auth>,
    peer: Peer,
    params: Params,
    request: Request,
) -> Answer {
    params.only(&[])?;
    let document = body::document(request.into_body(), MAX_BYTES).await?;
    let members = body::members(document, &["token", "password"])?;
    let token = body::required(&members, "token")?;
    let password = body::text(&members, "password")?;
    let now = auth.inner.clock.now();
    let pass = auth.inner.throttle.address(peer.0, now)?;
    let state = match VERIFY.read(&token) {
        Some(shown) => {
            let password = password.ok_or_else(|| {
                Error::invalid(FieldError::new("/password", "required", "is needed"))
            })?;
            registered(&auth, (&shown, &password), peer, now).await?
        }
        None => agreed(&auth, key::hash(&token), now).await?,
    };
    auth.inner.throttle.forgive(&pass);
    Ok(secret(StatusCode::OK, &json!({"state": state})))
}

/// Somebody has shown that the address of their new account is theirs.
async fn registered(
    auth: &Auth,
    (shown, password): (&Challenge, &str),
    peer: Peer,
    now: Timestamp,
) -> Result<&'static str, Error> {
    let mut conn = auth.inner.db.reader(Look::Point).await?;
    let person = person::find(&mut conn, &shown.account).await?.ok_or_else(over)?;
    drop(conn);
    audit::target(&person.account);
    let hash = super::reset::hash_of(&person);
    if person.verified || !shown.holds(auth.inner.secrets.verify(), &hash, now) {
        return Err(over());
    }
    let pass = auth.admit(&person.email_key, peer.0).await?;
    let proven = auth.prove_new(person, password).await?.ok_or_else(wrong)?;
    auth.inner.throttle.forgive(&pass);
    let id = proven.account;
    audit::account(&id);
    let verified = auth.change(move |conn| {
        Box::pin(async move {
            let found = person::find(conn, &id).await?;
            if found.is_none_or(|person| person.verified || super::reset::hash_of(&person) != hash)
            {
                return Ok(Err(over()));
            }
            person::verify(conn, &id).await?;
            Ok(Ok(()))
        })
    });
    verified.await?;
    count("verified");
    Ok("verified")
}

/// One of the two addresses says yes; with the second one the change is made.
async fn agreed(auth: &Auth, hash: Vec<u8>, now: Timestamp) -> Result<&'static str, Error> {
    let master = auth.inner.master.clone();
    let agreed = auth.change(move |conn| {
        Box::pin(async move {
            let found = email_change::find(conn, &hash).await?;
            let Some(mut wanted) = found.filter(|wanted| now < wanted.expires_at) else {
                return Ok(Err(over()));
            };
            audit::account(&wanted.account);
            for side in [&mut wanted.old_hash, &mut wanted.new_hash] {
                if *side == hash {
                    side.clear();
                }
            }
            if !wanted.old_hash.is_empty() || !wanted.new_hash.is_empty() {
                email_change::agree(conn, &wanted).await?;
                return Ok(Ok("waiting"));
            }
            let before = match move_over(conn, &wanted).await? {
                Ok(before) => before,
                Err(error) => return Ok(Err(error)),
            };
            let addresses = [before.as_str(), wanted.email.as_str()];
            moved(conn, &master, (&wanted.account, addresses), now).await?;
            Ok(Ok("changed"))
        })
    });
    let state = agreed.await?;
    count("email_changed");
    Ok(state)
}

/// Gives an account its new address; the one before.
async fn move_over(conn: &mut Conn, wanted: &Wanted) -> Done<String> {
    let account = account::find(conn, &wanted.account).await?.filter(|account| account.enabled);
    let person = person::find(conn, &wanted.account).await?;
    let Some((mut account, person)) = account.zip(person) else { return Ok(Err(over())) };
    if person::by_email(conn, &wanted.email_key).await?.is_some() {
        return Ok(Err(taken()));
    }
    person::set_email(conn, &wanted.account, (&wanted.email, &wanted.email_key)).await?;
    account.version += 1;
    account::put(conn, &account).await?;
    email_change::delete(conn, &wanted.account).await?;
    Ok(Ok(person.email))
}

fn over() -> Error {
    Error::new(Code::InvalidCredentials, "the link is over, or was used before")
}
