//! The record log: a library that works inside the transaction of whoever calls it.

pub mod append;
pub mod find;
pub mod group;
pub mod idempotency;
pub mod read;
pub mod scan;
pub mod tombstone;

pub use append::{Append, Done, NewRow, Outcome, Part, PartDone, RowDone, append};
pub use idempotency::Idempotency;
pub use tombstone::{Erase, Erased, Tombstone, erase, tombstones};

use forebay_model::field::FieldPath;
use forebay_model::schema::{ScalarType, integral};
use serde_json::Value as Json;

use crate::value::Value;

/// The value of a numbered column: what a field of a record's `data` is to an index.
pub fn column_value(path: &FieldPath, scalar: ScalarType, data: &Json) -> Value {
    let null = Value::Null(append::kind_of(scalar));
    match (scalar, path.get(data)) {
        (ScalarType::String, Some(Json::String(text))) => Value::Text(text.clone()),
        (ScalarType::Integer, Some(Json::Number(n))) => integral(n).map_or(null, Value::Int),
        (ScalarType::Number, Some(Json::Number(n))) => n.as_f64().map_or(null, Value::Real),
        (ScalarType::Boolean, Some(Json::Bool(b))) => Value::Int((*b).into()),
        _ => null,
    }
}
