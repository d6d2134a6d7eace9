//! The body of a batch: streams with their envelopes.

use forebay_http::body::unreadable;
use forebay_model::json::read;
use forebay_model::{Code, Error, FieldError};
use serde_json::Value;

use super::too_many;

/// A stream's share of a batch.
pub(crate) struct Entry {
    pub(crate) stream: String,
    pub(crate) records: Vec<Value>,
}

/// Reads the entries; each stream stands once, so that one answer speaks of it.
pub(crate) fn entries(body: &[u8], max: usize) -> Result<Vec<Entry>, Error> {
    let text = std::str::from_utf8(body).map_err(|e| {
        Error::new(Code::InvalidJson, format!("byte {}: not UTF-8", e.valid_up_to()))
    })?;
    let Value::Array(items) = read(text).map_err(unreadable)? else {
        return Err(mismatch(String::new(), "a batch is an array"));
    };
    let mut entries: Vec<Entry> = Vec::with_capacity(items.len());
    let mut total = 0;
    for (at, item) in items.into_iter().enumerate() {
        let entry = entry(item, at)?;
        total += entry.records.len();
        if total > max {
            return Err(too_many(max));
        }
        if entries.iter().any(|e| e.stream == entry.stream) {
            let message = "the stream stands in an earlier entry; put its records together";
            let field = FieldError::new(format!("/{at}/stream"), "duplicate_stream", message);
            return Err(Error::invalid(field));
        }
        entries.push(entry);
    }
    Ok(entries)
}

fn entry(item: Value, at: usize) -> Result<Entry, Error> {
    let Value::Object(mut members) = item else {
        return Err(mismatch(format!("/{at}"), "an entry is an object"));
    };
    let stream = match members.shift_remove("stream") {
        Some(Value::String(stream)) => stream,
        _ => return Err(mismatch(format!("/{at}/stream"), "an entry names its stream")),
    };
    let records = match members.shift_remove("records") {
        Some(Value::Array(records)) => records,
        _ => return Err(mismatch(format!("/{at}/records"), "an entry has an array of records")),
    };
    if let Some(name) = members.keys().next() {
        let mut path = format!("/{at}");
        forebay_model::field::push_pointer(&mut path, name);
        let message = "an entry has stream and records only";
        return Err(Error::invalid(FieldError::new(path, "unknown_member", message)));
    }
    Ok(Entry { stream, records })
}

fn mismatch(path: String, message: &'static str) -> Error {
    Error::invalid(FieldError::new(path, "type_mismatch", message))
}
