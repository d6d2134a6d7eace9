//! The one door: listens, bounds, identifies, routes, and writes every error the same way.

mod answer;
mod arrival;
pub mod config;
mod credential;
#[doc(hidden)]
pub mod fuzz;
mod head;
mod io;
mod listen;
mod pipeline;
mod trace;

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use forebay_contract::Identity;
use serde_json::{Map, Value, json};

pub use listen::Listening;

use config::GatewayConfig;

/// What the process says about itself.
#[async_trait]
pub trait Status: Send + Sync {
    /// Each dependency by name: `Ok` when it can be used, else what is wrong with it.
    async fn checks(&self) -> Vec<(&'static str, Result<(), String>)>;

    /// The metrics in Prometheus's text format.
    fn metrics(&self) -> String;
}

/// The gateway with the services behind it.
#[derive(Clone)]
pub struct Gateway {
    inner: Arc<Inner>,
}

struct Inner {
    router: Router,
    identity: Arc<dyn Identity>,
    status: Arc<dyn Status>,
    config: GatewayConfig,
}

impl Gateway {
    /// Puts the services' routes behind the door.
    pub fn new(
        config: GatewayConfig,
        routes: Router,
        identity: Arc<dyn Identity>,
        status: Arc<dyn Status>,
    ) -> Gateway {
        Gateway { inner: Arc::new(Inner { router: routes, identity, status, config }) }
    }
}

/// Names the service that these routes belong to, for the metrics.
pub fn served_by(service: &'static str, routes: Router) -> Router {
    routes.layer(axum::middleware::from_fn_with_state(service, pipeline::note_route))
}

/// The document of `/readyz`, and whether all is well.
async fn readiness(status: &dyn Status) -> (bool, String) {
    let checks = status.checks().await;
    let ready = checks.iter().all(|(_, check)| check.is_ok());
    let words: Map<String, Value> = checks
        .into_iter()
        .map(|(name, check)| {
            let word = check.err().unwrap_or_else(|| "ok".to_owned());
            (name.to_owned(), word.into())
        })
        .collect();
    (ready, json!({"ready": ready, "checks": words}).to_string())
}
