//! What every request passes, in this order: an id, a time limit, a guard against panics, the
//! question who asks, the route; then one line of log and two metrics.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use forebay_contract::{OPEN_DOORS, Seen, Shown};
use forebay_http::Who;
use forebay_http::origin::RequestId;
use forebay_http::principal::Peer;
use forebay_model::principal::{METRICS_READ, Principal};
use forebay_model::{Code, Error};
use futures_util::FutureExt;
use http::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use tower::ServiceExt;
use tracing::Instrument as _;

use crate::arrival::Arrival;
use crate::trace::Trace;
use crate::{Gateway, answer, credential, readiness};

pub(crate) static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
static VIEW_AS: HeaderName = HeaderName::from_static("x-forebay-view-as");
const MAX_ID_BYTES: usize = 128;

/// The service that answered and the route that was taken, left in the answer for the metrics.
#[derive(Clone)]
struct Route(&'static str, Arc<str>);

pub(crate) async fn note_route(
    State(service): State<&'static str>,
    request: Request,
    next: Next,
) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(|path| Arc::from(path.as_str()));
    let mut response = next.run(request).await;
    if let Some(route) = route {
        response.extensions_mut().insert(Route(service, route));
    }
    response
}

impl Gateway {
    /// Answers one request; this never fails.
    pub(crate) async fn answer(&self, mut request: Request) -> Response {
        let started = Instant::now();
        let id = request_id(request.headers());
        request.extensions_mut().insert(RequestId(id.clone()));
        let method = request.method().clone();
        let arrival = request.extensions_mut().remove::<Arrival>().unwrap_or_default();
        let trace = Trace::of(request.headers());
        // Of the highest level, so that every line says where it belongs.
        let span = tracing::error_span!("request", request_id = id, trace_id = trace.id);
        let mut response = self.bounded(request, &id, &arrival).instrument(span.clone()).await;
        let _in_span = span.enter();
        answer::finish(&mut response, &id);
        // What one may see is not for another, whoever has forgotten to say so.
        let kept = || HeaderValue::from_static("private, no-cache");
        response.headers_mut().entry(CACHE_CONTROL).or_insert_with(kept);
        trace.answer(response.headers_mut());
        if let Ok(value) = HeaderValue::try_from(&id) {
            response.headers_mut().insert(&REQUEST_ID, value);
        }
        note(&method, &response, started.elapsed());
        response
    }

    /// Answers within the time that there is, also after a panic.
    async fn bounded(&self, request: Request, id: &str, arrival: &Arrival) -> Response {
        let guarded = AssertUnwindSafe(self.serve(request)).catch_unwind();
        tokio::select! {
            served = guarded => match served {
                Ok(Ok(response)) => response,
                Ok(Err(error)) => answer::problem(&error, id),
                Err(panic) => answer::problem(&Error::internal(said(panic.as_ref())), id),
            },
            error = arrival.late(&self.inner.config) => answer::problem(&error, id),
        }
    }

    /// Answers a request whose head is refused; what follows on its connection is not read.
    pub(crate) fn refuse(&self, request: &Request, error: &Error) -> Response {
        let id = request_id(request.headers());
        let mut response = answer::problem(error, &id);
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        if let Ok(value) = HeaderValue::try_from(&id) {
            response.headers_mut().insert(&REQUEST_ID, value);
        }
        note(request.method(), &response, Duration::ZERO);
        response
    }

    async fn serve(&self, mut request: Request) -> Result<Response, Error> {
        let reading = matches!(*request.method(), Method::GET | Method::HEAD);
        match request.uri().path() {
            "/healthz" if reading => return Ok(text("application/json", "{\"ok\":true}".into())),
            "/readyz" if reading => return Ok(self.readyz().await),
            _ => {}
        }
        let asked = if reading { "GET" } else { request.method().as_str() };
        if OPEN_DOORS.contains(&(asked, request.uri().path())) {
            return self.route(request).await;
        }
        let peer = request.extensions().get::<Peer>().copied();
        let who = self.who(peer, request.method(), request.headers()).await?;
        let seen = seen(&request)?;
        let who = match seen {
            Some(seen) => self.inner.identity.view_as(&who, seen).await?,
            None => who,
        };
        if request.uri().path() == "/metrics" && reading {
            who.require(METRICS_READ)?;
            return Ok(text("text/plain; version=0.0.4", self.inner.status.metrics()));
        }
        // No name and no id holds U+0000; it goes no further than here.
        if request.uri().path().contains("%00") {
            return Err(Error::new(Code::BadRequest, "the path holds U+0000"));
        }
        request.extensions_mut().insert(Who(who));
        self.route(request).await
    }

