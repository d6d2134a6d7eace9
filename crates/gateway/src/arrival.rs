//! How a request's body arrives, and how long is waited for what: for a body that stops, and for an
//! answer from when there is nothing left to wait for.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use forebay_model::{Code, Error};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::config::GatewayConfig;

/// Shared by a request's body and by who waits for the answer.
#[derive(Debug, Clone)]
pub(crate) struct Arrival(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    moment: Mutex<Moment>,
    /// Of the body, so far.
    bytes: AtomicU64,
    /// Tells of another time that an answer may take.
    changed: Notify,
}

#[derive(Debug, Clone, Copy)]
struct Moment {
    /// Whether the client is waited for.
    waiting: bool,
    since: Instant,
    /// How long an answer may take, where a route says so.
    allowed: Option<Duration>,
}

impl Default for Arrival {
    fn default() -> Self {
        let moment = Moment { waiting: false, since: Instant::now(), allowed: None };
        Arrival(Arc::new(Inner {
            moment: Mutex::new(moment),
            bytes: AtomicU64::new(0),
            changed: Notify::new(),
        }))
    }
}

impl Arrival {
    /// Says whether the next piece is waited for, or has come.
    pub(crate) fn waits(&self, waiting: bool) {
        let mut moment = self.0.moment.lock().unwrap_or_else(PoisonError::into_inner);
        if !(waiting && moment.waiting) {
            *moment = Moment { waiting, since: Instant::now(), ..*moment };
        }
    }

    /// Says how long the answer may take, in the place of the configuration's time.
    pub(crate) fn allow(&self, time: Duration) {
        self.0.moment.lock().unwrap_or_else(PoisonError::into_inner).allowed = Some(time);
        self.0.changed.notify_one();
    }

    /// Counts what has come.
    pub(crate) fn came(&self, bytes: usize) {
        self.0.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// How many bytes of the body have come.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.bytes.load(Ordering::Relaxed)
    }

    /// Ends when the client is silent for too long, or we are.
    pub(crate) async fn late(&self, config: &GatewayConfig) -> Error {
        let (body, request) = (config.body_timeout, config.request_timeout);
        loop {
            let moment = *self.0.moment.lock().unwrap_or_else(PoisonError::into_inner);
            let request = moment.allowed.unwrap_or(request);
            let now = Instant::now();
            let end = moment.since + if moment.waiting { body } else { request };
            if now < end {
                // Who is waited for may change meanwhile, and then the other limit holds.
                tokio::select! {
                    () = tokio::time::sleep_until(end.min(now + body.min(request))) => {}
                    () = self.0.changed.notified() => {}
                }
                continue;
            }
            return if moment.waiting {
                Error::new(Code::RequestTimeout, "the body stopped arriving")
            } else {
                Error::new(Code::Timeout, "the request took too long")
            };
        }
    }
}
