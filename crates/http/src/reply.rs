//! Answers: JSON with an ETag, and what a client may keep of it.

use axum::body::Body;
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, StatusCode};

/// A JSON answer from text that is JSON already.
pub fn json_text(status: StatusCode, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    response
}

/// A JSON answer with its version as ETag; 304 when the client has that version (RFC 9110, 13.1.2).
pub fn versioned(request: &HeaderMap, status: StatusCode, tag: &str, body: String) -> Response {
    let quoted = format!("\"{tag}\"");
    let mut response = if matches(request.get(IF_NONE_MATCH), &quoted) && status == StatusCode::OK {
        let mut response = json_text(StatusCode::NOT_MODIFIED, String::new());
        response.headers_mut().remove(CONTENT_TYPE);
        response
    } else {
        json_text(status, body)
    };
    if let Ok(tag) = HeaderValue::try_from(quoted) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

/// Whether a list of entity tags holds this one, weakly compared; `*` holds all.
pub fn matches(header: Option<&HeaderValue>, quoted: &str) -> bool {
    let Some(Ok(list)) = header.map(HeaderValue::to_str) else { return false };
    let mut tags = list.split(',').map(str::trim);
    tags.any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == quoted)
}
