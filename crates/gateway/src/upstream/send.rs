//! One request's way to an endpoint and back, with what is tried when it fails.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use forebay_model::{Code, Error};
use http::header::{HOST, RETRY_AFTER};
use http::request::Parts;
use http::{HeaderMap, Method, Request, StatusCode};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use smallvec::SmallVec;
use tokio::time::Instant;

use super::answer::Answer;
use super::connection::Broken;
use super::endpoint::Flight;
use super::forward::{self, Passing};
use super::health::Need;
use super::outgoing::{Outgoing, Parcel};
use super::pool::{Place, Seat};
use super::{Upstream, retry, tunnel};

/// Marks an answer that is an endpoint's, in its extensions: errors of ours become problem documents,
/// and theirs stay as they are.
#[derive(Debug, Clone, Copy)]
pub struct Theirs;

/// A request that is to be answered.
pub(crate) struct Errand<'u> {
    upstream: &'u Upstream,
    passing: Passing<'u>,
    method: Method,
    /// None while it is on its way for the only time.
    head: Option<Parts>,
    /// Whether the client has named a host.
    has_host: bool,
    parcel: Parcel,
    repeatable: bool,
    /// The client's connection, where it asks for another protocol.
    client: Option<OnUpgrade>,
    tried: SmallVec<[usize; 4]>,
}

/// A try that has failed.
struct Failure {
    error: Error,
    again: Again,
}

/// Whether there may be another.
enum Again {
    No,
    /// The endpoint has nothing of the request.
    Unsent,
    /// It may have it.
    Sent,
    /// It has refused it, and another has been found and paid for.
    Elsewhere,
}

