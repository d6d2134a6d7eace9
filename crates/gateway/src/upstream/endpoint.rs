//! The endpoints of an upstream, what each has to do and how it is, and a request on its way to one.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::StatusCode;
use tokio::time::Instant;

use super::balance::{self, Among, Ask, Balance, Dice};
use super::config::{Target, UpstreamConfig};
use super::health::{Health, Need, Standing};
use super::load::Load;
use super::pool::Pool;
use super::tally::Tally;

/// An upstream's endpoints.
pub(crate) struct Endpoints {
    pub(crate) all: Vec<Endpoint>,
    pub(crate) health: Health,
    pub(crate) tally: Tally,
    balance: Box<dyn Balance>,
    pub(crate) dice: Dice,
}

/// One of them.
pub(crate) struct Endpoint {
    pub(crate) target: Target,
    pub(crate) pool: Arc<Pool>,
    pub(crate) load: Load,
    pub(crate) totals: Totals,
    mark: u64,
}

/// What an endpoint has done so far.
#[derive(Default)]
pub(crate) struct Totals {
    pub(crate) requests: AtomicU64,
    pub(crate) failures: AtomicU64,
    /// What the last failure was.
    pub(crate) last_failure: Mutex<Option<&'static str>>,
}

impl Endpoints {
    pub(crate) fn new(config: &UpstreamConfig, seed: u64) -> Endpoints {
        let (now, tally) = (Instant::now(), Tally::new(&config.name));
        let endpoint = |target: &Target| {
            tally.healthy(&target.address, true);
            Endpoint {
                target: target.clone(),
                pool: Arc::new(Pool::new(target.address.clone(), config, tally.connections())),
                load: Load::new(now),
                totals: Totals::default(),
                mark: balance::key(target.address.as_bytes()),
            }
        };
        let all: Vec<_> = config.targets.iter().map(endpoint).collect();
        let health = Health::new(all.len(), config.ejection.clone(), config.check.as_ref());
        let balance = (config.balance.build)(all.len());
        Endpoints { all, health, tally, balance, dice: Dice::new(seed) }
    }

    /// Picks an endpoint that was not tried, and begins a request to it.
    pub(crate) fn pick(
        self: &Arc<Self>,
        need: Need,
        key: Option<u64>,
        tried: &[usize],
    ) -> Option<Flight> {
        let now = Instant::now();
        // The best are healthy and have a connection to give; then those where one has to wait; and when
        // nobody is healthy, who was ejected may be well again.
        let last = if tried.is_empty() { Need::Any } else { need };
        for (need, with_room) in [(need, true), (need, false), (last, false)] {
            // Another request may be quicker to claim a half-open one.
            for _ in 0..2 {
                let ask = Ask { key, random: self.dice.roll() };
                let view = View { endpoints: self, need, with_room, tried, now };
                let Some(at) = self.balance.pick(&view, ask) else { break };
                if self.health.claim(at, need, now) {
                    return Some(Flight::begin(self.clone(), at, now));
                }
            }
        }
        None
    }

    /// Whether there is one that was not tried.
    pub(crate) fn has_other(&self, need: Need, tried: &[usize]) -> bool {
        let now = Instant::now();
        let fits = |at: &usize| !tried.contains(at) && self.health.usable(*at, need, now);
        (0..self.all.len()).any(|at| fits(&at))
    }

    /// What a check has found.
    pub(crate) fn checked(&self, at: usize, good: bool) {
        let Some(endpoint) = self.all.get(at) else { return };
        if let Some(standing) = self.health.checked(at, good, Instant::now()) {
            let (address, standing_now) = (&endpoint.target.address, standing.as_str());
            let upstream = self.tally.upstream();
            self.tally.healthy(address, standing == Standing::Healthy);
            if standing == Standing::Down {
                tracing::warn!(upstream, endpoint = address, "an endpoint fails its checks");
            } else {
                tracing::info!(
                    upstream,
                    endpoint = address,
                    standing = standing_now,
                    "an endpoint is up again"
                );
            }
        }
    }
}

/// The endpoints as a strategy sees them.
struct View<'e> {
    endpoints: &'e Endpoints,
    need: Need,
    with_room: bool,
    tried: &'e [usize],
    now: Instant,
}

