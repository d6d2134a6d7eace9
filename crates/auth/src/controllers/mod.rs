//! The routes of the service: one line each.

pub(crate) mod accounts;
pub(crate) mod api_keys;
pub(crate) mod email;
pub(crate) mod forgot;
pub(crate) mod invitations;
pub(crate) mod jwks;
pub(crate) mod login;
pub(crate) mod me;
pub(crate) mod mfa;
pub(crate) mod reset;
pub(crate) mod roles;
pub(crate) mod service_accounts;
pub(crate) mod sessions;
pub(crate) mod setup;
pub(crate) mod users;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{delete, get, post};
use forebay_db::{Conn, DbError, Lane, outbox};
use forebay_model::principal::{Permission, Principal};
use forebay_model::{Code, Error, FieldError};
use futures_util::future::BoxFuture;

use crate::sql::head;
use crate::{Auth, audit, mail};

pub(crate) fn router(auth: &Auth) -> Router<Auth> {
    let role = get(roles::show).put(roles::put).delete(roles::delete);
    let account =
        get(service_accounts::show).patch(service_accounts::patch).delete(service_accounts::delete);
    let user = get(users::show).patch(users::patch).delete(users::delete);
    Router::new()
        .route("/.well-known/jwks.json", get(jwks::show))
        .route("/v1/setup", post(setup::create))
        .route("/v1/auth/email/change", post(email::change))
        .route("/v1/auth/email/verify", post(email::verify))
        .route("/v1/auth/login", post(login::login))
        .route("/v1/auth/login/mfa", post(login::second_factor))
        .route("/v1/auth/logout", post(login::logout))
        .route("/v1/auth/password/change", post(sessions::change_password))
        .route("/v1/auth/password/forgot", post(forgot::forgot))
        .route("/v1/auth/password/reset", post(reset::reset))
        .route("/v1/auth/refresh", post(login::refresh))
        .route("/v1/auth/register", post(invitations::register))
        .route("/v1/auth/step-up", post(sessions::step_up))
        .route("/v1/invitations", post(invitations::create))
        .route("/v1/invitations/accept", post(invitations::accept))
        .route("/v1/me", get(me::show).patch(me::patch).delete(me::delete))
        .route("/v1/me/export", get(me::export))
        .route("/v1/me/mfa/recovery-codes", post(mfa::renew_codes))
        .route("/v1/me/mfa/totp", post(mfa::offer).delete(mfa::remove))
        .route("/v1/me/mfa/totp/confirm", post(mfa::confirm))
        .route("/v1/me/sessions", get(sessions::list).delete(sessions::delete_others))
        .route("/v1/me/sessions/{id}", delete(sessions::delete))
        .route("/v1/roles", get(roles::list))
        .route("/v1/roles/{name}", role)
        .route("/v1/service-accounts", get(service_accounts::list).post(service_accounts::create))
        .route("/v1/service-accounts/{id}", account)
        .route("/v1/users", get(users::list).post(users::create))
        .route("/v1/users/{id}", user)
        .route("/v1/api-keys", get(api_keys::list).post(api_keys::create))
        .route("/v1/api-keys/{id}", get(api_keys::show).delete(api_keys::delete))
        .route("/v1/api-keys/{id}/rotate", post(api_keys::rotate))
        .route_layer(from_fn_with_state(auth.clone(), audit::watch))
}

/// The most bytes of a body here.
const MAX_BYTES: usize = 64 << 10;
const MAX_NAME_BYTES: usize = 200;

/// The inner result is the client's, the outer one the engine's.
pub(crate) type Done<T> = Result<Result<T, Error>, DbError>;

impl Auth {
    /// Makes a change of identity: one after the other, heard at once in this process.
    async fn change<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut Conn) -> BoxFuture<'c, Done<T>> + Send + 'static,
    {
        self.locked(true, work).await
    }

    /// Writes while nobody else changes identity. What `moves` nothing that is remembered anywhere
    /// has nothing forgotten.
    pub(crate) async fn locked<T, F>(&self, moves: bool, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut Conn) -> BoxFuture<'c, Done<T>> + Send + 'static,
    {
        let (note, now) = (audit::current(moves), self.inner.clock.now());
        let (kept, master) = (note.clone(), self.inner.master.clone());
        let run = self.inner.db.writer().run(Lane::Interactive, move |conn| {
            Box::pin(async move {
                head::lock(conn).await?;
                let done = work(conn).await?;
                if done.is_ok() && moves {
                    head::bump(conn).await?;
                }
                if done.is_ok()
                    && let Some(event) = note.and_then(|note| note.success())
                {
                    outbox::note(conn, &event, now).await?;
                    mail::notice(conn, &master, &event, now).await?;
                }
                Ok(done)
            })
        });
        let done = run.await.inspect_err(|_| kept.iter().for_each(|note| note.undo()))??;
        if moves {
            // Committed: whoever cannot hear it now hears it within the next moment.
            let _ = self.inner.directory.listen().await;
        }
        Ok(done)
    }
}

/// Refuses to hand on what somebody does not hold; `path` names the member.
fn may_grant(who: &Principal, permissions: &[Permission], path: &str) -> Result<(), Error> {
    match permissions.iter().find(|permission| !who.holds(permission)) {
        None => Ok(()),
        Some(missing) => {
            let message = format!("`{missing}` can only be given by who holds it");
            let field = FieldError::new(path, "forbidden", message.clone());
            Err(Error::new(Code::Forbidden, message).field(field))
        }
    }
}

/// The session of a person; whoever asks by a key has none.
fn session_of(who: &Principal) -> Result<&str, Error> {
    let none = || Error::new(Code::Forbidden, "a key has no session: sign in");
    who.session_id.as_deref().ok_or_else(none)
}

pub(crate) fn read_name(name: Option<String>) -> Result<String, Error> {
    match name {
        Some(name) if !name.trim().is_empty() && name.len() <= MAX_NAME_BYTES => Ok(name),
        Some(_) => {
            let message = format!("1 to {MAX_NAME_BYTES} bytes");
            Err(Error::invalid(FieldError::new("/name", "invalid", message)))
        }
        None => Err(Error::invalid(FieldError::new("/name", "required", "a name is needed"))),
    }
}
