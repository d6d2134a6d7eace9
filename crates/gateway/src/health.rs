//! Whether the process is well, and what it has counted.

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, StatusCode};
use serde_json::{Map, Value, json};

use crate::request_id::{self, request_id};
use crate::{Gateway, Status, answer};

impl Gateway {
    /// Answers whoever asks whether the process is alive or ready.
    pub(crate) async fn health(&self, method: &Method, path: &str) -> Option<Response> {
        match path {
            _ if !reads(method) => None,
            "/healthz" => Some(text("application/json", "{\"ok\":true}".into())),
            "/readyz" => Some(self.readyz().await),
            _ => None,
        }
    }

    /// What was counted, for Prometheus.
    pub(crate) fn metrics(&self) -> Response {
        text("text/plain; version=0.0.4", self.inner.status.metrics())
    }

    /// Answers on the listener for operators: metrics and health, without a key.
    pub(crate) async fn answer_admin(&self, request: Request) -> Response {
        let id = request_id(request.headers(), uuid::Uuid::now_v7());
        let path = request.uri().path();
        let mut response = match self.health(request.method(), path).await {
            Some(response) => response,
            None if path == "/metrics" && reads(request.method()) => self.metrics(),
            None if ["/healthz", "/readyz", "/metrics"].contains(&path) => {
                answer::problem(&answer::by_status(StatusCode::METHOD_NOT_ALLOWED), &id)
            }
            None => answer::problem(&answer::by_status(StatusCode::NOT_FOUND), &id),
        };
        request_id::answer(&id, response.headers_mut());
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

/// Whether a method only looks.
pub(crate) fn reads(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// The document of `/readyz`, and whether all is well.
async fn readiness(status: &dyn Status) -> (bool, String) {
    let checks = status.checks().await;
    let ready = checks.iter().all(|(_, check)| check.is_ok());
    let beside = status.beside().await;
    let beside = beside.into_iter().map(|(name, word)| (name.to_owned(), word.into()));
    let words: Map<String, Value> = checks
        .into_iter()
        .map(|(name, check)| {
            let word = check.err().unwrap_or_else(|| "ok".to_owned());
            (name.to_owned(), word.into())
        })
        .chain(beside)
        .collect();
    (ready, json!({"ready": ready, "checks": words}).to_string())
}

fn text(kind: &'static str, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
