//! The service that writes records: decode, the right to write, schema, append.

mod access;
mod answer;
pub mod api;
pub mod config;
mod controllers;
mod decode;
mod erase;
#[doc(hidden)]
pub mod fuzz;
mod ingest;
mod prepare;
mod quota;

use std::sync::Arc;

use axum::Router;
use forebay_contract::Catalog;
use forebay_db::Db;
use forebay_model::time::SharedClock;
use tokio::sync::Semaphore;

use config::ProcessConfig;

/// The service.
#[derive(Clone)]
pub struct Process {
    inner: Arc<Inner>,
}

struct Inner {
    db: Db,
    catalog: Arc<dyn Catalog>,
    clock: SharedClock,
    config: ProcessConfig,
    /// KiB of bodies that are accepted and not yet stored.
    queue: Arc<Semaphore>,
    quota: quota::Quota,
}

/// What the service needs of the house.
pub struct Deps {
    /// The database.
    pub db: Db,
    /// What each stream is.
    pub catalog: Arc<dyn Catalog>,
    /// The time.
    pub clock: SharedClock,
}

impl Process {
    /// Opens the service.
    pub fn open(config: ProcessConfig, deps: Deps) -> Process {
        let Deps { db, catalog, clock } = deps;
        // A share is counted in whole KiB: the longest body that may come must fit.
        let queue = Arc::new(Semaphore::new(config.queue / 1024 + 1));
        Process {
            inner: Arc::new(Inner { db, catalog, clock, config, queue, quota: Default::default() }),
        }
    }

    /// Its HTTP door.
    pub fn router(&self) -> Router {
        controllers::router().with_state(self.clone())
    }
}
