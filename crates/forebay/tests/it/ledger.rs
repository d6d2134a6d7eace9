//! What writers were told, to be held against what is there.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::support::Server;

/// Stream and id of each record that was acknowledged, with its seq.
#[derive(Debug, Default, Clone)]
pub(crate) struct Ledger(Arc<Mutex<HashMap<(String, String), i64>>>);

impl Ledger {
    /// Takes down the answer to a batch; a record that was known keeps its seq.
    pub(crate) fn note(&self, told: &Value) {
        let mut acknowledged = self.0.lock().unwrap();
        for result in told["results"].as_array().unwrap() {
            for record in result["records"].as_array().unwrap() {
                let text = |v: &Value| v.as_str().unwrap().to_owned();
                let key = (text(&result["stream"]), text(&record["id"]));
                let seq = record["seq"].as_i64().unwrap();
                let known = acknowledged.insert(key, seq);
                assert!(known.is_none_or(|known| known == seq), "{told}");
            }
        }
    }

    /// Asserts that all of it is there: each seq once and without a hole, each id once, and the
    /// id's record as it was sent, with the id as its `owner`.
    pub(crate) async fn check(&self, s: &Server, streams: &[&str]) {
        let mut recovered = HashMap::new();
        for stream in streams {
            let export = s.get(&format!("/v1/streams/{stream}/export")).await;
            assert_eq!(export.status, 200, "{}", export.text);
            let mut ids = HashSet::new();
            for (at, line) in export.text.lines().enumerate() {
                let record: Value = serde_json::from_str(line).unwrap();
                let seq = record["seq"].as_i64().unwrap();
                assert_eq!(seq, i64::try_from(at).unwrap() + 1, "a hole in {stream}");
                let id = record["id"].as_str().unwrap().to_owned();
                assert_eq!(record["data"]["owner"], id.as_str());
                assert!(ids.insert(id.clone()), "{id} stands twice");
                recovered.insert(((*stream).to_owned(), id), seq);
            }
        }
        for (key, seq) in self.0.lock().unwrap().iter() {
            assert_eq!(recovered.get(key), Some(seq), "{key:?} was acknowledged");
        }
    }
}
