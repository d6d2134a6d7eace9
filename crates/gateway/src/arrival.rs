//! How a request's body arrives, and how long is waited for what: for a body that stops, and for an
//! answer from when there is nothing left to wait for.

use std::sync::{Arc, Mutex, PoisonError};

use forebay_model::{Code, Error};
use tokio::time::Instant;

use crate::config::GatewayConfig;

/// Shared by a request's body and by who waits for the answer.
#[derive(Debug, Clone)]
pub(crate) struct Arrival(Arc<Mutex<Moment>>);

#[derive(Debug, Clone, Copy)]
struct Moment {
    /// Whether the client is waited for.
    waiting: bool,
    since: Instant,
}

impl Default for Arrival {
    fn default() -> Self {
        let moment = Moment { waiting: false, since: Instant::now() };
        Arrival(Arc::new(Mutex::new(moment)))
    }
}

impl Arrival {
    /// Says whether the next piece is waited for, or has come.
    pub(crate) fn waits(&self, waiting: bool) {
        let mut moment = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !(waiting && moment.waiting) {
            *moment = Moment { waiting, since: Instant::now() };
        }
    }

    /// Ends when the client is silent for too long, or we are.
    pub(crate) async fn late(&self, config: &GatewayConfig) -> Error {
        let (body, request) = (config.body_timeout, config.request_timeout);
        loop {
            let moment = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let end = moment.since + if moment.waiting { body } else { request };
            if now < end {
                // Who is waited for may change meanwhile, and then the other limit holds.
                tokio::time::sleep_until(end.min(now + body.min(request))).await;
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