    /// Finds out who asks: by a key or token, else by a browser's cookie.
    async fn who(
        &self,
        peer: Option<Peer>,
        method: &Method,
        headers: &HeaderMap,
    ) -> Result<Arc<Principal>, Error> {
        let unknown = || Error::new(Code::Unauthenticated, "a valid key is needed");
        let Some(Peer(address)) = peer else {
            return Err(Error::internal("the caller's address is not known"));
        };
        let site = &self.inner.config.site;
        let secret = credential::secret(headers);
        let cookie = if credential::is_shown(headers) { None } else { site.cookie(headers) };
        let shown = match (&secret, cookie) {
            (Some(secret), _) => Shown { secret, cookie: false, address },
            (None, Some(secret)) => {
                site.admit(address, headers)?;
                site.same_site(method, headers)?;
                Shown { secret, cookie: true, address }
            }
            (None, None) => return Err(unknown()),
        };
        self.inner.identity.identify(shown).await?.ok_or_else(unknown)
    }

    async fn route(&self, request: Request) -> Result<Response, Error> {
        match self.inner.router.clone().oneshot(request).await {
            Ok(response) => Ok(response),
            Err(never) => match never {},
        }
    }

    /// Answers on the listener for operators: metrics and health, without a key.
    pub(crate) async fn answer_admin(&self, request: Request) -> Response {
        let id = request_id(request.headers());
        let reading = matches!(*request.method(), Method::GET | Method::HEAD);
        let mut response = match request.uri().path() {
            "/healthz" if reading => text("application/json", "{\"ok\":true}".into()),
            "/readyz" if reading => self.readyz().await,
            "/metrics" if reading => text("text/plain; version=0.0.4", self.inner.status.metrics()),
            "/healthz" | "/readyz" | "/metrics" => {
                answer::problem(&answer::by_status(StatusCode::METHOD_NOT_ALLOWED), &id)
            }
            _ => answer::problem(&answer::by_status(StatusCode::NOT_FOUND), &id),
        };
        if let Ok(value) = HeaderValue::try_from(&id) {
            response.headers_mut().insert(&REQUEST_ID, value);
        }
        response
    }

    async fn readyz(&self) -> Response {
        let (ready, body) = readiness(self.inner.status.as_ref()).await;
        let mut response = text("application/json", body);
        if !ready {
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        }
        response
    }
}

/// Whose view an administrator asks for. It changes nothing.
fn seen(request: &Request) -> Result<Option<Seen<'_>>, Error> {
    let mut asked = request.headers().get_all(&VIEW_AS).iter();
    let Some(account) = asked.next() else { return Ok(None) };
    let account = account.to_str().ok().filter(|_| asked.next().is_none());
    let account = account.ok_or_else(|| {
        Error::new(Code::BadRequest, "`X-Forebay-View-As` is the id of one account")
    })?;
    let path = request.uri().path();
    let reads = matches!(*request.method(), Method::GET | Method::HEAD)
        || request.method() == Method::POST && path.ends_with("/aggregate");
    if !reads {
        let detail = "whoever sees as somebody else changes nothing";
        return Err(Error::new(Code::Forbidden, detail));
    }
    let extensions = request.extensions();
    let (Some(Peer(address)), Some(RequestId(request_id))) =
        (extensions.get::<Peer>(), extensions.get::<RequestId>())
    else {
        return Err(Error::internal("the request came past the gateway"));
    };
    let request = (request.method().as_str(), path);
    Ok(Some(Seen { account, request, request_id, address: *address }))
}

fn text(kind: &'static str, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// The caller's id where it is short and plain, else one of ours.
fn request_id(headers: &HeaderMap) -> String {
    let plain = |c: u8| c.is_ascii_alphanumeric() || b"-_.:".contains(&c);
    match headers.get(&REQUEST_ID).and_then(|v| v.to_str().ok()) {
        Some(id) if (1..=MAX_ID_BYTES).contains(&id.len()) && id.bytes().all(plain) => {
            id.to_owned()
        }
        _ => uuid::Uuid::now_v7().to_string(),
    }
}

fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panic: {}", text.unwrap_or("of unknown kind"))
}

/// Methods are few in the metrics, whatever a client invents.
fn method_label(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        _ => "OTHER",
    }
}

fn note(method: &Method, response: &Response, took: Duration) {
    let (service, route) = match response.extensions().get::<Route>() {
        Some(Route(service, route)) => (*service, route.as_ref().to_owned()),
        None => ("gateway", "none".to_owned()),
    };
    let (method, status) = (method_label(method), response.status());
    tracing::debug!(
        method,
        route,
        status = status.as_u16(),
        micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        "request"
    );
    let service = ("service", service.to_owned());
    let labels = [service, ("route", route), ("method", method.to_owned())];
    metrics::histogram!("forebay_http_request_duration_seconds", &labels)
        .record(took.as_secs_f64());
    let status = status.as_str().to_owned();
    let [service, route, method] = labels;
    let labels = [service, route, method, ("status", status)];
    metrics::counter!("forebay_http_requests_total", &labels).increment(1);
}
