//! A service in another process: its routes here, and how a request gets there.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodFilter, MethodRouter, on};
use forebay_http::internal::{Asked, INTERNAL, Keys, Said, Told};
use forebay_http::{Problem, Who};
use forebay_model::time::SharedClock;
use forebay_model::{Code, Error};
use http::Method;
use http::header::CONTENT_TYPE;
use http_body::{Body as HttpBody, Frame};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::inside::READY;
use crate::limit;
use crate::passage::Passage;
use crate::upstream::{Check, Draft, Ejection, Passing, PoolLimits, Standing, Timeouts, Upstream};

/// How often a process is asked whether it takes more: a stopping one waits for longer than this.
const CHECK: Duration = Duration::from_millis(250);
/// How long it may take to say so.
const CHECK_PATIENCE: Duration = Duration::from_secs(5);

/// A service in other processes.
pub struct Service {
    name: &'static str,
    upstream: Arc<Upstream>,
    keys: Keys,
    clock: SharedClock,
    /// Is told the number of a change of identity that a request has made.
    changed: Box<dyn Fn(i64) + Send + Sync>,
    stopping: CancellationToken,
}

/// What a service elsewhere takes.
pub struct Deps {
    /// What the gateway's word is signed with.
    pub keys: Keys,
    /// The time.
    pub clock: SharedClock,
    /// Is told the number of a change of identity that a request has made.
    pub changed: Box<dyn Fn(i64) + Send + Sync>,
    /// Cancelled when the process stops: subscriptions end then.
    pub stopping: CancellationToken,
}

/// How long is waited for a service, and how many ask at once.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Until an answer begins.
    pub answer: Duration,
    /// How long a connection may rest: less than the service lets it.
    pub rest: Duration,
    /// Most requests at once, subscriptions among them.
    pub at_once: u32,
}

impl Service {
    /// Begins; the error is a message for people.
    pub fn new(
        name: &'static str,
        addresses: &[String],
        patience: Patience,
        deps: Deps,
    ) -> Result<Arc<Service>, String> {
        let check = Check {
            path: READY.to_owned(),
            interval: CHECK,
            timeout: CHECK_PATIENCE,
            bad: 1,
            good: 1,
        };
        let Patience { answer, rest, at_once } = patience;
        let timeouts = Timeouts { header: answer, idle: rest, ..Timeouts::default() };
        let connections = at_once.clamp(1, 65_536);
        let config = Draft {
            name: name.to_owned(),
            endpoints: addresses.iter().map(|address| (address.clone(), 1)).collect(),
            check: Some(check),
            // Whoever is away is found by its check; a service that is in trouble is no worse than
            // its neighbour on the same database.
            ejection: Some(Ejection { base: Duration::from_secs(1), ..Ejection::default() }),
            timeouts,
            pool: PoolLimits { connections, ..PoolLimits::default() },
            ..Draft::default()
        };
        let upstream = Upstream::new(crate::upstream::UpstreamConfig::new(config)?);
        let Deps { keys, clock, changed, stopping } = deps;
        Ok(Arc::new(Service { name, upstream, keys, clock, changed, stopping }))
    }

    /// Its routes: each operation is a method and a path as the router writes it.
    pub fn router(self: &Arc<Self>, operations: &[(Method, String)]) -> Result<Router, String> {
        let mut router = Router::new();
        for (method, path) in operations {
            let wrong = |_| format!("{method} {path}: there is no such method");
            let filter = MethodFilter::try_from(method.clone()).map_err(wrong)?;
            let way: MethodRouter = on(filter, pass).with_state(self.clone());
            router = router.route(path, way);
        }
        Ok(router)
    }

    /// Asks its processes how they are, until the process stops.
    pub async fn watch(&self) {
        self.upstream.run(self.stopping.clone()).await;
    }

    /// Ends WebSockets, each with its reason; waits for a while until they have ended.
    pub async fn hang_up(&self) {
        self.upstream.hang_up();
        self.upstream.hung_up().await;
    }

    /// Its name, and whether one of its processes can be asked.
    pub fn check(&self) -> (&'static str, Result<(), String>) {
        let up = |standing| !matches!(standing, Standing::Down | Standing::Ejected);
        let endpoints = self.upstream.state().endpoints;
        let well = endpoints.iter().any(|endpoint| up(endpoint.standing));
        (self.name, if well { Ok(()) } else { Err("unavailable".to_owned()) })
    }

    /// Hands a request on, and its answer back.
    async fn hand_on(&self, request: Request) -> Result<Response, Error> {
        let past = || Error::internal("the request came past the gateway");
        let passage = request.extensions().get::<Arc<Passage>>().cloned().ok_or_else(past)?;
        let who = request.extensions().get::<Who>().map(|Who(who)| who.clone());
        let (left, by_stream, plans) = limit::counts(passage.ticket.as_ref());
        let request_id = passage.id.clone();
        let said = Said { who, peer: passage.client, request_id, left, by_stream, plans };
        let asked = Asked::of(request.method(), request.uri());
        let word = self.keys.sign(asked, &said, self.clock.now())?;
        let trace = passage.trace.to_string();
        let passing = Passing {
            client: passage.client.0,
            scheme: "http",
            request_id: &passage.id,
            trace: Some(&trace),
            deadline: None,
            key: None,
            with: &[(INTERNAL.clone(), word)],
        };
        let sent = self.upstream.send(request, passing).await;
        let mut response = sent.map_err(|error| self.away(error))?;
        let told = Told::take(response.headers_mut());
        if let Some(ticket) = &passage.ticket {
            ticket.settle(&told);
        }
        if let Some(number) = told.identity {
            (self.changed)(number);
        }
        let kind = response.headers().get(CONTENT_TYPE);
        if kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream")) {
            let stopping = Box::pin(self.stopping.clone().cancelled_owned());
            return Ok(response.map(|body| Body::new(Events { body, stopping })));
        }
        Ok(response)
    }

    /// A service that does not answer is a fault of ours, which passes.
    fn away(&self, error: Error) -> Error {
        if error.code != Code::UpstreamFailed {
            return error;
        }
        let detail = format!("the service `{}` does not answer", self.name);
        Error::overloaded(detail).cause(error.cause.unwrap_or_default())
    }
}

async fn pass(State(service): State<Arc<Service>>, request: Request) -> Response {
    // What a request brings is counted when the answer comes: whoever sends records and leaves has
    // sent them all the same.
    let counted = request.method() == Method::POST
        && request
            .extensions()
            .get::<Arc<Passage>>()
            .is_some_and(|passage| passage.ticket.is_some());
    let handed = if counted {
        let task = tokio::spawn(async move { service.hand_on(request).await });
        task.await.unwrap_or_else(|error| Err(Error::internal(error)))
    } else {
        service.hand_on(request).await
    };
    handed.unwrap_or_else(|error| Problem(error).into_response())
}

/// Events that end when the process stops; their reader takes the line up again elsewhere.
struct Events {
    body: Body,
    stopping: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl HttpBody for Events {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.stopping.as_mut().poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        Pin::new(&mut self.body).poll_frame(cx)
    }
}
