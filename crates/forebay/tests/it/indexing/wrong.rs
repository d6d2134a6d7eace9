//! Engines that can never be used: refused at the start, with what to do.

use forebay_testkit::Product;
use serde_json::json;

use super::{Bench, Place};
use crate::support::{Engine, Server, client, forebay};

/// Starts with an engine; the exit status and what is said.
fn start(environment: &[(&str, &str)]) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = forebay();
    command.args(["serve", "--data"]).arg(folder.path());
    for name in ["FOREBAY_SERVER__LISTEN", "FOREBAY_SERVER__ADMIN_LISTEN"] {
        command.env(name, "127.0.0.1:0");
    }
    let output = command.envs(environment.iter().copied()).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[tokio::test]
async fn what_is_no_search_engine_is_refused() {
    let s = Server::start(Engine::Sqlite).await;
    let url = format!("http://ann:s3cret@{}", s.address);
    let (status, text) = start(&[("ELASTICSEARCH_URL", &url)]);
    assert_eq!(status, Some(3), "{text}");
    assert!(!text.contains("s3cret"), "{text}");
}

#[tokio::test]
async fn an_index_of_somebody_else_is_refused() {
    let Some(bench) = Bench::find(Place::Outside(Product::Elasticsearch)) else { return };
    let (url, prefix) = bench.outside.clone().unwrap();
    let name = format!("{prefix}-s1-0123456789abcdef0123456789abcdef");
    let index = format!("{url}/{name}");
    let made = client().put(&index).json(&json!({})).send().await.unwrap();
    assert!(made.status().is_success());
    let (status, text) = start(&bench.environment());
    client().delete(&index).send().await.unwrap();
    assert_eq!(status, Some(3), "{text}");
    assert!(text.contains(&name), "{text}");
}
