//! Small JSON bodies: definitions and commands, read whole and strictly.

use axum::body::{Body, to_bytes};
use forebay_model::{Code, Error, FieldError, json};
use http_body_util::LengthLimitError;
use serde_json::Value;

/// Reads a JSON document of at most `max` bytes.
pub async fn document(body: Body, max: usize) -> Result<Value, Error> {
    let bytes = to_bytes(body, max).await.map_err(|error| {
        let long = std::error::Error::source(&error).is_some_and(|s| s.is::<LengthLimitError>());
        if long {
            return Error::new(Code::TooLarge, format!("this body has at most {max} bytes"));
        }
        Error::new(Code::BadRequest, "the body broke off").cause(error)
    })?;
    let text = std::str::from_utf8(&bytes)
        .map_err(|e| Error::new(Code::InvalidJson, format!("the body is not UTF-8: {e}")))?;
    json::read(text).map_err(unreadable)
}

/// The refusal of a body that is not JSON as it is read here.
pub fn unreadable(fault: json::Fault) -> Error {
    let detail = format!("byte {}: {}", fault.offset, fault.message);
    let mut field = FieldError::new(fault.pointer, fault.kind.code(), fault.message);
    field.column = u64::try_from(fault.offset).ok().map(|offset| offset + 1);
    Error::new(Code::InvalidJson, detail).field(field)
}
