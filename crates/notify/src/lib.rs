//! The service that tells people and programs: rules, channels, deliveries, inbox.

pub mod api;
mod channel;
pub mod config;
mod controllers;
mod deliver;
mod holder;
mod inbox;
mod message;
mod post;
mod rule;
mod sql;
mod tasks;
mod watch;
mod template;

use std::sync::Arc;

use axum::Router;
use forebay_contract::{Catalog, Identity};
use forebay_db::Db;
use forebay_db::seal::Master;
use forebay_http::cursor::Sealer;
use forebay_model::time::SharedClock;
use forebay_model::{Error, Result};
use forebay_outgoing::{Client, Guard};
use tokio_util::sync::CancellationToken;

use channel::Means;
use channel::email::office::Office;
use config::NotifyConfig;
use deliver::Engine;
use holder::Holder;
use inbox::hub::Hub;

/// The service.
#[derive(Clone)]
pub struct Notify {
    inner: Arc<Inner>,
}

struct Inner {
    config: NotifyConfig,
    db: Db,
    clock: SharedClock,
    sealer: Sealer,
    master: Master,
    /// For every call to a place that somebody has named.
    client: Client,
    /// As whom rules run.
    #[allow(dead_code, reason = "there are no rules yet")]
    identity: Arc<dyn Identity>,
    /// What streams are.
    #[allow(dead_code, reason = "there are no rules yet")]
    catalog: Arc<dyn Catalog>,
    /// As what this process holds things.
    holder: Holder,
    /// Who brings messages to where they go.
    engine: Engine,
    /// Who follows inboxes.
    hub: Hub,
    /// What e-mail goes through.
    office: Arc<Office>,
    stopping: CancellationToken,
}

/// Every kind of plug-in of this service with what it takes, as `api/kinds.json` holds it.
pub fn kinds() -> String {
    let channels: Vec<_> = channel::CHANNELS.iter().map(|kind| channel::describe(*kind)).collect();
    let document = serde_json::json!({"channels": channels});
    serde_json::to_string_pretty(&document).unwrap_or_default()
}

/// What the service needs of the house.
pub struct Deps {
    /// The database.
    pub db: Db,
    /// What streams are.
    pub catalog: Arc<dyn Catalog>,
    /// Who somebody is now.
    pub identity: Arc<dyn Identity>,
    /// What cursors are sealed with.
    pub sealer: Sealer,
    /// What secrets of channels are sealed with.
    pub master: Master,
    /// The time.
    pub clock: SharedClock,
    /// Cancelled when the process stops.
    pub stopping: CancellationToken,
}

impl Inner {
    /// What a channel is made with; one that is only checked has no id.
    fn means(&self, channel: &str) -> Means {
        Means {
            client: self.client.clone(),
            timeout: self.config.timeout,
            office: Some(self.office.clone()),
            channel: channel.to_owned(),
        }
    }
}

impl Notify {
    /// Opens the service.
    pub fn open(config: NotifyConfig, deps: Deps) -> Result<Notify> {
        let Deps { db, catalog, identity, sealer, master, clock, stopping } = deps;
        let guard = Guard::new(config.allow_private.clone());
        let client = Client::new(guard).map_err(Error::internal)?;
        let engine = Engine::new();
        let holder = Holder::take(&config.identity_file)?;
        let means = (db.clone(), master.clone(), sealer.clone());
        let office = Office::open(config.smtp.as_ref(), means, &config.site)?;
        let inner = Inner {
            config,
            db,
            clock,
            sealer,
            master,
            client,
            identity,
            catalog,
            holder,
            engine,
            hub: Hub::default(),
            office: Arc::new(office),
            stopping,
        };
        Ok(Notify { inner: Arc::new(inner) })
    }

    /// What waits to be sent is sent soon, says whoever has committed it elsewhere in this process.
    pub fn wake(&self) {
        self.inner.engine.wake();
    }

    /// Its HTTP door.
    pub fn router(&self) -> Router {
        controllers::router().with_state(self.clone())
    }

    /// Waits for a while until what is on its way to receivers is back, when the process stops.
    pub async fn settled(&self) {
        self.inner.engine.settled().await;
    }

    /// Its background loops; they run until they are dropped.
    pub async fn tasks(self) {
        tokio::join!(
            tasks::deliver::run(&self.inner),
            watch::run(&self.inner),
            tasks::mail::run(&self.inner),
            tasks::sweep::run(&self.inner),
            inbox::hub::run(&self.inner)
        );
    }
}
