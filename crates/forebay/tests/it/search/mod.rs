//! The search door, and `search("…")` at every other one, with each engine.

mod bad;
mod data;
mod door;
mod paging;
mod plain;
mod sight;

use serde_json::{Value, json};

use crate::support::{Answer, Server};

/// Runs a scenario with the engine inside and with both outside.
macro_rules! engines {
    ($($scenario:ident)*) => {$(
        mod $scenario {
            use forebay_testkit::Product;

            use crate::indexing::Place;
            use crate::support::Engine;

            #[tokio::test]
            async fn tantivy() {
                super::scenario::$scenario(Place::Inside, Engine::Sqlite).await;
            }

            #[tokio::test]
            async fn tantivy_split() {
                super::scenario::$scenario(Place::Inside, Engine::Split).await;
            }

            #[tokio::test]
            async fn elasticsearch() {
                let place = Place::Outside(Product::Elasticsearch);
                super::scenario::$scenario(place, Engine::Postgres).await;
            }

            #[tokio::test]
            async fn opensearch() {
                let place = Place::Outside(Product::OpenSearch);
                super::scenario::$scenario(place, Engine::Sqlite).await;
            }
        }
    )*};
}
pub(crate) use engines;

/// A stream of messages with every kind of field.
fn logs() -> Value {
    json!({"schema": {"type": "object", "properties": {
        "host": {"type": "string", "x-index": true},
        "n": {"type": "integer", "x-index": true},
        "ms": {"type": "number", "x-index": true},
        "ok": {"type": "boolean", "x-index": true},
        "tags": {"type": "array", "items": {"type": "string"}, "x-search": "keyword"},
        "title": {"type": "string", "x-search": {"as": "text", "language": "english"}},
        "msg": {"type": "string", "x-search": "text"},
        "free": {"type": "string"},
    }}})
}

const PATH: &str = "/v1/streams/logs/search";

async fn search(s: &Server, query: &[(&str, &str)]) -> Answer {
    crate::support::answer(s.request(reqwest::Method::GET, PATH).query(query)).await
}

async fn found(s: &Server, query: &[(&str, &str)]) -> Value {
    let answer = search(s, query).await;
    assert_eq!(answer.status, 200, "{query:?}: {}", answer.text);
    answer.json()
}

/// The ids of a page.
fn ids(page: &Value) -> Vec<String> {
    let items = page["items"].as_array().unwrap().iter();
    let record = |item: &Value| match item.get("record") {
        Some(record) => record["id"].as_str().unwrap().to_owned(),
        None => item["id"].as_str().unwrap().to_owned(),
    };
    items.map(record).collect()
}

/// The ids of all pages, with the words of the answer when there are several.
async fn all(s: &Server, query: &[(&str, &str)]) -> Vec<String> {
    let (mut all, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let mut query = query.to_vec();
        query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let page = found(s, &query).await;
        all.extend(ids(&page));
        let Value::String(next) = &page["next_cursor"] else { return all };
        cursor = Some(next.clone());
    }
}

/// In their order, to compare sets.
fn sorted(mut ids: Vec<String>) -> Vec<String> {
    ids.sort_unstable();
    ids
}

/// Sends records as envelopes; up to where the stream is then.
async fn send(s: &Server, records: Value) -> i64 {
    let path = "/v1/streams/logs/records?envelope=true&return=minimal";
    s.post(path, records).await.expect(200)["last_seq"].as_i64().unwrap()
}

/// Waits until the index of a stream holds a position, however long that takes.
async fn reach(s: &Server, stream: &str, seq: i64) {
    let path = format!("/v1/streams/{stream}/search?limit=1&min_seq={seq}");
    while s.get(&path).await.status == 504 {}
    s.get(&path).await.expect(200);
}
