//! The routes of the service: one line each.

pub(crate) mod api_keys;
pub(crate) mod me;
pub(crate) mod roles;
pub(crate) mod service_accounts;

use axum::Router;
use axum::routing::{get, post};
use forebay_db::{Conn, DbError, Lane};
use forebay_http::query::{Params, bad};
use forebay_model::principal::{Permission, Principal};
use forebay_model::{Code, Error, FieldError};
use futures_util::future::BoxFuture;

use crate::Auth;
use crate::sql::head;

pub(crate) fn router() -> Router<Auth> {
    let role = get(roles::show).put(roles::put).delete(roles::delete);
    let account =
        get(service_accounts::show).patch(service_accounts::patch).delete(service_accounts::delete);
    Router::new()
        .route("/v1/me", get(me::show))
        .route("/v1/roles", get(roles::list))
        .route("/v1/roles/{name}", role)
        .route("/v1/service-accounts", get(service_accounts::list).post(service_accounts::create))
        .route("/v1/service-accounts/{id}", account)
        .route("/v1/api-keys", get(api_keys::list).post(api_keys::create))
        .route("/v1/api-keys/{id}", get(api_keys::show).delete(api_keys::delete))
        .route("/v1/api-keys/{id}/rotate", post(api_keys::rotate))
}

/// The most bytes of a body here.
const MAX_BYTES: usize = 64 << 10;
const MAX_NAME_BYTES: usize = 200;

/// The inner result is the client's, the outer one the engine's.
type Done<T> = Result<Result<T, Error>, DbError>;

impl Auth {
    /// Makes a change of identity: one after the other, heard at once in this process.
    async fn change<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut Conn) -> BoxFuture<'c, Done<T>> + Send + 'static,
    {
        let run = self.inner.db.writer().run(Lane::Interactive, |conn| {
            Box::pin(async move {
                head::lock(conn).await?;
                let done = work(conn).await?;
                if done.is_ok() {
                    head::bump(conn).await?;
                }
                Ok(done)
            })
        });
        let done = run.await??;
        // Committed: whoever cannot hear it now hears it within the next moment.
        let _ = self.inner.directory.listen().await;
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

fn read_name(name: Option<String>) -> Result<String, Error> {
    match name {
        Some(name) if !name.trim().is_empty() && name.len() <= MAX_NAME_BYTES => Ok(name),
        Some(_) => {
            let message = format!("1 to {MAX_NAME_BYTES} bytes");
            Err(Error::invalid(FieldError::new("/name", "invalid", message)))
        }
        None => Err(Error::invalid(FieldError::new("/name", "required", "a name is needed"))),
    }
}

/// Reads `?limit=`.
fn read_limit(params: &Params) -> Result<i64, Error> {
    const EXPECTED: &str = "a number from 1 to 1000";
    let limit: i64 = params.parse("limit", EXPECTED)?.unwrap_or(50);
    if (1..=1000).contains(&limit) { Ok(limit) } else { Err(bad("limit", EXPECTED)) }
}
