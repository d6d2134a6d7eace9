//! What a service tells the gateway beside its answer. It is not signed: it comes on a connection
//! that the gateway has opened, as the answer does.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};

use super::INTERNAL;

/// Streams of one request that are told apart; what is in others is told as a sum.
const MOST_STREAMS: usize = 200;
/// Longest word; it is longer than all of the streams' names.
const MAX_BYTES: usize = 64 << 10;

/// What the gateway hears of a request that it has handed on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// The records that it brought, by stream.
    pub records: Vec<(String, u64)>,
    /// The limit that it was refused for.
    pub refused: Option<String>,
    /// The number of the last change of identity that the service knows.
    pub identity: Option<i64>,
    /// Whether the process is about to stop: the next request is for another one.
    pub leaving: bool,
}

impl Told {
    /// Writes it into an answer; where there is nothing to tell, nothing.
    pub fn write(&self, headers: &mut HeaderMap) {
        if *self == Told::default() {
            return;
        }
        let (some, rest) = self.records.split_at(self.records.len().min(MOST_STREAMS));
        let mut records: Vec<Value> = some.iter().map(|(name, n)| json!([name, n])).collect();
        if !rest.is_empty() {
            records.push(json!(["", rest.iter().map(|(_, n)| n).sum::<u64>()]));
        }
        let mut told = json!({});
        if !records.is_empty() {
            told["records"] = records.into();
        }
        if let Some(refused) = &self.refused {
            told["refused"] = refused.as_str().into();
        }
        if let Some(number) = self.identity {
            told["identity"] = number.into();
        }
        if self.leaving {
            told["leaving"] = true.into();
        }
        if let Ok(value) = HeaderValue::try_from(BASE64.encode(told.to_string())) {
            headers.insert(&INTERNAL, value);
        }
    }

    /// Takes it out of an answer; what cannot be read says nothing.
    pub fn take(headers: &mut HeaderMap) -> Told {
        headers.remove(&INTERNAL).and_then(|value| Told::read(&value)).unwrap_or_default()
    }

    fn read(value: &HeaderValue) -> Option<Told> {
        let bytes = Some(value.as_bytes()).filter(|bytes| bytes.len() <= MAX_BYTES)?;
        let told: Value = serde_json::from_slice(&BASE64.decode(bytes).ok()?).ok()?;
        let records = told.get("records").and_then(Value::as_array);
        let pair = |one: &Value| Some((one.get(0)?.as_str()?.to_owned(), one.get(1)?.as_u64()?));
        Some(Told {
            records: records.map_or(Some(Vec::new()), |all| all.iter().map(pair).collect())?,
            refused: told.get("refused").and_then(Value::as_str).map(str::to_owned),
            identity: told.get("identity").and_then(Value::as_i64),
            leaving: told.get("leaving").is_some_and(|leaving| *leaving == true),
        })
    }
}
