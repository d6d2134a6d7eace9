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

/// What is left of a quota of records after a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drawn {
    /// The limit's name.
    pub policy: String,
    /// How much is left, in how many seconds all of it is there again, and the period's length in
    /// seconds; nothing where nobody could count.
    pub left: Option<(u64, u64, u64)>,
}

/// What the gateway hears of a request that it has handed on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// The records that it brought, by stream.
    pub records: Vec<(String, u64)>,
    /// The limit that it was refused for.
    pub refused: Option<String>,
    /// What is left of the quotas that it is for.
    pub drawn: Vec<Drawn>,
    /// The number of the last change of identity that the service knows.
    pub identity: Option<i64>,
    /// Whether the process is about to stop: the next request is for another one.
    pub leaving: bool,
}

impl Drawn {
    fn write(&self) -> Value {
        match self.left {
            Some((left, reset, window)) => json!([self.policy, left, reset, window]),
            None => json!([self.policy]),
        }
    }

    fn read(written: &Value) -> Option<Drawn> {
        let policy = written.get(0)?.as_str()?.to_owned();
        let number = |at: usize| written.get(at)?.as_u64();
        let left = match written.get(1) {
            Some(left) => Some((left.as_u64()?, number(2)?, number(3)?)),
            None => None,
        };
        Some(Drawn { policy, left })
    }
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
        if !self.drawn.is_empty() {
            told["drawn"] = self.drawn.iter().map(Drawn::write).collect();
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
            drawn: told
                .get("drawn")
                .and_then(Value::as_array)
                .map_or(Some(Vec::new()), |all| all.iter().map(Drawn::read).collect())?,
            identity: told.get("identity").and_then(Value::as_i64),
            leaving: told.get("leaving").is_some_and(|leaving| *leaving == true),
        })
    }
}
