//! The API's description is what the handlers say, and what is checked in.

use std::path::Path;

use serde_json::Value;

use crate::doors::{OPEN, OPERATIONS};
use crate::support::{Engine, Server, forebay};

/// Open doors that have tests of their own.
const ALONE: [(&str, &str); 3] =
    [("GET", "/.well-known/jwks.json"), ("GET", "/v1/unsubscribe"), ("POST", "/v1/unsubscribe")];

#[tokio::test]
async fn the_description_is_current_and_served() {
    let made = forebay().arg("openapi").output().unwrap().stdout;
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../api/openapi.json");
    let kept = std::fs::read(file).unwrap();
    assert!(made == kept, "write it anew: cargo run -- openapi > api/openapi.json");
    let s = Server::start(Engine::Sqlite).await;
    let served = s.get("/openapi.json").await;
    assert_eq!(served.text.as_bytes(), kept);
    // The operations that are tried without a key are the ones that are described.
    let described: Value = served.expect(200);
    let tried = OPERATIONS.iter().chain(OPEN).filter(|(_, path)| path.starts_with("/v1/"));
    let tried: Vec<_> = tried.chain(&ALONE).collect();
    for (method, path) in &tried {
        let named = |word| match word {
            "orders" => "{stream}",
            "a" | "i" => "{id}",
            "g" => "{group}",
            "r" => "{name}",
            word => word,
        };
        let path: Vec<&str> = path.split('/').map(named).collect();
        let operation = &described["paths"][path.join("/")][method.to_lowercase()];
        assert!(operation.is_object(), "{method} {}", path.join("/"));
    }
    let operations = described["paths"].as_object().unwrap().values();
    let count: usize = operations.map(|p| p.as_object().unwrap().len()).sum();
    assert_eq!(count, tried.len());
}
