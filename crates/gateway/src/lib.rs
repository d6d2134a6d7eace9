//! The one door: listens, bounds, identifies, routes, and writes every error the same way.

mod answer;
pub mod api;
mod arrival;
mod asking;
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
mod inside;
mod io;
pub mod limit;
mod listen;
mod note;
mod passage;
mod pattern;
mod pipeline;
mod request_id;
pub mod routes;
pub mod service;
pub mod shield;
mod trace;
pub mod upstream;

use std::sync::Arc;

pub use asking::Asking;
use async_trait::async_trait;
use axum::Router;
use inside::Entrance;
pub use inside::Inside;
pub use listen::{Door, Listening};

use config::GatewayConfig;
use limit::Limits;
use routes::Routing;

/// What the process says about itself.
#[async_trait]
pub trait Status: Send + Sync {
    /// Each dependency by name: `Ok` when it can be used, else what is wrong with it.
    async fn checks(&self) -> Vec<(&'static str, Result<(), String>)>;

    /// What is told beside that, without which the process is ready all the same.
    async fn beside(&self) -> Vec<(&'static str, &'static str)> {
        Vec::new()
    }

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
    entrance: Entrance,
    status: Arc<dyn Status>,
    config: GatewayConfig,
    limits: Arc<Limits>,
    routing: Arc<Routing>,
    in_flight: metrics::Gauge,
    tally: note::Tally,
}

impl Gateway {
    /// Puts the services' routes behind the door.
    pub fn new(
        config: GatewayConfig,
        routes: Router,
        asking: Asking,
        status: Arc<dyn Status>,
    ) -> Gateway {
        let Asking { identity, quotas, clock, reads } = asking;
        let limits = Limits::new((&config.limits, config.limit_keys), quotas, clock, reads);
        Gateway::with(config, routes, Entrance::Open(identity), (status, limits))
    }

    fn with(
        config: GatewayConfig,
        routes: Router,
        entrance: Entrance,
        (status, limits): (Arc<dyn Status>, Limits),
    ) -> Gateway {
        let limits = Arc::new(limits);
        let in_flight = metrics::gauge!("forebay_http_in_flight");
        let routing = Routing::new(&config.routes);
        let router = match entrance {
            Entrance::Open(_) => {
                routes.merge(served_by("gateway", controllers::router(routing.clone())))
            }
            Entrance::Inside(_) => routes,
        };
        let tally = note::Tally::new();
        let inner = Inner { router, entrance, status, config, limits, routing, in_flight, tally };
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
