//! What is counted of an upstream.

use std::time::Duration;

use http::StatusCode;
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

/// The counters of an upstream, looked up once.
pub(crate) struct Tally {
    upstream: String,
    /// By the first digit of the status; at 0 those without an answer.
    requests: [Counter; 6],
    duration: Histogram,
    retries: Counter,
    refused: Counter,
    in_flight: Gauge,
    connections: Gauge,
}

impl Tally {
    pub(crate) fn new(upstream: &str) -> Tally {
        let name = || upstream.to_owned();
        let requests = ["failed", "1xx", "2xx", "3xx", "4xx", "5xx"].map(
            |status| counter!("forebay_upstream_requests_total", "upstream" => name(), "status" => status),
        );
        Tally {
            upstream: name(),
            requests,
            duration: histogram!("forebay_upstream_duration_seconds", "upstream" => name()),
            retries: counter!("forebay_upstream_retries_total", "upstream" => name()),
            refused: counter!("forebay_upstream_refused_total", "upstream" => name()),
            in_flight: gauge!("forebay_upstream_in_flight", "upstream" => name()),
            connections: gauge!("forebay_upstream_connections", "upstream" => name()),
        }
    }

    /// An endpoint has answered.
    pub(crate) fn answered(&self, status: StatusCode, took: Duration) {
        let class = usize::from(status.as_u16() / 100);
        if let Some(counter) = self.requests.get(class) {
            counter.increment(1);
        }
        self.duration.record(took.as_secs_f64());
    }

    /// An endpoint has not.
    pub(crate) fn failed(&self) {
        self.requests[0].increment(1);
    }

    pub(crate) fn retried(&self) {
        self.retries.increment(1);
    }

    /// There was no room for a request.
    pub(crate) fn refused(&self) {
        self.refused.increment(1);
    }

    pub(crate) fn begin(&self) {
        self.in_flight.increment(1.0);
    }

    pub(crate) fn end(&self) {
        self.in_flight.decrement(1.0);
    }

    /// The upstream's name.
    pub(crate) fn upstream(&self) -> &str {
        &self.upstream
    }

    pub(crate) fn ejected(&self, endpoint: &str) {
        let (upstream, endpoint) = (self.upstream.clone(), endpoint.to_owned());
        counter!("forebay_upstream_ejections_total", "upstream" => upstream, "endpoint" => endpoint)
            .increment(1);
    }

    /// Whether an endpoint gets its share.
    pub(crate) fn healthy(&self, endpoint: &str, healthy: bool) {
        let (upstream, endpoint) = (self.upstream.clone(), endpoint.to_owned());
        gauge!("forebay_upstream_healthy", "upstream" => upstream, "endpoint" => endpoint)
            .set(if healthy { 1.0 } else { 0.0 });
    }

    /// What counts the open connections.
    pub(crate) fn connections(&self) -> Gauge {
        self.connections.clone()
    }
}
