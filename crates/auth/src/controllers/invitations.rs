//! How somebody gets an account: by an invitation, or by asking where that is enough.

use axum::extract::{Request, State};
use forebay_db::{Conn, DbError, Look, mail};
use forebay_http::principal::Peer;
use forebay_http::query::Params;
use forebay_http::{Answer, Who, body};
use forebay_model::principal::{Principal, USERS_WRITE};
use forebay_model::time::Timestamp;
use forebay_model::{Code, Error};
use http::StatusCode;
use serde_json::json;

use super::accounts::may_assign;
use super::setup::enrol;
use super::users::sees_all;
use super::{Done, MAX_BYTES, read_name};
use crate::answer::secret;
use crate::challenge::VERIFY;
use crate::config::Registration;
use crate::mail::To;
use crate::password::rules::{self, Owner};
use crate::sign_in::{Caller, count};
use crate::sql::account::Account;
use crate::sql::invitation::{self, Invitation};
use crate::sql::person::{Hashed, Person};
use crate::{Auth, audit, directory, email, key};

/// How long an invitation is good, in microseconds.
const GOOD: i64 = 7 * 24 * 3600 * 1_000_000;

/// `POST /v1/invitations`: a link goes to the address; without a mail server the token is shown to
/// whoever invites, who hands it on.
#[utoipa::path(
    post,
    path = "/v1/invitations",
    tag = "sign in",
    request_body(content = crate::api::NewInvitation),
    responses(
        (status = 201, body = crate::api::InvitationWithToken),
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
    if who.is_guest() {
        let detail = "an invitation is good while whoever gave it is: show a key, or sign in";
        return Err(Error::new(Code::Forbidden, detail).into());
    }
    if auth.inner.config.registration == Registration::Closed {
        return Err(closed("nobody is invited here: auth.registration is closed").into());
    }
    let document = body::document(request.into_body(), MAX_BYTES).await?;
    let members = body::members(document, &["email", "roles"])?;
    let address = body::required(&members, "email")?;
    email::check(&address)?;
    let token = key::generate("invite")?;
    let invitation = Invitation {
        email: address,
        roles: body::texts(&members, "roles")?.unwrap_or_default(),
        invited_by: who.id.clone(),
        expires_at: Timestamp::from_micros(now.micros() + GOOD),
    };
    let (kept, hash) = (invitation.clone(), key::hash(&token));
    let mailed = auth.inner.config.mail;
    let data = json!({"by": who.name, "path": format!("console/invitation?token={token}")});
    let to = To { account: "", address: &invitation.email };
    let letter = mailed.then(|| auth.letter("mail.invitation", to, &data)).transpose()?;
    audit::detail("email", invitation.email.clone());
    audit::detail("roles", invitation.roles.clone());
    let written = auth.locked(false, move |conn| {
        Box::pin(async move {
            if let Err(error) = may_assign(conn, &who, &kept.roles).await? {
                return Ok(Err(error));
            }
            invitation::insert(conn, hash, &kept, now).await?;
            if let Some(letter) = letter {
                mail::put(conn, &letter).await?;
            }
            Ok(Ok(()))
        })
    });
    written.await?;
    let mut body = json!({
        "email": invitation.email,
        "roles": invitation.roles,
        "mailed": mailed,
        "expires_at": invitation.expires_at,
    });
    // What goes by mail is shown to nobody else: whoever has it has the address too.
    if !mailed {
        body["token"] = token.into();
    }
    Ok(secret(StatusCode::CREATED, &body))
}