impl Among for View<'_> {
    fn count(&self) -> usize {
        self.endpoints.all.len()
    }

    fn usable(&self, at: usize) -> bool {
        let room = |endpoint: &Endpoint| !self.with_room || endpoint.pool.has_room();
        !self.tried.contains(&at)
            && self.endpoints.all.get(at).is_some_and(room)
            && self.endpoints.health.usable(at, self.need, self.now)
    }

    fn weight(&self, at: usize) -> u32 {
        self.endpoints.all.get(at).map_or(1, |endpoint| endpoint.target.weight)
    }

    fn in_flight(&self, at: usize) -> u32 {
        self.endpoints.all.get(at).map_or(0, |endpoint| endpoint.load.in_flight())
    }

    fn round_trip(&self, at: usize) -> f64 {
        self.endpoints.all.get(at).map_or(0.0, |endpoint| endpoint.load.round_trip(self.now))
    }

    fn mark(&self, at: usize) -> u64 {
        self.endpoints.all.get(at).map_or(0, |endpoint| endpoint.mark)
    }
}

/// A request on its way to an endpoint, until its answer is over.
pub(crate) struct Flight {
    endpoints: Arc<Endpoints>,
    pub(crate) at: usize,
    begun: Instant,
    /// Whether the answer began as it should.
    well: bool,
    /// Whether the endpoint's health has heard of it.
    told: bool,
}

impl Flight {
    fn begin(endpoints: Arc<Endpoints>, at: usize, begun: Instant) -> Flight {
        let flight = Flight { endpoints, at, begun, well: false, told: false };
        flight.endpoints.tally.begin();
        if let Some(endpoint) = flight.endpoint() {
            endpoint.load.begin();
        }
        flight
    }

    pub(crate) fn endpoint(&self) -> Option<&Endpoint> {
        self.endpoints.all.get(self.at)
    }

    /// It begins only now: what it waited for before was not the endpoint.
    pub(crate) fn restart(&mut self) {
        self.begun = Instant::now();
    }

    /// When it began.
    pub(crate) fn begun(&self) -> Instant {
        self.begun
    }

    /// The request is on its way.
    pub(crate) fn sent(&self) {
        if let Some(endpoint) = self.endpoint() {
            endpoint.totals.requests.fetch_add(1, Relaxed);
        }
    }

    /// The answer has begun.
    pub(crate) fn answered(&mut self, status: StatusCode, well: bool) {
        let now = Instant::now();
        let took = now.saturating_duration_since(self.begun);
        self.endpoints.tally.answered(status, took);
        if !well {
            self.record(took, now, "it answers that it cannot");
            return;
        }
        self.well = true;
        if let Some(endpoint) = self.endpoint() {
            endpoint.load.answered(took, now);
        }
        // It has shown enough: its answer may stream for hours.
        if self.endpoints.health.is_probing(self.at) {
            self.succeeded();
        }
    }

    /// There is no answer, or not all of it, and it is the endpoint's fault.
    pub(crate) fn failed(&mut self, why: &'static str) {
        let now = Instant::now();
        self.endpoints.tally.failed();
        self.record(now.saturating_duration_since(self.begun), now, why);
    }

    fn record(&mut self, took: Duration, now: Instant, why: &'static str) {
        self.told = true;
        let Some(endpoint) = self.endpoint() else { return };
        endpoint.load.failed(took, now);
        endpoint.totals.failures.fetch_add(1, Relaxed);
        let mut last = endpoint.totals.last_failure.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some(why);
        drop(last);
        if self.endpoints.health.failed(self.at, now) {
            let address = &endpoint.target.address;
            self.endpoints.tally.ejected(address);
            self.endpoints.tally.healthy(address, false);
            let upstream = self.endpoints.tally.upstream();
            tracing::warn!(upstream, endpoint = address, why, "an endpoint is left out for a time");
        }
    }

    /// The answer is as it should be.
    pub(crate) fn succeeded(&mut self) {
        if std::mem::replace(&mut self.told, true) || self.endpoints.health.is_spotless(self.at) {
            return;
        }
        if self.endpoints.health.succeeded(self.at, Instant::now())
            && let Some(endpoint) = self.endpoint()
        {
            let address = &endpoint.target.address;
            self.endpoints.tally.healthy(address, true);
            let upstream = self.endpoints.tally.upstream();
            tracing::info!(upstream, endpoint = address, "an endpoint is back");
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        // A client that leaves in the middle says nothing of the endpoint.
        if self.well {
            self.succeeded();
        } else if !self.told {
            self.endpoints.health.released(self.at);
        }
        if let Some(endpoint) = self.endpoint() {
            endpoint.load.end();
        }
        self.endpoints.tally.end();
    }
}
