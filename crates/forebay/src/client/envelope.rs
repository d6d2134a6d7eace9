//! What a server has shown goes back in without what only the server writes.

use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// What the server writes beside a record's envelope.
const RECORD: &[&str] = &["stream", "seq", "version", "received_at"];
/// What the server writes beside a stream's definition.
const STREAM: &[&str] =
    &["name", "version", "epoch", "created_at", "first_seq", "last_seq", "records", "indexes"];

/// An exported record as an envelope; `None` where it is one, or is no object.
pub(super) fn of_sender(record: &str) -> Option<String> {
    without(record, RECORD)
}

/// A shown stream as a definition; `None` where it is one, or is no object.
pub(super) fn definition(stream: &str) -> Option<String> {
    without(stream, STREAM)
}

/// An object without some members; the others stay as they are written.
fn without(text: &str, names: &[&str]) -> Option<String> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let Members(mut members) = reader.deserialize_map(Read).ok()?;
    reader.end().ok()?;
    let all = members.len();
    members.retain(|(name, _)| !names.contains(&name.as_str()));
    if members.len() == all {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    for (name, value) in members {
        out.push(if out.is_empty() { '{' } else { ',' });
        out.push_str(&serde_json::Value::String(name).to_string());
        out.push(':');
        out.push_str(value.get());
    }
    out.push_str(if out.is_empty() { "{}" } else { "}" });
    Some(out)
}

/// An object's members with the text of each, in their order.
struct Members<'t>(Vec<(String, &'t RawValue)>);

struct Read;

impl<'t> Visitor<'t> for Read {
    type Value = Members<'t>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'t>>(self, mut map: A) -> Result<Members<'t>, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Members(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_stays_as_it_is_written() {
        let record =
            r#"{"id":"a","stream":"s","seq":1,"version":1,"data":{"seq": 1.0, "b":[ 2 ]}}"#;
        let own = r#"{"id":"a","data":{"seq": 1.0, "b":[ 2 ]}}"#;
        assert_eq!(of_sender(record).as_deref(), Some(own));
        assert_eq!(of_sender(r#"{"seq":1}"#).as_deref(), Some("{}"));
        for other in [own, "[1]", "1", r#"{"seq":1"#, r#"{"seq":1}x"#, "{}"] {
            assert_eq!(of_sender(other), None, "{other}");
        }
    }
}
