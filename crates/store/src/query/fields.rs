//! The parts of a record that are shown: `?fields=id,data.mag`.

use forebay_http::query::{Params, bad};
use forebay_model::Error;
use forebay_model::field::FieldPath;
use forebay_model::record::Record;
use serde_json::{Map, Value};

/// Which parts of a record are shown.
pub(crate) struct Fields(Option<Vec<Shown>>);

enum Shown {
    Envelope(&'static str),
    Data,
    Field(FieldPath),
}

const ENVELOPE: &[&str] = &["id", "stream", "seq", "version", "time", "received_at"];

impl Fields {
    pub(crate) fn read(params: &Params) -> Result<Self, Error> {
        let Some(list) = params.get("fields") else { return Ok(Fields(None)) };
        let shown = list.split(',').map(|name| {
            if name == "data" {
                return Ok(Shown::Data);
            }
            if let Some(name) = ENVELOPE.iter().find(|n| **n == name) {
                return Ok(Shown::Envelope(name));
            }
            FieldPath::parse(name).map(Shown::Field).map_err(|message| bad("fields", message))
        });
        Ok(Fields(Some(shown.collect::<Result<_, Error>>()?)))
    }

    pub(crate) fn write(&self, record: &Record, stream: &str, out: &mut String) {
        let Some(shown) = &self.0 else { return record.write_json(stream, out) };
        let mut whole = String::new();
        record.write_json(stream, &mut whole);
        let whole: Value = serde_json::from_str(&whole).unwrap_or_default();
        let mut kept = Map::new();
        for part in shown {
            match part {
                Shown::Envelope(name) => {
                    kept.insert((*name).to_owned(), whole[*name].clone());
                }
                Shown::Data => {
                    kept.insert("data".to_owned(), whole["data"].clone());
                }
                Shown::Field(path) => keep(path, &whole["data"], &mut kept),
            }
        }
        out.push_str(&forebay_model::json::to_canonical(&Value::Object(kept)));
    }
}

/// Copies one field with the objects that it stands in.
fn keep(path: &FieldPath, data: &Value, kept: &mut Map<String, Value>) {
    let Some(value) = path.get(data) else { return };
    let mut at = kept.entry("data").or_insert_with(|| Value::Object(Map::new()));
    for name in path.segments() {
        let Value::Object(members) = at else { return };
        at = members.entry(name.clone()).or_insert_with(|| Value::Object(Map::new()));
    }
    *at = value.clone();
}
