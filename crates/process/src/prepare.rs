//! From a row to a record: envelope, id, time, schema, columns.

use aws_lc_rs::digest;
use forebay_db::log::{NewRow, column_value};
use forebay_model::field::FieldPath;
use forebay_model::id::check_id;
use forebay_model::json::{to_canonical, write_sorted};
use forebay_model::stream::Stream;
use forebay_model::time::Timestamp;
use serde_json::Value;

use crate::decode::Rejection;

/// How rows are read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    /// Each row is `{"id"?,"time"?,"data":{…}}` instead of the data itself.
    pub(crate) envelope: bool,
    /// Most bytes of canonical JSON.
    pub(crate) max_record: usize,
}

struct Envelope {
    id: Option<String>,
    time: Option<Timestamp>,
    data: Value,
}

/// Makes a row ready for the log, or says why it is not taken.
pub(crate) fn prepare(row: Value, stream: &Stream, how: Reading) -> Result<NewRow, Rejection> {
    let envelope =
        if how.envelope { open(row)? } else { Envelope { id: None, time: None, data: row } };
    let explicit = envelope.time;
    let id = match (envelope.id, &stream.definition.id_from) {
        (Some(id), _) => Some(id),
        (None, Some(path)) => Some(id_at(path, &envelope.data)?),
        (None, None) => None,
    };
    let time = match (explicit, &stream.definition.time_from) {
        (Some(time), _) => Some(time),
        (None, Some(path)) => time_at(path, &envelope.data)?,
        (None, None) => None,
    };
    if let Some(error) = stream.schema.check(&envelope.data).into_iter().next() {
        return Err(Rejection { code: error.code, path: error.path, message: error.message });
    }
    let data = to_canonical(&envelope.data);
    if data.len() > how.max_record {
        let message = format!("a record has at most {} bytes", how.max_record);
        return Err(Rejection::new("too_large", "/data", message));
    }
    let columns = stream.columns.iter();
    let values = columns.map(|c| column_value(&c.path, c.scalar, &envelope.data)).collect();
    let input_hash = id.is_some().then(|| hash(&envelope.data, explicit));
    let id = id.unwrap_or_else(|| uuid::Uuid::now_v7().to_string());
    Ok(NewRow { id, input_hash, time: time.map(Timestamp::micros), data, values })
}

/// What content is compared by: canonical JSON with sorted members, and an explicit time.
fn hash(data: &Value, time: Option<Timestamp>) -> [u8; 16] {
    let mut text = String::with_capacity(256);
    write_sorted(data, &mut text);
    if let Some(time) = time {
        text.push_str(&time.micros().to_string());
    }
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    let mut short = [0; 16];
    short.copy_from_slice(&digest.as_ref()[..16]);
    short
}

fn open(row: Value) -> Result<Envelope, Rejection> {
    let Value::Object(mut members) = row else {
        return Err(Rejection::new("not_an_object", "", "an envelope is an object"));
    };
    let id = match members.shift_remove("id") {
        None => None,
        Some(Value::String(id)) => Some(checked(id, "/id")?),
        Some(_) => return Err(Rejection::new("type_mismatch", "/id", "an id is a string")),
    };
    let time = match members.shift_remove("time") {
        None => None,
        Some(Value::String(text)) => Some(read_time(&text, "/time")?),
        Some(_) => return Err(Rejection::new("type_mismatch", "/time", "a time is a string")),
    };
    let data = match members.shift_remove("data") {
        Some(data @ Value::Object(_)) => data,
        Some(_) => return Err(Rejection::new("type_mismatch", "/data", "data is an object")),
        None => return Err(Rejection::new("required", "/data", "an envelope has data")),
    };
    if let Some(name) = members.keys().next() {
        let mut path = String::new();
        forebay_model::field::push_pointer(&mut path, name);
        let message = "an envelope has id, time and data only";
        return Err(Rejection::new("unknown_member", path, message));
    }
    Ok(Envelope { id, time, data })
}

fn checked(id: String, path: &str) -> Result<String, Rejection> {
    match check_id(&id) {
        Ok(()) => Ok(id),
        Err(message) => Err(Rejection::new("id_invalid", path, message)),
    }
}

fn id_at(path: &FieldPath, data: &Value) -> Result<String, Rejection> {
    match path.get(data) {
        Some(Value::String(id)) => checked(id.clone(), &path.pointer()),
        Some(_) => Err(Rejection::new("id_invalid", path.pointer(), "an id is a string")),
        None => Err(Rejection::new("id_invalid", path.pointer(), "the id is missing")),
    }
}

fn time_at(path: &FieldPath, data: &Value) -> Result<Option<Timestamp>, Rejection> {
    match path.get(data) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => read_time(text, &path.pointer()).map(Some),
        Some(_) => Err(Rejection::new("time_invalid", path.pointer(), "a time is a string")),
    }
}

fn read_time(text: &str, path: &str) -> Result<Timestamp, Rejection> {
    Timestamp::parse(text).map_err(|message| Rejection::new("time_invalid", path, message))
}
