//! What the targets share: a stream that records are read for, and ways to split an input.

use forebay_model::json;
use forebay_model::stream::{Column, ColumnState, Definition, Stream};
use forebay_model::time::Timestamp;
use serde_json::{Value, json};

/// The most rows that a body may have here.
pub const MOST: usize = 100;

/// The definition of [`stream`].
pub fn definition() -> Value {
    json!({
        "id_from": "data.id",
        "time_from": "data.at",
        "schema": {"type": "object", "properties": {
            "n": {"type": "integer", "x-index": true},
            "d": {"type": ["number", "null"], "x-index": true},
            "s": {"type": "string", "x-index": true, "x-search": "text", "maxLength": 100},
            "b": {"type": "boolean", "x-index": true},
            "a": {"type": "object", "properties": {"n": {"type": "number"}, "s": {"type": "string"}}},
            "tags": {"type": "array", "items": {"type": "string"}, "x-search": "keyword"},
            "id": {"type": "string"},
            "at": {"type": ["string", "null"]},
        }},
    })
}

/// A stream with fields of every type.
pub fn stream() -> Stream {
    let (definition, schema) = Definition::read(&definition()).expect("the definition is good");
    let indexed = schema.declared().iter().filter(|field| field.indexed);
    let columns = indexed.zip(1..).map(|(field, number)| Column {
        number,
        path: field.path.clone(),
        scalar: field.scalar.expect("an indexed field has a type"),
        state: ColumnState::Ready,
    });
    Stream {
        name: "fuzz".to_owned(),
        number: 1,
        epoch: 1,
        version: 1,
        created_at: Timestamp::MIN,
        columns: columns.collect(),
        definition,
        schema,
    }
}

/// The input as text, in two parts: up to the first line feed, and behind it.
pub fn two(input: &[u8]) -> Option<(&str, &str)> {
    let text = std::str::from_utf8(input).ok()?;
    Some(text.split_once('\n').unwrap_or((text, "")))
}

/// Checks what is promised of a value that was read: its text gives the same value again.
pub fn comes_out_as_it_went_in(value: &Value) {
    let text = json::to_canonical(value);
    let again = json::read(&text).expect("canonical text is read");
    assert_eq!(*value, again);
    assert_eq!(text, json::to_canonical(&again));
    assert!(serde_json::from_str::<Value>(&text).is_ok(), "{text}");
}
