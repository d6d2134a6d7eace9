//! What is counted of every answer.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::Method;

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

/// Counts an answer.
pub(crate) fn note(method: &Method, response: &Response, took: Duration) {
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
