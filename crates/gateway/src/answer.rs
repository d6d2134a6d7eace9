//! The last word on every answer: errors become problem documents here, in one place.

use axum::body::Body;
use axum::response::Response;
use forebay_http::problem::{Pending, render};
use forebay_model::{Code, Error};
use http::StatusCode;
use http::header::CONTENT_TYPE;

use crate::upstream::Theirs;

/// Writes the problem document of an answer that needs one.
pub(crate) fn finish(response: &mut Response, request_id: &str) {
    if let Some(Pending(error)) = response.extensions_mut().remove::<Pending>() {
        log(&error, request_id);
        render(&error, request_id, response);
        return;
    }
    // What a service of others says of an error is for whoever asked it.
    if response.extensions().get::<Theirs>().is_some() {
        return;
    }
    let status = response.status();
    let plain = response
        .headers()
        .get(CONTENT_TYPE)
        .is_none_or(|t| t.as_bytes().starts_with(b"text/plain"));
    if (status.is_client_error() || status.is_server_error()) && plain {
        let error = by_status(status);
        log(&error, request_id);
        render(&error, request_id, response);
    }
}

/// An error as a finished answer.
pub(crate) fn problem(error: &Error, request_id: &str) -> Response {
    log(error, request_id);
    let mut response = Response::new(Body::empty());
    render(error, request_id, &mut response);
    response
}

/// What the router and the protocol layer say with a bare status.
pub(crate) fn by_status(status: StatusCode) -> Error {
    let (code, detail) = match status.as_u16() {
        404 => (Code::NotFound, "there is nothing at this path"),
        405 => (Code::MethodNotAllowed, "the path exists, but not with this method"),
        408 => (Code::RequestTimeout, "the request arrived too slowly"),
        413 => (Code::TooLarge, "the body is too large"),
        414 => (Code::UriTooLong, "the request line is too long"),
        415 => (Code::UnsupportedMediaType, "the media type is not supported"),
        431 => (Code::HeadTooLarge, "the request's head is too large"),
        500.. => (Code::Internal, "something failed on our side"),
        _ => (Code::BadRequest, "the request is malformed"),
    };
    Error::new(code, detail)
}

fn log(error: &Error, request_id: &str) {
    let (code, cause) = (error.code.as_str(), error.cause.as_deref().unwrap_or_default());
    match error.code {
        // What the client asked for and did not get is no fault of ours.
        Code::IndexBehind => tracing::debug!(request_id, code, cause, "{}", error.detail),
        Code::Overloaded | Code::Timeout | Code::UpstreamFailed => {
            tracing::warn!(request_id, code, cause, "{}", error.detail);
        }
        known if known.status() >= 500 => {
            tracing::error!(request_id, code, cause, "{}", error.detail);
        }
        _ => tracing::debug!(request_id, code, cause, "{}", error.detail),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_errors_become_documents() {
        for theirs in [false, true] {
            let mut response = Response::new(Body::from("gone"));
            *response.status_mut() = StatusCode::NOT_FOUND;
            if theirs {
                response.extensions_mut().insert(Theirs);
            }
            finish(&mut response, "r-1");
            assert_eq!(response.headers().contains_key(CONTENT_TYPE), !theirs);
        }
    }
}
