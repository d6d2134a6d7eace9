//! Small JSON bodies: definitions and commands, read whole and strictly.

use axum::body::{Body, HttpBody as _, to_bytes};
use forebay_model::field::{nearest, push_pointer};
use forebay_model::{Code, Error, FieldError, json};
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http_body_util::LengthLimitError;
use serde_json::{Map, Value};

/// Reads a JSON document of at most `max` bytes.
pub async fn document(body: Body, max: usize) -> Result<Value, Error> {
    let too_large = || Error::new(Code::TooLarge, format!("this body has at most {max} bytes"));
    // A body that says itself too long is refused before it is asked for (RFC 9110, 10.1.1).
    if body.size_hint().lower() > max as u64 {
        return Err(too_large());
    }
    let bytes = to_bytes(body, max).await.map_err(|error| {
        let long = std::error::Error::source(&error).is_some_and(|s| s.is::<LengthLimitError>());
        if long {
            return too_large();
        }
        Error::new(Code::BadRequest, "the body broke off, or its pieces are malformed").cause(error)
    })?;
    let text = std::str::from_utf8(&bytes)
        .map_err(|e| Error::new(Code::InvalidJson, format!("the body is not UTF-8: {e}")))?;
    json::read(text).map_err(unreadable)
}

/// Refuses a body that says to be something else than JSON. Who says nothing means JSON, and so does
/// `curl -d`, which calls everything a form.
pub fn json_only(headers: &HeaderMap) -> Result<(), Error> {
    let Some(value) = headers.get(CONTENT_TYPE) else { return Ok(()) };
    let text = value.to_str().unwrap_or_default();
    let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        "application/json" | "text/json" | "application/x-www-form-urlencoded" => Ok(()),
        other if other.starts_with("application/") && other.ends_with("+json") => Ok(()),
        _ => Err(Error::new(Code::UnsupportedMediaType, "send application/json")),
    }
}

/// The refusal of a body that is not JSON as it is read here.
pub fn unreadable(fault: json::Fault) -> Error {
    let detail = format!("byte {}: {}", fault.offset, fault.message);
    let mut field = FieldError::new(fault.pointer, fault.kind.code(), fault.message);
    field.column = u64::try_from(fault.offset).ok().map(|offset| offset + 1);
    Error::new(Code::InvalidJson, detail).field(field)
}

/// Takes a document's members, when it is an object and has no others than these.
pub fn members(document: Value, known: &[&'static str]) -> Result<Map<String, Value>, Error> {
    let Value::Object(members) = document else {
        let message = "an object is expected";
        return Err(Error::invalid(FieldError::new("", "type_mismatch", message)));
    };
    only(&members, known)?;
    Ok(members)
}

/// Refuses members that are not known here, and names the nearest that is.
pub fn only(members: &Map<String, Value>, known: &[&'static str]) -> Result<(), Error> {
    let unknown = members.keys().filter(|name| !known.contains(&name.as_str()));
    let errors: Vec<FieldError> = unknown
        .map(|name| {
            let hint = nearest(name, known.iter().copied());
            let hint = hint.map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
            let mut path = String::new();
            push_pointer(&mut path, name);
            FieldError::new(path, "unknown_member", format!("there is no such member here{hint}"))
        })
        .collect();
    if errors.is_empty() { Ok(()) } else { Err(Error::invalid_all(errors)) }
}

/// A member that is a text; null is as if it were not there.
pub fn text(members: &Map<String, Value>, name: &str) -> Result<Option<String>, Error> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(mismatch(name, "a string")),
    }
}

/// A member that is a text, and has to be there.
pub fn required(members: &Map<String, Value>, name: &str) -> Result<String, Error> {
    text(members, name)?
        .ok_or_else(|| Error::invalid(FieldError::new(format!("/{name}"), "required", "is needed")))
}

/// A member that is true or false.
pub fn flag(members: &Map<String, Value>, name: &str) -> Result<Option<bool>, Error> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(*flag)),
        Some(_) => Err(mismatch(name, "true or false")),
    }
}

/// A member that is a list of texts.
pub fn texts(members: &Map<String, Value>, name: &str) -> Result<Option<Vec<String>>, Error> {
    let items = match members.get(name) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Array(items)) => items,
        Some(_) => return Err(mismatch(name, "an array of strings")),
    };
    let texts = items.iter().map(|item| item.as_str().map(str::to_owned));
    let texts: Option<Vec<String>> = texts.collect();
    texts.map(Some).ok_or_else(|| mismatch(name, "an array of strings"))
}

/// The error of a member that is not what is expected.
pub fn mismatch(name: &str, expected: &'static str) -> Error {
    Error::invalid(FieldError::new(format!("/{name}"), "type_mismatch", expected))
}
