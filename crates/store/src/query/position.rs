//! Where a page ended: what a cursor carries.

use forebay_db::Value;
use forebay_http::query::bad;
use forebay_model::Error;
use forebay_model::time::Timestamp;
use serde_json::{Value as Json, json};

/// A place in a list, with what must stay the same along it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Position {
    /// What `now()` is.
    pub(crate) now: Timestamp,
    /// Nothing beyond this seq.
    pub(crate) up_to: i64,
    /// The keys of the last record that was looked at.
    pub(crate) keys: Vec<Value>,
}

impl Position {
    pub(crate) fn write(&self) -> String {
        let keys = self.keys.iter().map(|key| match key {
            Value::Int(value) => json!(value),
            Value::Real(value) => json!(value),
            Value::Text(text) => json!(text),
            Value::Null(_) | Value::Blob(_) => Json::Null,
        });
        let head = [json!(self.now.micros()), json!(self.up_to)];
        Json::Array(head.into_iter().chain(keys).collect()).to_string()
    }

    /// Reads one back; `keys` is how many the order has.
    pub(crate) fn read(text: &str, keys: usize) -> Result<Position, Error> {
        let unreadable = || bad("cursor", "a cursor of this list");
        let items: Vec<Json> = serde_json::from_str(text).map_err(|_| unreadable())?;
        let Some(([now, up_to], rest)) = items.split_first_chunk() else {
            return Err(unreadable());
        };
        let (Some(now), Some(up_to)) = (now.as_i64(), up_to.as_i64()) else {
            return Err(unreadable());
        };
        if rest.len() != keys {
            return Err(unreadable());
        }
        let keys = rest.iter().map(key).collect();
        Ok(Position { now: Timestamp::from_micros(now), up_to, keys })
    }
}

fn key(value: &Json) -> Value {
    match value {
        Json::Number(number) => match number.as_i64() {
            Some(int) => Value::Int(int),
            None => Value::Real(number.as_f64().unwrap_or_default()),
        },
        Json::String(text) => Value::Text(text.clone()),
        _ => Value::Null(forebay_db::Kind::Int),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_keeps_its_values_to_the_bit() {
        let keys = vec![
            Value::Int(i64::MAX),
            Value::Real(0.1 + 0.2),
            Value::Real(1.0),
            Value::Real(1e300),
            Value::Text("\u{1f}é\"".into()),
            Value::Null(forebay_db::Kind::Int),
        ];
        let position = Position { now: Timestamp::MAX, up_to: 7, keys };
        assert_eq!(Position::read(&position.write(), 6).unwrap(), position);
        for bad in ["", "[]", "[1]", "[1,2]", "{}", "[1,\"2\",3,4,5,6,7,8]"] {
            assert!(Position::read(bad, 6).is_err(), "{bad}");
        }
    }
}
