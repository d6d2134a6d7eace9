//! The service that knows who asks: people, programs, their keys and sessions, and roles.

mod answer;
pub mod api;
mod audit;
mod challenge;
pub mod config;
mod controllers;
mod device;
mod directory;
mod email;
mod factor;
mod identity;
mod internal;
pub mod issuer;
mod key;
mod mail;
pub mod offline;
mod open;
mod password;
mod quota;
mod rights;
mod session;
mod setup;
mod sign_in;
mod sql;
mod tasks;
mod throttle;
mod token;
mod view_as;

use std::sync::{Arc, Mutex};

use axum::Router;
use forebay_contract::{Identity, Quotas};
use forebay_db::Db;
use forebay_http::cursor::Sealer;
use forebay_model::Result;
use forebay_model::time::SharedClock;

pub use open::{First, OpenError, Opened, master, sealer};
pub use password::Scheme;

use config::AuthConfig;
use forebay_db::seal::Master;
use identity::Directory;
use issuer::Issuers;
use password::Hasher;
use password::pool::Pool;
use quota::Counts;
use session::Secrets;
use throttle::Throttle;
use token::keyring::Keyring;

/// Most tries that are slowed at once.
const SLOWED: usize = 256;

/// The service.
#[derive(Clone)]
pub struct Auth {
    inner: Arc<Inner>,
}

struct Inner {
    config: AuthConfig,
    db: Db,
    clock: SharedClock,
    sealer: Sealer,
    directory: Arc<Directory>,
    counts: Arc<Counts>,
    master: Master,
    hasher: Arc<Hasher>,
    pool: Pool,
    /// The dearest way of hashing in use: what an unknown name costs.
    dearest: Mutex<Scheme>,
    throttle: Throttle,
    slowed: tokio::sync::Semaphore,
    refusals: audit::Refusals,
    /// Who writes tokens, and whom they are for.
    issuer: String,
    /// Others whose tokens are taken.
    issuers: Arc<Issuers>,
    keyring: Arc<Keyring>,
    secrets: Arc<Secrets>,
}

impl Auth {
    /// Who is this?
    pub fn identity(&self) -> Arc<dyn Identity> {
        self.inner.directory.clone()
    }

    /// How much is left of a quota?
    pub fn quotas(&self) -> Arc<dyn Quotas> {
        self.inner.counts.clone()
    }

    /// Its HTTP door.
    pub fn router(&self) -> Router {
        controllers::router(self).with_state(self.clone())
    }

    /// Its HTTP door in a process of its own: other processes ask here too, who somebody is. It opens
    /// to the word of this deployment's processes alone (`forebay_http::internal`).
    pub fn router_for_processes(&self) -> Router {
        internal::router(self, self.router())
    }
}

/// Makes a key for a run; it is stored nowhere.
pub fn new_key() -> Result<String> {
    key::generate("admin")
}
