//! What an upstream looks like from outside.

use std::sync::PoisonError;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::time::Instant;

use super::Upstream;
use super::endpoint::Endpoint;
use super::health::Standing;

/// An upstream as it is just now.
#[derive(Debug, Clone)]
pub struct State {
    /// Its name.
    pub name: String,
    /// How it is balanced.
    pub balance: &'static str,
    /// Its endpoints, in the order of the configuration.
    pub endpoints: Vec<EndpointState>,
}

/// An endpoint as it is just now. Totals are since the process began.
#[derive(Debug, Clone)]
pub struct EndpointState {
    /// `host:port`.
    pub address: String,
    /// How much of the work it takes.
    pub weight: u32,
    /// How it is.
    pub standing: Standing,
    /// Requests that it is answering.
    pub in_flight: u32,
    /// Connections that are open, and how many of them rest.
    pub connections: (u32, usize),
    /// What its next answer is expected to take until it begins.
    pub round_trip: Duration,
    /// Requests that it got.
    pub requests: u64,
    /// Those that it failed.
    pub failures: u64,
    /// How often it was left out.
    pub ejections: u64,
    /// What its last failure was.
    pub last_failure: Option<&'static str>,
}

impl Upstream {
    /// How it is.
    pub fn state(&self) -> State {
        let endpoints = self.endpoints.all.iter().enumerate();
        State {
            name: self.config.name.clone(),
            balance: self.config.balance.name,
            endpoints: endpoints.map(|(at, endpoint)| self.endpoint(at, endpoint)).collect(),
        }
    }

    fn endpoint(&self, at: usize, endpoint: &Endpoint) -> EndpointState {
        let now = Instant::now();
        let (standing, ejections) = self.endpoints.health.standing(at, now);
        let totals = &endpoint.totals;
        EndpointState {
            address: endpoint.target.address.clone(),
            weight: endpoint.target.weight,
            standing,
            in_flight: endpoint.load.in_flight(),
            connections: endpoint.pool.connections(),
            round_trip: Duration::from_secs_f64(endpoint.load.round_trip(now) / 1e9),
            requests: totals.requests.load(Relaxed),
            failures: totals.failures.load(Relaxed),
            ejections,
            last_failure: *totals.last_failure.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }
}
