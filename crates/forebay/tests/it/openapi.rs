//! The API's description is what the handlers say, and what is checked in.

use std::path::Path;

use serde_json::Value;

use crate::doors::OPERATIONS;
use crate::support::{Engine, Server, forebay};

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
    for (method, path) in OPERATIONS.iter().filter(|(_, path)| path.starts_with("/v1/")) {
        let path = path.replace("/orders", "/{stream}").replace("/records/a", "/records/{id}");
        let path = path.replace("/roles/r", "/roles/{name}").replace("/i", "/{id}");
        let operation = &described["paths"][path.as_str()][method.to_lowercase()];
        assert!(operation.is_object(), "{method} {path}");
    }
    let operations = described["paths"].as_object().unwrap().values();
    let count: usize = operations.map(|p| p.as_object().unwrap().len()).sum();
    assert_eq!(count, OPERATIONS.iter().filter(|(_, path)| path.starts_with("/v1/")).count());
}
