//! An engine outside that is down, or takes nothing: writes go on, and the index catches up.

use forebay_testkit::{Product, SearchServer, Stop, lacks};
use serde_json::Value;

use super::{Bench, doctor, messages, reached, records, same};
use crate::support::{Engine, Server};

async fn readiness(s: &Server) -> Value {
    let ready = s.get("/readyz").await.expect(200);
    assert_eq!((&ready["ready"], &ready["checks"]["database"]), (&true.into(), &"ok".into()));
    ready["checks"]["search"].clone()
}

async fn is_waited_for(product: Product) {
    if lacks(&SearchServer::install(product)) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut server = SearchServer::start(product, folder.path()).unwrap();
    let bench = Bench::of(server.url());
    server.stop(Stop::Fast).unwrap();
    // It is down when Forebay starts.
    let s = bench.start(Engine::Sqlite).await;
    s.put("/v1/streams/a", messages()).await.expect(201);
    s.post("/v1/streams/a/records", records(0, 50)).await.expect(200);
    assert_eq!(readiness(&s).await, "degraded");
    assert_eq!(doctor(&s, "search.engine").await[0]["status"], "fail");
    server.start_again().unwrap();
    reached(&s, "a", 50).await;
    assert_eq!(readiness(&s).await, "ok");
    // It dies while records come, and forgets nothing that counts.
    for round in 0..3 {
        s.post("/v1/streams/a/records", records(50 + round * 200, 100)).await.expect(200);
        server.stop(Stop::Immediate).unwrap();
        s.post("/v1/streams/a/records", records(150 + round * 200, 100)).await.expect(200);
        assert_eq!(readiness(&s).await, "degraded");
        server.start_again().unwrap();
    }
    reached(&s, "a", 650).await;
    same(&s, 650).await;
    // Its disk is full.
    server.block_writes(true).unwrap();
    s.post("/v1/streams/a/records", records(650, 50)).await.expect(200);
    s.log.until(|line| line["message"].as_str().is_some_and(|m| m.contains("will try again")));
    assert_eq!(doctor(&s, "search.index_equals_store").await[0]["status"], "ok");
    server.block_writes(false).unwrap();
    reached(&s, "a", 700).await;
    same(&s, 700).await;
}

#[tokio::test]
async fn elasticsearch_is_waited_for() {
    is_waited_for(Product::Elasticsearch).await;
}

#[tokio::test]
async fn opensearch_is_waited_for() {
    is_waited_for(Product::OpenSearch).await;
}
