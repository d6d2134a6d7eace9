//! Services of others, over HTTP/1.1: a request goes to one of the endpoints of an upstream, and the
//! answer streams back.
//!
//! `send` is the way of one request; `endpoint` knows what each endpoint has to do and how it is;
//! `balance` picks one; `pool` and `connection` bring it there; `forward` says what heads may say on
//! the other side.

mod answer;
mod balance;
mod check;
mod config;
mod connection;
mod endpoint;
mod forward;
mod frames;
mod health;
mod load;
mod outgoing;
mod pool;
mod retry;
mod send;
mod state;
mod tally;
mod tunnel;
mod wire;

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use forebay_model::{Code, Error};
use http::Request;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use balance::key;
pub use config::{Check, Draft, Ejection, PoolLimits, Retries, Timeouts, UpstreamConfig};
pub use forward::{Passing, TIME_LEFT};
pub use health::Standing;
pub use send::Theirs;
pub use state::{EndpointState, State};

use endpoint::Endpoints;
use retry::Budget;
use send::Errand;

/// An upstream at work.
pub struct Upstream {
    config: UpstreamConfig,
    endpoints: Arc<Endpoints>,
    budget: Budget,
    /// Ends what was upgraded.
    hang_up: CancellationToken,
    /// What speaks another protocol by now.
    tunnels: TaskTracker,
}

impl Upstream {
    /// Begins; nothing is connected before the first request.
    pub fn new(config: UpstreamConfig) -> Arc<Upstream> {
        let endpoints = Arc::new(Endpoints::new(&config, RandomState::new().hash_one(0)));
        let budget = Budget::new(config.retries.budget_percent, Instant::now());
        Arc::new(Upstream {
            config,
            endpoints,
            budget,
            hang_up: CancellationToken::new(),
            tunnels: TaskTracker::new(),
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// Sends a request to an endpoint, and gives its answer when its head is there; the body streams.
    ///
    /// Errors: `upstream_failed` when no endpoint is well, or none answers as it should; `timeout`
    /// when it takes too long; `overloaded` when there is no connection for it; `bad_request` when
    /// the client broke its body off.
    pub async fn send(
        &self,
        request: Request<Body>,
        passing: Passing<'_>,
    ) -> Result<Response, Error> {
        Errand::new(self, request, passing)?.run().await
    }

    /// Asks the endpoints how they are, and lets go of connections that have rested for too long,
    /// until `stopping`.
    pub async fn run(&self, stopping: CancellationToken) {
        let checks = async {
            match &self.config.check {
                Some(check) => check::run(&self.endpoints, check).await,
                None => std::future::pending().await,
            }
        };
        let sweeps = async {
            let often = (self.config.timeouts.idle / 4).max(Duration::from_millis(250));
            let mut ticks = tokio::time::interval(often);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                let now = ticks.tick().await;
                self.endpoints.all.iter().for_each(|endpoint| endpoint.pool.sweep(now));
            }
        };
        stopping.run_until_cancelled(async { tokio::join!(checks, sweeps) }).await;
    }

    /// Ends what speaks another protocol by now (WebSocket): nobody else knows when it is over. For
    /// when the process stops.
    pub fn hang_up(&self) {
        self.hang_up.cancel();
    }

    /// Waits until those have ended, each with its reason: for a while.
    pub async fn hung_up(&self) {
        self.tunnels.close();
        // Whoever does not agree to the end in its time has had it.
        let _ = tokio::time::timeout(tunnel::PARTING * 3 / 2, self.tunnels.wait()).await;
    }

    /// An answer that there is not; the cause is for the log.
    fn failed(&self, what: &str) -> Error {
        let detail = format!("the upstream `{}` did not answer as it should", self.config.name);
        Error::new(Code::UpstreamFailed, detail).cause(what)
    }
}

#[cfg(test)]
mod tests;
