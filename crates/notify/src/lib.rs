//! The service that tells people and programs: rules, channels, deliveries, inbox.

pub mod api;
mod channel;
pub mod config;
mod controllers;
mod deliver;
mod holder;
mod inbox;
mod inner;
mod message;
mod post;
mod rule;
mod sql;
mod tasks;
mod template;
mod watch;

use std::sync::Arc;

use axum::Router;
use forebay_model::{Error, Result};
use forebay_outgoing::{Client, Guard};

pub use channel::kinds;
pub use inner::Deps;

use channel::email::office::Office;
use config::NotifyConfig;
use deliver::Engine;
use holder::Holder;
use inbox::hub::Hub;
use inner::Inner;

/// The service.
#[derive(Clone)]
pub struct Notify {
    inner: Arc<Inner>,
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

/// Runs a test of a rule, as a file has it; what did not come true, or what is wrong with the test.
pub fn test_rule(document: &serde_json::Value) -> Vec<String> {
    match rule::tester::Test::read(document) {
        Ok(test) => {
            let failed = test.run().into_iter();
            failed
                .map(|failed| format!("expect {}: {}", failed.expectation, failed.message))
                .collect()
        }
        Err(errors) => {
            errors.into_iter().map(|error| format!("{}: {}", error.path, error.message)).collect()
        }
    }
}
