//! The one door: listens, bounds, identifies, routes, and writes every error the same way.

mod answer;
pub mod api;
mod arrival;
mod authenticate;
pub mod client;
pub mod config;
mod controllers;
pub mod cors;
mod credential;
mod framing;
#[doc(hidden)]
pub mod fuzz;
mod head;
mod health;
mod io;
pub mod limit;
mod listen;
mod note;
mod passage;
mod pattern;
mod pipeline;
mod request_id;
pub mod routes;
pub mod shield;
mod trace;
pub mod upstream;

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use forebay_contract::{Identity, Quotas};
use forebay_model::time::SharedClock;

pub use listen::Listening;

use config::GatewayConfig;
use limit::Limits;
use routes::Routing;

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

/// The doors of other services that it asks at, and what time it is.
pub struct Doors {
    /// Who asks.
    pub identity: Arc<dyn Identity>,
    /// What is left of quotas.
    pub quotas: Arc<dyn Quotas>,
    /// The time, by which quotas have their periods.
    pub clock: SharedClock,
}

struct Inner {
    router: Router,
    identity: Arc<dyn Identity>,
    status: Arc<dyn Status>,
    config: GatewayConfig,
    limits: Arc<Limits>,
    routing: Arc<Routing>,
    in_flight: metrics::Gauge,
}

impl Gateway {
    /// Puts the services' routes behind the door.
    pub fn new(
        config: GatewayConfig,
        routes: Router,
        doors: Doors,
        status: Arc<dyn Status>,
    ) -> Gateway {
        let Doors { identity, quotas, clock } = doors;
        let limits = Limits::new(&config.limits, config.limit_keys, quotas, clock);
        let limits = Arc::new(limits);
        let in_flight = metrics::gauge!("forebay_http_in_flight");
        let routing = Routing::new(&config.routes);
        let router = routes.merge(served_by("gateway", controllers::router(routing.clone())));
        let inner = Inner { router, identity, status, config, limits, routing, in_flight };
        Gateway { inner: Arc::new(inner) }
    }

    /// The users' routes, to be swapped.
    pub fn routing(&self) -> Arc<Routing> {
        self.inner.routing.clone()
    }
}

/// Names the service that these routes belong to, for the metrics.
pub fn served_by(service: &'static str, routes: Router) -> Router {
    routes.layer(axum::middleware::from_fn_with_state(service, note::note_route))
}
