//! Services of others, over HTTP/1.1: a request goes to one of the endpoints of an upstream, and the
//! answer streams back.

mod answer;
mod config;
mod connection;
mod forward;
mod outgoing;
mod pool;
mod tunnel;
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use axum::body::Body;
use axum::response::Response;
use forebay_model::{Code, Error};
use http::header::HOST;
use http::request::Parts;
use http::{Request, StatusCode};
use hyper::upgrade::OnUpgrade;
use tokio_util::sync::CancellationToken;

pub use config::{Check, Draft, Ejection, PoolLimits, Retries, Timeouts, UpstreamConfig};
pub use forward::{Passing, TIME_LEFT};

use answer::Answer;
use connection::Broken;
use outgoing::Outgoing;
use pool::{Place, Pool};

/// An upstream at work.
pub struct Upstream {
    config: UpstreamConfig,
    endpoints: Vec<Endpoint>,
    turn: AtomicUsize,
}

struct Endpoint {
    pool: Arc<Pool>,
}

impl Upstream {
    /// Begins; nothing is connected before the first request.
    pub fn new(config: UpstreamConfig) -> Arc<Upstream> {
        let endpoint = |target: &config::Target| {
            let (limits, idle) = (config.pool.clone(), config.timeouts.idle);
            Endpoint { pool: Arc::new(Pool::new(target.address.clone(), limits, idle)) }
        };
        let endpoints = config.targets.iter().map(endpoint).collect();
        Arc::new(Upstream { config, endpoints, turn: AtomicUsize::new(0) })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// Sends a request to an endpoint, and gives its answer when its head is there.
    pub async fn send(
        &self,
        request: Request<Body>,
        passing: Passing<'_>,
    ) -> Result<Response, Error> {
        let (mut parts, body) = request.into_parts();
        let websocket = forward::request(&mut parts, &body, &passing)?;
        let client = parts.extensions.remove::<OnUpgrade>().filter(|_| websocket);
        // Nothing of what our services tell each other is sent; it would only be carried along.
        parts.extensions.clear();
        let method = parts.method.clone();
        let at = self.turn.fetch_add(1, Relaxed) % self.endpoints.len();
        let (response, place) = self.attempt(at, parts, body, passing).await?;
        let (mut head, body) = response.into_parts();
        forward::answer(&mut head, &method, client.is_some()).map_err(|what| self.failed(what))?;
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            let joined = client.and_then(|client| tunnel::join(client, place));
            joined.ok_or_else(|| self.failed("it does not let go of its connection"))?;
            return Ok(Response::from_parts(head, Body::empty()));
        }
        Ok(Response::from_parts(head, Body::new(Answer::new(body, place))))
    }

    /// Lets go of what has rested for too long, and asks the endpoints how they are, until
    /// `stopping`.
    pub async fn run(&self, stopping: CancellationToken) {
        let mut ticks = tokio::time::interval(self.config.timeouts.idle / 4);
        while stopping.run_until_cancelled(ticks.tick()).await.is_some() {
            let now = tokio::time::Instant::now();
            self.endpoints.iter().for_each(|endpoint| endpoint.pool.sweep(now));
        }
    }

    async fn attempt(
        &self,
        at: usize,
        mut parts: Parts,
        body: Body,
        passing: Passing<'_>,
    ) -> Result<(http::Response<hyper::body::Incoming>, Place), Error> {
        let pool = &self.endpoints[at].pool;
        let seat = match pool.seat() {
            Some(seat) => seat,
            None => pool.wait(passing.deadline).await?,
        };
        let mut place = match seat.resting() {
            Ok(place) => place,
            Err(seat) => tokio::time::timeout(self.config.timeouts.connect, seat.connect())
                .await
                .map_err(|_| self.failed("it does not take connections"))?
                .map_err(|error| self.failed("it cannot be reached").cause(error))?,
        };
        let target = &self.config.targets[at];
        if self.config.own_host || !parts.headers.contains_key(HOST) {
            parts.headers.insert(HOST, target.host.clone());
        }
        forward::time_left(&mut parts.headers, passing.deadline, tokio::time::Instant::now());
        let outgoing = Outgoing::new(body, place.connection.seen.clone());
        let request = Request::from_parts(parts, outgoing);
        let patience = self.config.timeouts.header;
        match place.connection.exchange(request, patience, passing.deadline).await {
            Ok(response) => Ok((response, place)),
            Err(Broken::Late) => Err(Error::new(Code::Timeout, "the upstream took too long")),
            Err(Broken::Client(error)) => {
                Err(Error::new(Code::BadRequest, "the body broke off").cause(error))
            }
            Err(Broken::Unsent(_)) => Err(self.failed("it has closed the connection")),
            Err(Broken::Closed(error)) => {
                Err(self.failed("it has closed the connection").cause(error))
            }
            Err(Broken::Garbage(error)) => Err(self.failed("what it says is no HTTP").cause(error)),
        }
    }

    fn failed(&self, what: &str) -> Error {
        let detail = format!("the upstream `{}` did not answer as it should", self.config.name);
        Error::new(Code::UpstreamFailed, detail).cause(what)
    }
}

#[cfg(test)]
mod tests;
