//! Several processes on one engine: each stream is written by one of them, and by another when that one
//! is gone; one that slept writes nothing when it wakes.

use forebay_testkit::Product;

use super::{Bench, Place, messages, reached, records, same};
use crate::support::{Engine, Server};

#[tokio::test]
async fn processes_share_streams_and_take_over() {
    let Some(bench) = Bench::find(Place::Outside(Product::Elasticsearch)) else { return };
    let first = bench.start(Engine::Postgres).await;
    let second = Server::start_on(first.database.clone(), &bench.environment());
    for stream in ["a", "b", "c", "d"] {
        first.put(&format!("/v1/streams/{stream}"), messages()).await.expect(201);
        first.post(&format!("/v1/streams/{stream}/records"), records(0, 20)).await.expect(200);
        reached(&second, stream, 20).await;
    }
    while holders(&first).await != [2, 2] {}
    // Asked of one, done by whoever writes it.
    for stream in ["a", "b", "c", "d"] {
        let path = format!("/v1/streams/{stream}/search/rebuild");
        let before = second.post(&path, serde_json::Value::Null).await.expect(202);
        while reached(&first, stream, 20).await == before["live"]["generation"].as_str().unwrap() {}
    }
    // It sleeps, and what it held is taken; its own view of the world is the old one when it wakes.
    first.signal("STOP");
    for stream in ["a", "b", "c", "d"] {
        let path = format!("/v1/streams/{stream}/records");
        second.post(&path, records(20, 20)).await.expect(200);
        reached(&second, stream, 40).await;
    }
    first.signal("CONT");
    for (at, s) in [&first, &second].into_iter().enumerate() {
        for stream in ["a", "b", "c", "d"] {
            let path = format!("/v1/streams/{stream}/records");
            s.post(&path, records(40 + at, 1)).await.expect(200);
        }
    }
    for stream in ["a", "b", "c", "d"] {
        reached(&first, stream, 42).await;
    }
    same(&first, 168).await;
    bench.clean(&first).await;
}

/// How many streams each process writes.
async fn holders(s: &Server) -> Vec<i64> {
    let url = s.database.as_ref().unwrap();
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let sql = "SELECT count(*) FROM search_lease WHERE until > 0 GROUP BY holder ORDER BY 1";
    client.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}