impl<'u> Errand<'u> {
    /// Makes a request ready.
    pub(crate) fn new(
        upstream: &'u Upstream,
        request: Request<Body>,
        passing: Passing<'u>,
    ) -> Result<Errand<'u>, Error> {
        let (mut head, body) = request.into_parts();
        let client = forward::request(&mut head, &body, &passing)?;
        let retries = &upstream.config.retries;
        let repeatable = retry::is_repeatable(&head.method, &head.headers);
        let parcel =
            Parcel::new(body, (repeatable && retries.tries > 0).then_some(retries.body_bytes));
        Ok(Errand {
            upstream,
            passing,
            method: head.method.clone(),
            has_host: head.headers.contains_key(HOST),
            head: Some(head),
            parcel,
            repeatable,
            client,
            tried: SmallVec::new(),
        })
    }

    /// Runs it: to one endpoint, and when that fails and it may be, to others.
    pub(crate) async fn run(mut self) -> Result<Response, Error> {
        self.upstream.budget.earn();
        let need = self.need();
        let mut left = self.upstream.config.retries.tries;
        loop {
            let endpoints = &self.upstream.endpoints;
            let picked = endpoints.pick(need, self.passing.key, &self.tried);
            // Where there is no other, the same may do better a moment later.
            let picked = picked.or_else(|| {
                let again = !std::mem::take(&mut self.tried).is_empty();
                again.then(|| endpoints.pick(need, self.passing.key, &[])).flatten()
            });
            let Some(flight) = picked else {
                let error = self.upstream.failed("no endpoint is well");
                return Err(error.retry_after(1));
            };
            let at = flight.at;
            let failure = match self.attempt(flight, left > 0).await {
                Ok(response) => return Ok(response),
                Err(failure) => failure,
            };
            self.tried.push(at);
            if left == 0 || !self.may_again(&failure.again).await {
                return Err(failure.error);
            }
            left -= 1;
            self.upstream.endpoints.tally.retried();
        }
    }

    fn need(&self) -> Need {
        if self.repeatable { Need::Repeatable } else { Need::Once }
    }

    /// Whether there may be another try; waits until it is time for it. Alone, for a body is not shared
    /// between threads.
    async fn may_again(&mut self, again: &Again) -> bool {
        let now = Instant::now();
        let alone = !self.upstream.endpoints.has_other(self.need(), &self.tried);
        let ready = self.head.is_some() && self.parcel.is_whole();
        let pause = match again {
            Again::No => return false,
            // What nobody has can be given to somebody else at once.
            Again::Unsent if !alone => Duration::ZERO,
            // Its answer is gone: the time there is has to be enough.
            Again::Elsewhere => Duration::ZERO,
            Again::Sent if !self.repeatable => return false,
            _ => retry::pause(&self.upstream.config.retries, self.upstream.endpoints.dice.roll()),
        };
        let in_time = self.passing.deadline.is_none_or(|end| now + pause < end);
        let paid = || !matches!(again, Again::Sent) || self.upstream.budget.spend(now);
        if !ready || !in_time || !paid() {
            return false;
        }
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        true
    }

    /// One try.
    async fn attempt(&mut self, mut flight: Flight, more: bool) -> Result<Response, Failure> {
        let mut place = self.place(&mut flight).await?;
        flight.sent();
        loop {
            let reused = place.connection.used;
            let request = self.request(&place, &flight);
            let patience = self.upstream.config.timeouts.header;
            let broken =
                match place.connection.exchange(request, patience, self.passing.deadline).await {
                    Ok(response) => return self.answer(response, place, flight, more),
                    Err(broken) => broken,
                };
            // A connection that has rested may be closed by the other end while the request is on its
            // way: that says nothing of the endpoint.
            let stale = reused && !place.connection.seen.answered.load(Relaxed);
            let again = self.repeatable && self.head.is_some() && self.parcel.is_whole();
            match broken {
                Broken::Unsent(request) if stale => self.take_back(*request),
                Broken::Closed(_) if stale && again => {}
                broken => return Err(self.judge(broken, &mut flight)),
            }
            place = self.connect(place.end(), &mut flight).await?;
        }
    }

    /// A connection to send it on.
    async fn place(&mut self, flight: &mut Flight) -> Result<Place, Failure> {
        let Some(endpoint) = flight.endpoint() else { return Err(self.lost()) };
        let seat = match endpoint.pool.seat() {
            Some(seat) => seat,
            None => {
                let waited = endpoint.pool.wait(self.passing.deadline).await;
                flight.restart();
                waited.map_err(|error| {
                    self.upstream.endpoints.tally.refused();
                    Failure { error, again: Again::No }
                })?
            }
        };
        match seat.resting(flight.begun()) {
            Ok(place) => Ok(place),
            Err(seat) => self.connect(seat, flight).await,
        }
    }

    async fn connect(&mut self, seat: Seat, flight: &mut Flight) -> Result<Place, Failure> {
        let latest = Instant::now() + self.upstream.config.timeouts.connect;
        let end = self.passing.deadline.map_or(latest, |end| end.min(latest));
        match tokio::time::timeout_at(end, seat.connect()).await {
            Ok(Ok(place)) => {
                flight.restart();
                Ok(place)
            }
            Ok(Err(error)) => {
                let mut failure = self.failure(flight, "it cannot be reached", Again::Unsent);
                failure.error = failure.error.cause(format!("it cannot be reached: {error}"));
                Err(failure)
            }
            Err(_) if end < latest => Err(Failure { error: late(), again: Again::No }),
            Err(_) => Err(self.failure(flight, "it takes no connection", Again::Unsent)),
        }
    }

    /// The request for an endpoint; the head is kept where it may be needed again.
    fn request(&mut self, place: &Place, flight: &Flight) -> Request<Outgoing> {
        let body = self.parcel.take(place.connection.seen.clone());
        let head = if self.repeatable { self.head.clone() } else { self.head.take() };
        let mut request = Request::new(body);
        if let Some(head) = head {
            *request.method_mut() = head.method;
            *request.uri_mut() = head.uri;
            *request.headers_mut() = head.headers;
        }
        if (self.upstream.config.own_host || !self.has_host)
            && let Some(endpoint) = flight.endpoint()
        {
            request.headers_mut().insert(HOST, endpoint.target.host.clone());
        }
        forward::time_left(request.headers_mut(), self.passing.deadline);
        request
    }

    /// Takes back a request that was not sent.
    fn take_back(&mut self, request: Request<Outgoing>) {
        let (head, body) = request.into_parts();
        self.head = Some(head);
        self.parcel = body.into_parcel();
    }

    /// What the client gets.
    fn answer(
        &mut self,
        response: http::Response<Incoming>,
        place: Place,
        mut flight: Flight,
        more: bool,
    ) -> Result<Response, Failure> {
        let (mut head, body) = response.into_parts();
        if let Err(what) = forward::answer(&mut head, &self.method, self.client.is_some()) {
            return Err(self.failure(&mut flight, what, Again::Sent));
        }
        flight.answered(head.status, is_well(head.status, &head.headers));
        if more && retry::is_worth_another(head.status) && self.has_another(flight.at) {
            let error = self.upstream.failed("it answers that it cannot");
            return Err(Failure { error, again: Again::Elsewhere });
        }
        head.extensions.insert(Theirs);
        if head.status != StatusCode::SWITCHING_PROTOCOLS {
            return Ok(Response::from_parts(head, Body::new(Answer::new(body, place, flight))));
        }
        let upstream = self.upstream;
        let until = (upstream.hang_up.clone(), &upstream.tunnels);
        let join = |client| tunnel::join(client, (place, flight), until);
        match self.client.take().and_then(join) {
            Some(()) => Ok(Response::from_parts(head, Body::empty())),
            None => Err(self.lost()),
        }
    }

    /// Whether another endpoint may be asked in place of this one, which has answered; pays for it.
    fn has_another(&self, at: usize) -> bool {
        let ready = self.repeatable && self.head.is_some() && self.parcel.is_whole();
        let mut tried = self.tried.clone();
        tried.push(at);
        let found = self.upstream.endpoints.has_other(self.need(), &tried);
        ready && found && self.upstream.budget.spend(Instant::now())
    }

    /// Whose fault it is that there is no answer.
    fn judge(&mut self, broken: Broken, flight: &mut Flight) -> Failure {
        match broken {
            Broken::Unsent(request) => {
                self.take_back(*request);
                self.failure(flight, CLOSED, Again::Unsent)
            }
            Broken::Closed(error) => self.failure(flight, CLOSED, Again::Sent).because(&error),
            Broken::Garbage(error) => {
                self.failure(flight, "what it says is no HTTP", Again::Sent).because(&error)
            }
            Broken::Client(error) => {
                let error = Error::new(Code::BadRequest, "the body broke off").cause(error);
                Failure { error, again: Again::No }
            }
            Broken::Late => {
                // Whose time was over before is not held against the endpoint.
                if self.passing.deadline.is_none_or(|end| end > Instant::now()) {
                    flight.failed("it takes too long");
                }
                Failure { error: late(), again: Again::No }
            }
        }
    }

    fn failure(&self, flight: &mut Flight, what: &'static str, again: Again) -> Failure {
        flight.failed(what);
        Failure { error: self.upstream.failed(what), again }
    }

    /// What cannot be.
    fn lost(&self) -> Failure {
        let error = self.upstream.failed("it does not let go of its connection");
        Failure { error, again: Again::No }
    }
}

const CLOSED: &str = "it closed the connection without an answer";

impl Failure {
    /// Adds what the log should know.
    fn because(mut self, error: &hyper::Error) -> Failure {
        let what = self.error.cause.take().unwrap_or_default();
        self.error = self.error.cause(format!("{what}: {error}"));
        self
    }
}

/// Whether an answer says that the endpoint is well. One that says when to come again has a reason to
/// refuse: were it left out for that, the others would have even more to do.
fn is_well(status: StatusCode, headers: &HeaderMap) -> bool {
    match status {
        StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => false,
        StatusCode::SERVICE_UNAVAILABLE => headers.contains_key(RETRY_AFTER),
        _ => true,
    }
}

fn late() -> Error {
    Error::new(Code::Timeout, "the service behind took too long")
}
