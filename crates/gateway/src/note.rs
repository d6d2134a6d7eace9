//! What is counted of every answer.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{Method, StatusCode};
use metrics::{Counter, Histogram};

/// The service that answered and the route that was taken, left in the answer.
#[derive(Debug, Clone)]
pub(crate) struct Route(pub(crate) &'static str, pub(crate) Arc<str>);

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

/// What is counted of answers. Each is looked up once: in the recorder that takes texts of its own for
/// every name.
pub(crate) struct Tally {
    known: RwLock<HashMap<Kind, Counted>>,
    /// No route was taken.
    none: Route,
}

#[derive(PartialEq, Eq, Hash)]
struct Kind {
    service: &'static str,
    route: Arc<str>,
    method: &'static str,
    status: StatusCode,
}

struct Counted {
    duration: Histogram,
    requests: Counter,
}

impl Counted {
    fn new(kind: &Kind) -> Counted {
        let label = |name: &'static str, value: &str| (name, value.to_owned());
        let labels = [
            label("service", kind.service),
            label("route", &kind.route),
            label("method", kind.method),
        ];
        let duration = metrics::histogram!("forebay_http_request_duration_seconds", &labels);
        let [service, route, method] = labels;
        let labels = [service, route, method, label("status", kind.status.as_str())];
        let requests = metrics::counter!("forebay_http_requests_total", &labels);
        Counted { duration, requests }
    }

    fn note(&self, took: Duration) {
        self.duration.record(took.as_secs_f64());
        self.requests.increment(1);
    }
}

impl Tally {
    pub(crate) fn new() -> Tally {
        Tally { known: RwLock::default(), none: Route("gateway", Arc::from("none")) }
    }

    /// Counts an answer.
    pub(crate) fn note(&self, method: &Method, response: &Response, took: Duration) {
        let Route(service, route) = response.extensions().get::<Route>().unwrap_or(&self.none);
        let (method, status) = (method_label(method), response.status());
        tracing::debug!(
            method,
            route = route.as_ref(),
            status = status.as_u16(),
            micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            "request"
        );
        let kind = Kind { service, route: route.clone(), method, status };
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(counted) = known.get(&kind) {
            counted.note(took);
            return;
        }
        drop(known);
        let counted = Counted::new(&kind);
        counted.note(took);
        self.known.write().unwrap_or_else(PoisonError::into_inner).insert(kind, counted);
    }
}
