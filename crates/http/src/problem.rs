//! Errors as problem documents (RFC 9457).
//!
//! A controller answers with the error itself; the gateway writes the body once, when it knows
//! the request's id, and logs the cause there.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use forebay_model::Error;
use http::header::{
    ALLOW, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, SEC_WEBSOCKET_VERSION, UPGRADE,
    WWW_AUTHENTICATE,
};
use http::{HeaderValue, StatusCode};
use serde_json::json;

/// An error as an answer.
#[derive(Debug)]
pub struct Problem(pub Error);

/// What a controller returns.
pub type Answer = Result<Response, Problem>;

impl<E: Into<Error>> From<E> for Problem {
    fn from(error: E) -> Self {
        Problem(error.into())
    }
}

/// The error that waits in a response for its body.
#[derive(Debug, Clone)]
pub struct Pending(pub std::sync::Arc<Error>);

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status(&self.0);
        response.extensions_mut().insert(Pending(std::sync::Arc::new(self.0)));
        response
    }
}

fn status(error: &Error) -> StatusCode {
    StatusCode::from_u16(error.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// The document of an error.
pub fn document(error: &Error, request_id: &str) -> String {
    let mut body = json!({
        "type": format!("urn:forebay:problem:{}", error.code.as_str()),
        "title": error.code.title(),
        "status": error.code.status(),
        "detail": error.detail,
        "code": error.code.as_str(),
        "request_id": request_id,
    });
    if !error.errors.is_empty() {
        body["errors"] = json!(error.errors);
    }
    body.to_string()
}

/// Writes the document into a response; its other headers stay.
pub fn render(error: &Error, request_id: &str, response: &mut Response) {
    *response.status_mut() = status(error);
    *response.body_mut() = Body::from(document(error, request_id));
    let headers = response.headers_mut();
    // The router wrote the length of the empty body already.
    headers.remove(CONTENT_LENGTH);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if let Some(seconds) = error.retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    match error.code {
        forebay_model::Code::Unauthenticated => {
            let schemes = HeaderValue::from_static("Bearer realm=\"forebay\"");
            headers.insert(WWW_AUTHENTICATE, schemes);
        }
        forebay_model::Code::AppendOnly => {
            headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        }
        // RFC 9110, 15.5.22; RFC 6455, 4.4.
        forebay_model::Code::UpgradeRequired => {
            headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        }
        _ => {}
    }
}
