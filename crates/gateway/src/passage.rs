//! One request on its way: what is known of it from its first byte to its answer's last, and the line
//! that the access log has of it then.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use forebay_http::principal::{Peer, Way};
use forebay_model::principal::Principal;
use http::header::{ORIGIN, USER_AGENT};
use http::{HeaderValue, Method, Request, StatusCode, Uri};

use crate::Gateway;
use crate::arrival::Arrival;
use crate::limit::Ticket;
use crate::note::Route;
use crate::pattern::Place;
use crate::request_id::request_id;
use crate::routes::Snapshot;
use crate::trace::Trace;

/// A request on its way. It is over when this is dropped: with the end of the answer's body, of what
/// a connection was upgraded to, or when the client has gone.
pub(crate) struct Passage {
    pub(crate) id: String,
    pub(crate) trace: Trace,
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) client: Peer,
    pub(crate) started: Instant,
    pub(crate) arrival: Arrival,
    pub(crate) origin: Option<HeaderValue>,
    /// What it takes of limits, where there are some.
    pub(crate) ticket: Option<Arc<Ticket>>,
    /// Who asks, once it is known.
    pub(crate) who: OnceLock<Arc<Principal>>,
    /// Where the caller is, where the gateway before this process says it.
    pub(crate) told: OnceLock<Peer>,
    /// The routes that held when it began.
    pub(crate) routing: Arc<Snapshot>,
    /// The user's route that it takes, once it is known.
    pub(crate) route: OnceLock<Route>,
    /// Bytes of the answer's body.
    pub(crate) sent: AtomicU64,
    agent: Option<HeaderValue>,
    answered: OnceLock<(StatusCode, Option<Route>, Duration)>,
    in_flight: metrics::Gauge,
    logged: bool,
}

impl Passage {
    /// Begins; `arrival` is of the request's body.
    pub(crate) fn begin<B>(
        gateway: &Gateway,
        request: &Request<B>,
        arrival: Arrival,
    ) -> Arc<Passage> {
        let inner = &gateway.inner;
        let (headers, logged) = (request.headers(), inner.config.access_log);
        // Nothing without an address comes through the door.
        let nowhere = Peer(std::net::Ipv4Addr::UNSPECIFIED.into(), Way::Relayed);
        inner.in_flight.increment(1.0);
        Arc::new(Passage {
            id: request_id(headers),
            trace: Trace::of(headers),
            method: request.method().clone(),
            uri: request.uri().clone(),
            client: request.extensions().get().copied().unwrap_or(nowhere),
            started: Instant::now(),
            arrival,
            origin: headers.get(ORIGIN).cloned(),
            ticket: inner.limits.ticket(),
            who: OnceLock::new(),
            told: OnceLock::new(),
            routing: inner.routing.now(),
            route: OnceLock::new(),
            sent: AtomicU64::new(0),
            agent: headers.get(USER_AGENT).filter(|_| logged).cloned(),
            answered: OnceLock::new(),
            in_flight: inner.in_flight.clone(),
            logged,
        })
    }

    /// What is asked for.
    pub(crate) fn place(&self) -> Place<'_> {
        let route = self.route.get().and_then(|route| route.1.strip_prefix("routes."));
        Place { method: &self.method, path: self.uri.path(), route }
    }

    /// Remembers how it was answered.
    pub(crate) fn answered(&self, status: StatusCode, route: Option<Route>, took: Duration) {
        // An answer is given once.
        let _ = self.answered.set((status, route, took));
    }

    /// Writes the line. The query is left out: secrets stand there.
    fn log(&self) {
        let (status, route, took) = match self.answered.get() {
            Some((status, route, took)) => (status.as_u16(), route.as_ref(), *took),
            // Who leaves before the answer gets none; the number is nginx's.
            None => (499, self.route.get(), self.started.elapsed()),
        };
        let who = self.who.get();
        tracing::info!(
            target: "access",
            request_id = self.id,
            trace_id = self.trace.id,
            client = %self.told.get().unwrap_or(&self.client).0,
            principal = who.map(|who| who.id.as_str()),
            key_id = who.and_then(|who| who.key_id.as_deref()),
            method = self.method.as_str(),
            path = self.uri.path(),
            service = route.map_or("gateway", |route| route.0),
            route = route.map_or("none", |route| route.1.as_ref()),
            status,
            wait_ms = millis(took),
            duration_ms = millis(self.started.elapsed()),
            received_bytes = self.arrival.bytes(),
            sent_bytes = self.sent.load(Ordering::Relaxed),
            user_agent = self.agent.as_ref().and_then(|agent| agent.to_str().ok()),
            "access"
        );
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        self.in_flight.decrement(1.0);
        if self.logged {
            self.log();
        }
    }
}

/// To a thousandth.
fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1_000_000.0).round() / 1000.0
}