/// `POST /v1/invitations/accept`.
#[utoipa::path(
    post,
    path = "/v1/invitations/accept",
    tag = "sign in",
    request_body(content = crate::api::Acceptance),
    responses(
        (status = 201, body = crate::api::SignedIn),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn accept(
    State(auth): State<Auth>,
    peer: Peer,
    params: Params,
    request: Request,
) -> Answer {
    params.only(&[])?;
    let (head, content) = request.into_parts();
    let document = body::document(content, MAX_BYTES).await?;
    let members = body::members(document, &["token", "name", "password", "cookie"])?;
    let hash = key::hash(&body::required(&members, "token")?);
    let name = read_name(body::text(&members, "name")?)?;
    let password = body::required(&members, "password")?;
    let cookie = body::flag(&members, "cookie")?.unwrap_or(false);
    let caller = Caller::of(&auth, &head, peer, cookie)?;
    let now = auth.inner.clock.now();
    let pass = auth.inner.throttle.address(peer.0, now)?;
    let mut conn = auth.inner.db.reader(Look::Point).await?;
    let found = invitation::find(&mut conn, &hash).await?;
    drop(conn);
    let invited = found.filter(|found| now < found.expires_at).ok_or_else(unknown)?;
    auth.inner.throttle.forgive(&pass);
    let owner = Owner { email: &invited.email, name: &name, second_factor: false };
    let password = auth.hash(rules::check("/password", &password, &owner)?).await?;
    let account = new_account(name, invited.roles, now);
    let session = caller.session(&account.id, false, now)?;
    audit::account(&account.id);
    audit::detail("roles", account.roles.clone());
    let person = person(&account.id, &invited.email, password);
    let begun = auth.change(move |conn| {
        Box::pin(async move {
            // The roles are the ones that exist still: one that is gone gives nothing.
            let Some(found) = invitation::find(conn, &hash).await? else {
                return Ok(Err(unknown()));
            };
            if !may_still(conn, &found).await? {
                return Ok(Err(unknown()));
            }
            let begun = enrol(conn, &account, &person, session).await?;
            if begun.is_ok() && !invitation::take(conn, hash).await? {
                return Ok(Err(unknown()));
            }
            Ok(begun)
        })
    });
    let begun = begun.await?;
    count("accepted");
    Ok(auth.signed_in(StatusCode::CREATED, &begun, cookie)?)
}

/// Whether whoever has invited could do so now: whose rights are taken away gives them to nobody by
/// what they have handed out before.
async fn may_still(conn: &mut Conn, invitation: &Invitation) -> Result<bool, DbError> {
    let permissions = directory::held_by(conn, &invitation.invited_by).await?;
    let inviter = Principal { permissions, ..Principal::default() };
    let given = directory::permissions_of(conn, &invitation.roles).await?;
    Ok(inviter.require(USERS_WRITE).is_ok() && given.iter().all(|one| inviter.holds(one)))
}

/// `POST /v1/auth/register`: an account without roles, where registration is open. An address that
/// has an account is answered alike. A link goes to the address, and opens the account; without a mail
/// server it is open at once.
#[utoipa::path(
    post,
    path = "/v1/auth/register",
    tag = "sign in",
    request_body(content = crate::api::Registering),
    responses(
        (status = 202, description = "The account is there, unless the address had one: sign in"),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn register(
    State(auth): State<Auth>,
    peer: Peer,
    params: Params,
    request: Request,
) -> Answer {
    params.only(&[])?;
    if auth.inner.config.registration != Registration::Open {
        return Err(closed("accounts are made by invitation").into());
    }
    let document = body::document(request.into_body(), MAX_BYTES).await?;
    let members = body::members(document, &["email", "name", "password"])?;
    let address = body::required(&members, "email")?;
    let name = read_name(body::text(&members, "name")?)?;
    let password = body::required(&members, "password")?;
    email::check(&address)?;
    let owner = Owner { email: &address, name: &name, second_factor: false };
    let password = rules::check("/password", &password, &owner)?;
    // Not forgiven: accounts that are made cost as much as tries that were wrong.
    auth.admit(&email::key(&address), peer.0).await?;
    let password = auth.hash(password).await?;
    let account = new_account(name, Vec::new(), auth.inner.clock.now());
    let mut person = person(&account.id, &address, password);
    person.verified = !auth.inner.config.mail;
    audit::account(&account.id);
    let writer = auth.clone();
    let written = auth.locked(false, move |conn| Box::pin(enter(conn, writer, account, person)));
    written.await?;
    count("registered");
    Ok(secret(StatusCode::ACCEPTED, &json!({})))
}

/// Writes somebody new, and to them. Whoever was never let in begins anew: the address was not shown to
/// be anybody's.
async fn enter(conn: &mut Conn, auth: Auth, mut account: Account, mut person: Person) -> Done<()> {
    let before = crate::sql::person::by_email(conn, &person.email_key).await?;
    let known = before.as_ref().is_some_and(|before| before.verified);
    if let Some(before) = before.filter(|before| !before.verified) {
        account.id.clone_from(&before.account);
        person.account = before.account;
        crate::sql::account::delete(conn, &account.id).await?;
    }
    if !known {
        crate::sql::person::insert(conn, &person).await?;
        crate::sql::account::put(conn, &account).await?;
    }
    if auth.inner.config.mail {
        let (key, now) = (auth.inner.secrets.verify(), auth.inner.clock.now());
        let token = VERIFY.write(key, &account.id, &super::reset::hash_of(&person), now);
        let to = To { account: "", address: &person.email };
        let letter = if known {
            auth.letter("mail.address_taken", to, &json!({"path": "console/"}))
        } else {
            let path = format!("console/verify?token={token}");
            auth.letter("mail.verify_email", to, &json!({"name": account.name, "path": path}))
        };
        match letter {
            Ok(letter) => mail::put(conn, &letter).await?,
            Err(error) => return Ok(Err(error)),
        }
    }
    Ok(Ok(()))
}

/// The account of somebody new.
pub(crate) fn new_account(name: String, roles: Vec<String>, now: Timestamp) -> Account {
    Account {
        id: uuid::Uuid::now_v7().to_string(),
        person: true,
        name,
        enabled: true,
        version: 1,
        created_at: now,
        roles,
    }
}

/// What somebody new signs in with.
pub(crate) fn person(account: &str, address: &str, password: Hashed) -> Person {
    Person {
        account: account.to_owned(),
        email: address.to_owned(),
        email_key: email::key(address),
        password: Some(password),
        totp: None,
        totp_new: None,
        totp_step: 0,
        verified: true,
    }
}

fn unknown() -> Error {
    Error::new(Code::InvalidCredentials, "the invitation is over, or was accepted before")
}

fn closed(why: &'static str) -> Error {
    Error::new(Code::Forbidden, why)
}
