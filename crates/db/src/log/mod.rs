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

use forebay_filter::lower::Bound;
use forebay_model::field::FieldPath;
use forebay_model::schema::ScalarType;
use serde_json::Value as Json;

use crate::value::Value;

/// The value of a numbered column: what a field of a record's `data` is to an index.
pub fn column_value(path: &FieldPath, scalar: ScalarType, data: &Json) -> Value {
    Bound::of(scalar, path.get(data))
        .map_or_else(|| Value::Null(append::kind_of(scalar)), Value::from)
}
