//! Indexes follow the log, whatever happens to them, to the process, or to the engine.

mod away;
mod damaged;
mod scenario;
mod shared;
mod wrong;

use forebay_testkit::{Product, lacks};
use serde_json::{Value, json};

use crate::support::{Engine, Server};

/// Where indexes are.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place {
    Inside,
    Outside(Product),
}

macro_rules! everywhere {
    ($($scenario:ident)*) => {$(
        mod $scenario {
            use super::{Engine, Place, Product};

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
                super::scenario::$scenario(Place::Outside(Product::OpenSearch), Engine::Sqlite).await;
            }
        }
    )*};
}

everywhere! {
    an_index_reaches_the_head_and_goes_with_its_stream
    another_definition_is_another_index
    whatever_is_killed_the_index_is_the_store
    many_streams_are_all_served
}

/// What a test says to the engine.
pub(crate) struct Bench {
    environment: Vec<(&'static str, String)>,
    /// The server with the prefix of the test's indexes.
    outside: Option<(String, String)>,
}

impl Bench {
    /// Finds the engine; `None` where it is not installed.
    pub(crate) fn find(place: Place) -> Option<Bench> {
        let Place::Outside(product) = place else {
            return Some(Bench { environment: Vec::new(), outside: None });
        };
        let url = product.shared();
        if lacks(&url) {
            return None;
        }
        Some(Bench::of(url.unwrap()))
    }

    /// The engine at an address.
    fn of(url: String) -> Bench {
        static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let prefix = format!("it{}-{count}", std::process::id());
        let environment =
            vec![("ELASTICSEARCH_URL", url.clone()), ("FOREBAY_SEARCH__PREFIX", prefix.clone())];
        Bench { environment, outside: Some((url, prefix)) }
    }

    fn environment(&self) -> Vec<(&str, &str)> {
        self.environment.iter().map(|(name, value)| (*name, value.as_str())).collect()
    }

    pub(crate) async fn start(&self, engine: Engine) -> Server {
        Server::start_with(engine, &self.environment()).await
    }

    /// The indexes that are there.
    async fn indexes(&self, s: &Server) -> Vec<String> {
        let Some((url, prefix)) = &self.outside else {
            // In one process, or in the one that has the part.
            let folders = ["search", "store/search"].map(|name| s.data.path().join(name));
            let entries = folders.iter().filter_map(|name| std::fs::read_dir(name).ok()).flatten();
            let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
            return names.filter(|name| name.starts_with('s')).collect();
        };
        let asked = format!("{url}/_cat/indices/{prefix}-*?h=index");
        let text = crate::support::client().get(asked).send().await.unwrap().text().await.unwrap();
        text.lines().map(|line| line.trim().to_owned()).collect()
    }

    /// Leaves nothing behind on a server that others use.
    pub(crate) async fn clean(&self, s: &Server) {
        let Some((url, _)) = &self.outside else { return };
        for index in self.indexes(s).await {
            crate::support::client().delete(format!("{url}/{index}")).send().await.unwrap();
        }
    }
}

/// A stream that is searched.
fn messages() -> Value {
    json!({"schema": {"type": "object", "properties": {
        "owner": {"type": "string", "x-index": true},
        "n": {"type": "integer", "x-index": true},
        "msg": {"type": "string", "x-search": "text"},
    }}})
}

/// Records from a number on.
fn records(from: usize, count: usize) -> Value {
    let record =
        |n: usize| json!({"owner": format!("o{}", n % 7), "n": n, "msg": format!("word{n} all")});
    (from..from + count).map(record).collect()
}

async fn state(s: &Server, stream: &str) -> Value {
    s.get(&format!("/v1/streams/{stream}/search/index")).await.expect(200)
}

/// Waits until everything up to a position is in the index that answers; that index.
async fn reached(s: &Server, stream: &str, seq: i64) -> String {
    loop {
        let state = state(s, stream).await;
        if state["live"]["indexed_seq"].as_i64().is_some_and(|at| at >= seq) {
            return state["live"]["generation"].as_str().unwrap().to_owned();
        }
        tokio::task::yield_now().await;
    }
}

/// What the doctor says of a check, each finding.
async fn doctor(s: &Server, check: &str) -> Vec<Value> {
    let report = s.get("/v1/system/doctor").await.expect(200);
    let checks = report["checks"].as_array().unwrap().iter();
    checks.filter(|found| found["id"] == check).cloned().collect()
}

/// Asserts that indexes hold so many records, and exactly those of the log.
async fn same(s: &Server, records: i64) {
    let found = doctor(s, "search.index_equals_store").await;
    assert!(found.iter().all(|finding| finding["status"] == "ok"), "{found:?}");
    let measured = found[0]["measured"].as_str().unwrap();
    assert!(measured.contains(&format!(" {records} records ")), "{measured}");
}
