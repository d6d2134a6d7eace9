//! The name under which a request is found again.

use http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

pub(crate) static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const MAX_ID_BYTES: usize = 128;

/// The caller's id where it is short and plain, else `own`.
pub(crate) fn request_id(headers: &HeaderMap, own: Uuid) -> String {
    let plain = |c: u8| c.is_ascii_alphanumeric() || b"-_.:".contains(&c);
    match headers.get(&REQUEST_ID).and_then(|v| v.to_str().ok()) {
        Some(id) if (1..=MAX_ID_BYTES).contains(&id.len()) && id.bytes().all(plain) => {
            id.to_owned()
        }
        _ => own.to_string(),
    }
}

/// Says it in the answer.
pub(crate) fn answer(id: &str, headers: &mut HeaderMap) {
    if let Ok(value) = HeaderValue::try_from(id) {
        headers.insert(&REQUEST_ID, value);
    }
}
