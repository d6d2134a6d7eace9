//! The service that keeps and finds records: stream definitions, reads, export, subscriptions.

mod access;
mod aggregate;
pub mod api;
pub mod catalog;
pub mod config;
mod controllers;
mod follow;
#[doc(hidden)]
pub mod fuzz;
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
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use catalog::StoredCatalog;
use config::StoreConfig;
use follow::hub::Hubs;

/// The service.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    db: Db,
    catalog: Arc<StoredCatalog>,
    sealer: Sealer,
    clock: SharedClock,
    config: StoreConfig,
    stopping: CancellationToken,
    identity: Arc<dyn Identity>,
    /// Moves when somebody's rights or some stream's rules changed.
    access_changes: watch::Sender<u64>,
    /// Who reads new records for all subscribers of a stream.
    hubs: Hubs,
    /// Turns to answer an aggregate.
    aggregates: Semaphore,
    /// Subscriptions that are open now.
    subscribers: AtomicUsize,
    /// WebSockets that are open now, or about to be.
    sockets: TaskTracker,
}

/// What the service needs of the house.
pub struct Deps {
    /// The database.
    pub db: Db,
    /// The catalog that this service keeps.
    pub catalog: Arc<StoredCatalog>,
    /// Who asks, for those who go on asking.
    pub identity: Arc<dyn Identity>,
    /// What cursors are signed with.
    pub sealer: Sealer,
    /// The time.
    pub clock: SharedClock,
    /// Cancelled when the process stops: subscriptions end then.
    pub stopping: CancellationToken,
}

impl Store {
    /// Opens the service.
    pub fn open(config: StoreConfig, deps: Deps) -> Store {
        let Deps { db, catalog, identity, sealer, clock, stopping } = deps;
        let (hubs, subscribers) = (Hubs::default(), AtomicUsize::new(0));
        let aggregates = Semaphore::new(aggregate::AT_ONCE);
        let access_changes = watch::Sender::new(0);
        let inner = Inner {
            db,
            catalog,
            sealer,
            clock,
            config,
            stopping,
            identity,
            access_changes,
            hubs,
            aggregates,
            subscribers,
            sockets: TaskTracker::new(),
        };
        Store { inner: Arc::new(inner) }
    }

    /// Its HTTP door.
    pub fn router(&self) -> Router {
        controllers::router().with_state(self.clone())
    }

    /// Its background loops; they run until they are dropped.
    pub async fn tasks(self) {
        tokio::join!(
            tasks::access::run(&self.inner),
            tasks::erase::run(&self.inner.db),
            tasks::fill::run(&self.inner.db),
            tasks::outbox::run(&self.inner),
            tasks::purge::run(&self.inner)
        );
    }
}
