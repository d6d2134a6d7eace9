//! The synchronous doors between services: who is this, what is this stream, and how much of a quota
//! is left.
//!
//! Everything else that services tell each other goes through the log.

mod memory;
mod quota;

use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use forebay_model::Result;
use forebay_model::principal::Principal;
use forebay_model::stream::Stream;
use tokio::sync::watch;

pub use memory::{Known, Memory};
pub use quota::{Ask, Count, Granted, Quotas};

/// Doors that open without a credential: behind them one is made or checked.
pub const OPEN_DOORS: &[(&str, &str)] = &[
    ("GET", "/.well-known/jwks.json"),
    ("GET", "/v1/unsubscribe"),
    ("POST", "/v1/auth/email/verify"),
    ("POST", "/v1/auth/login"),
    ("POST", "/v1/auth/login/mfa"),
    ("POST", "/v1/auth/password/forgot"),
    ("POST", "/v1/auth/password/reset"),
    ("POST", "/v1/auth/refresh"),
    ("POST", "/v1/auth/register"),
    ("POST", "/v1/invitations/accept"),
    ("POST", "/v1/setup"),
    ("POST", "/v1/unsubscribe"),
];

/// Who is this?
#[async_trait]
pub trait Identity: Send + Sync {
    /// Finds whose credential this is; `None` when it is nobody's, or not good any more.
    async fn identify(&self, shown: Shown<'_>) -> Result<Option<Arc<Principal>>>;

    /// The principal as it is now; `None` when it may not ask any more. Cheap when nothing changed.
    async fn current(&self, principal: &Principal) -> Result<Option<Arc<Principal>>>;

    /// Somebody else as `who` sees what they see: what they may read, and nothing else. It is written
    /// down. An account that is not there is `not_found`; one that may do what `who` may not is
    /// `forbidden`.
    async fn view_as(&self, who: &Arc<Principal>, seen: Seen<'_>) -> Result<Arc<Principal>>;

    /// Moves whenever something changed about anybody: who holds on to a principal asks
    /// [`Identity::current`] then.
    fn changes(&self) -> watch::Receiver<u64>;
}

/// A credential as a caller showed it.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'s> {
    /// The key or token.
    pub secret: &'s str,
    /// Whether it came as the browser's session cookie.
    pub cookie: bool,
    /// Where the caller is.
    pub address: IpAddr,
}

/// Whose view is asked for, and by which request.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'s> {
    /// The account.
    pub account: &'s str,
    /// The request's method and path.
    pub request: (&'s str, &'s str),
    /// The request's id.
    pub request_id: &'s str,
    /// Where the caller is.
    pub address: IpAddr,
}

/// What is this stream?
#[async_trait]
pub trait Catalog: Send + Sync {
    /// Finds a stream by its name; an unknown one is `not_found`.
    async fn stream(&self, name: &str) -> Result<Arc<Stream>>;

    /// Drops what is remembered of a stream, because it was seen to have changed.
    fn forget(&self, name: &str);
}
