//! This service's tables, one file each.

pub(crate) mod account;
pub(crate) mod api_key;
pub(crate) mod device;
pub(crate) mod email_change;
pub(crate) mod head;
pub(crate) mod invitation;
pub(crate) mod person;
pub(crate) mod quota;
pub(crate) mod recovery_code;
pub(crate) mod role;
pub(crate) mod session;
pub(crate) mod setting;
pub(crate) mod signing_key;

use forebay_db::{DbError, Kind, Value};
use forebay_model::time::Timestamp;

fn time(value: Value) -> Result<Timestamp, DbError> {
    value.int().map(Timestamp::from_micros)
}

fn maybe_text(value: Value) -> Result<Option<String>, DbError> {
    match value {
        Value::Null(_) => Ok(None),
        value => value.text().map(Some),
    }
}

fn maybe_blob(value: Value) -> Result<Option<Vec<u8>>, DbError> {
    match value {
        Value::Null(_) => Ok(None),
        value => value.blob().map(Some),
    }
}

fn or_null(text: Option<&str>) -> Value {
    text.map_or(Value::Null(Kind::Text), Value::from)
}
