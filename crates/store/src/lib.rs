//! The service that keeps and finds records: stream definitions, reads, search, subscriptions.

mod access;
mod aggregate;
pub mod api;
pub mod catalog;
pub mod config;
mod controllers;
mod deps;
mod doctor;
mod follow;
#[doc(hidden)]
pub mod fuzz;
pub mod index;
mod query;
mod sql;
mod system;
mod tasks;

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use axum::Router;
use forebay_contract::Identity;
use forebay_db::Db;
use forebay_http::cursor::Sealer;
use forebay_model::time::SharedClock;
use tokio::sync::{Mutex, Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use catalog::StoredCatalog;
use config::StoreConfig;
pub use deps::Deps;
use follow::hub::Hubs;
use index::Search;

/// The service.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    db: Db,
    catalog: Arc<StoredCatalog>,
    search: Arc<Search>,
    sealer: Sealer,
    clock: SharedClock,
    config: StoreConfig,
    stopping: CancellationToken,
    identity: Arc<dyn Identity>,
    /// Moves when somebody's rights or some stream's rules changed.
    access_changes: watch::Sender<u64>,
    /// Who reads new records for all subscribers of a stream.
    hubs: Hubs,
    /// Views of indexes that somebody pages through.
    held: query::held::Held,
    /// Turns to answer an aggregate, and to look at everything.
    aggregates: Semaphore,
    doctors: Mutex<()>,
    /// Subscriptions that are open now.
    subscribers: AtomicUsize,
    /// WebSockets that are open, or about to be.
    sockets: TaskTracker,
}

impl Store {
    /// Opens the service.
    pub fn open(config: StoreConfig, deps: Deps) -> Store {
        let Deps { db, catalog, search, identity, sealer, clock, stopping } = deps;
        let inner = Arc::new(Inner {
            db,
            catalog,
            search,
            sealer,
            clock,
            config,
            stopping,
            identity,
            access_changes: watch::Sender::new(0),
            hubs: Hubs::default(),
            held: query::held::Held::default(),
            aggregates: Semaphore::new(aggregate::AT_ONCE),
            doctors: Mutex::default(),
            subscribers: AtomicUsize::new(0),
            sockets: TaskTracker::new(),
        });
        Store { inner }
    }

    /// Its HTTP door.
    pub fn router(&self) -> Router {
        controllers::router().with_state(self.clone())
    }

    /// Its background loops; they run until they are dropped.
    pub async fn tasks(self) {
        tokio::join!(
            self.inner.held.run(),
            tasks::access::run(&self.inner),
            tasks::erase::run(&self.inner.db),
            tasks::fill::run(&self.inner.db),
            tasks::index::run(&self.inner),
            tasks::outbox::run(&self.inner),
            tasks::purge::run(&self.inner)
        );
    }
}
