//! Header fields that users send along, and what receivers say in theirs.

use std::time::Duration;

use forebay_model::time::Timestamp;
use forebay_model::{Error, FieldError, Result};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

/// The most fields.
const MOST: usize = 20;
const MAX_NAME_BYTES: usize = 100;
const MAX_VALUE_BYTES: usize = 2048;
/// No receiver puts us off for longer.
const MAX_PAUSE: Duration = Duration::from_secs(24 * 60 * 60);

/// Fields that say how a message is framed or signed are ours.
const OURS: [&str; 13] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "proxy-connection",
    "proxy-authorization",
];

/// Reads the member `headers`.
pub(super) fn read(value: Option<&Value>) -> Result<HeaderMap> {
    let wrong = |path: &str, message: &str| {
        Err(Error::invalid(FieldError::new(
            format!("/headers{path}"),
            "invalid",
            message.to_owned(),
        )))
    };
    let members = match value {
        None | Some(Value::Null) => return Ok(HeaderMap::new()),
        Some(Value::Object(members)) if members.len() <= MOST => members,
        Some(Value::Object(_)) => return wrong("", "at most 20"),
        Some(_) => return wrong("", "an object of texts"),
    };
    let mut headers = HeaderMap::new();
    for (name, value) in members {
        let path = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
        let short = name.len() <= MAX_NAME_BYTES;
        let Some(name) = HeaderName::try_from(name.as_str()).ok().filter(|_| short) else {
            return wrong(&path, "this is not the name of a header field");
        };
        if OURS.contains(&name.as_str()) || name.as_str().starts_with("webhook-") {
            return wrong(&path, "this field is set by Forebay");
        }
        let value = value.as_str().filter(|text| text.len() <= MAX_VALUE_BYTES);
        // No line end, no other control character.
        let value = value.filter(|text| text.bytes().all(|b| (b' '..=b'~').contains(&b)));
        let Some(Ok(value)) = value.map(HeaderValue::from_str) else {
            return wrong(&path, "a text of at most 2048 printable ASCII characters");
        };
        if headers.insert(name, value).is_some() {
            return wrong(&path, "the field stands twice");
        }
    }
    Ok(headers)
}

/// How long to wait by `Retry-After`: seconds, or a date (RFC 9110, 10.2.3).
pub(super) fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    let asked = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let at = jiff::fmt::rfc2822::parse(text).ok()?.timestamp().as_microsecond();
            Duration::from_micros(u64::try_from(at - now.micros()).ok()?)
        }
    };
    Some(asked.min(MAX_PAUSE))
}
