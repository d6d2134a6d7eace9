//! What holds on every engine.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use super::{Bench, Place, doctor, messages, reached, records, same, state};
use crate::support::{Engine, KEY, Server};

pub(super) async fn an_index_reaches_the_head_and_goes_with_its_stream(
    place: Place,
    engine: Engine,
) {
    let Some(bench) = Bench::find(place) else { return };
    let mut s = bench.start(engine).await;
    s.put("/v1/streams/a", messages()).await.expect(201);
    assert_eq!(state(&s, "a").await["live"], Value::Null);
    s.post("/v1/streams/a/records", records(0, 700)).await.expect(200);
    let index = reached(&s, "a", 700).await;
    let now = state(&s, "a").await;
    assert_eq!((&now["lag_seconds"], &now["refused"]), (&json!(0.0), &json!(0)));
    same(&s, 700).await;
    assert_eq!(doctor(&s, "search.engine").await[0]["status"], "ok");
    s.kill();
    s.restart_with(&bench.environment());
    s.post("/v1/streams/a/records", records(700, 1)).await.expect(200);
    assert_eq!(reached(&s, "a", 701).await, index, "it goes on where it was");
    same(&s, 701).await;
    while !metrics(&s).await.contains("forebay_search_lag_seconds{stream=\"a\"}") {}
    // Nothing of it stays.
    s.delete("/v1/streams/a").await.expect(204);
    while !bench.indexes(&s).await.is_empty() {}
    while metrics(&s).await.contains("forebay_search_lag_seconds{stream=\"a\"}") {}
    s.get("/v1/streams/a/search/index").await.problem(404, "not_found");
    // One that goes while nobody looks, and one that is made again.
    s.put("/v1/streams/a", messages()).await.expect(201);
    s.post("/v1/streams/a/records", records(0, 2)).await.expect(200);
    assert_ne!(reached(&s, "a", 2).await, index);
    same(&s, 2).await;
    bench.clean(&s).await;
}

async fn metrics(s: &Server) -> String {
    let mut all = String::new();
    for admin in &s.admins {
        let client = crate::support::client();
        let answer = client.get(format!("http://{admin}/metrics")).send().await.unwrap();
        all.push_str(&answer.text().await.unwrap());
    }
    all
}

pub(super) async fn another_definition_is_another_index(place: Place, engine: Engine) {
    let Some(bench) = Bench::find(place) else { return };
    let s = bench.start(engine).await;
    s.put("/v1/streams/a", messages()).await.expect(201);
    s.post("/v1/streams/a/records", records(0, 300)).await.expect(200);
    let first = reached(&s, "a", 300).await;
    // What is not searched changes nothing.
    let mut definition = messages();
    definition["schema"]["properties"]["more"] = json!({"type": "string"});
    s.put("/v1/streams/a", definition.clone()).await.expect(200);
    s.post("/v1/streams/a/records", records(300, 1)).await.expect(200);
    assert_eq!(reached(&s, "a", 301).await, first);
    definition["schema"]["properties"]["more"]["x-index"] = json!(true);
    s.put("/v1/streams/a", definition.clone()).await.expect(200);
    let second = another(&s, &first).await;
    same(&s, 301).await;
    definition["schema"]["properties"]["more"]["x-search"] = json!("text");
    s.put("/v1/streams/a", definition.clone()).await.expect(200);
    let third = another(&s, &second).await;
    let state = s.post("/v1/streams/a/search/rebuild", Value::Null).await.expect(202);
    assert_eq!(state["live"]["generation"], third.as_str());
    let fourth = another(&s, &third).await;
    reached(&s, "a", 301).await;
    same(&s, 301).await;
    // It was built once.
    s.post("/v1/streams/a/records", records(301, 1)).await.expect(200);
    assert_eq!(reached(&s, "a", 302).await, fourth);
    // Nothing is searched any more.
    for name in ["msg", "more"] {
        definition["schema"]["properties"][name]["x-search"] = json!("none");
    }
    s.put("/v1/streams/a", definition).await.expect(200);
    while !bench.indexes(&s).await.is_empty() {}
    let rebuild = s.post("/v1/streams/a/search/rebuild", Value::Null).await;
    rebuild.problem(400, "validation_failed");
    s.post("/v1/streams/b/search/rebuild", Value::Null).await.problem(404, "not_found");
    let (_, viewer) = s.program(&["viewer"]).await;
    let refused = s.post_by(&viewer, "/v1/streams/a/search/rebuild", Value::Null).await;
    refused.problem(403, "forbidden");
    s.get_by(&viewer, "/v1/system/doctor", &[]).await.problem(403, "forbidden");
    let (_, operator) = s.program(&["operator"]).await;
    s.get_by(&operator, "/v1/system/doctor", &[]).await.expect(200);
    bench.clean(&s).await;
}

/// Waits until another index answers; until then one always does.
async fn another(s: &Server, before: &str) -> String {
    loop {
        let state = state(s, "a").await;
        let live = state["live"]["generation"].as_str();
        let live = live.unwrap_or_else(|| panic!("nothing answers: {state}"));
        if live != before {
            return live.to_owned();
        }
    }
}

pub(super) async fn whatever_is_killed_the_index_is_the_store(place: Place, engine: Engine) {
    const CYCLES: u64 = 8;
    let Some(bench) = Bench::find(place) else { return };
    let mut s = bench.start(engine).await;
    for stream in ["a", "b"] {
        s.put(&format!("/v1/streams/{stream}"), messages()).await.expect(201);
    }
    for cycle in 0..CYCLES {
        let answers = Arc::new(AtomicU64::new(0));
        let writers: Vec<_> = (0..3_u64)
            .map(|writer| tokio::spawn(write(s.address.clone(), writer, answers.clone())))
            .collect();
        if cycle % 3 == 1 {
            s.post("/v1/streams/a/search/rebuild", Value::Null).await.expect(202);
        }
        // The moment differs from cycle to cycle.
        while answers.load(Ordering::Relaxed) < 2 + (cycle * 11) % 30 {
            tokio::task::yield_now().await;
        }
        s.kill();
        for writer in writers {
            writer.await.unwrap();
        }
        s.restart_with(&bench.environment());
    }
    let mut all = 0;
    for stream in ["a", "b"] {
        let head = s.get(&format!("/v1/streams/{stream}")).await.expect(200);
        let head = head["last_seq"].as_i64().unwrap();
        reached(&s, stream, head).await;
        all += head;
    }
    same(&s, all).await;
    assert_eq!(doctor(&s, "data.log_gap_free").await[0]["status"], "ok");
    bench.clean(&s).await;
}

/// Writes until the server is gone.
async fn write(address: String, writer: u64, answers: Arc<AtomicU64>) {
    let client = crate::support::client();
    for round in 0_usize.. {
        let stream = if (round + usize::try_from(writer).unwrap()) % 2 == 0 { "a" } else { "b" };
        let request = client.post(format!("http://{address}/v1/streams/{stream}/records"));
        let body = records(round * 100, 1 + round % 90);
        let Ok(response) = request.bearer_auth(KEY).json(&body).send().await else { return };
        if response.bytes().await.is_err() {
            return;
        }
        answers.fetch_add(1, Ordering::Relaxed);
    }
}

pub(super) async fn many_streams_are_all_served(place: Place, engine: Engine) {
    let Some(bench) = Bench::find(place) else { return };
    // Each is an index of a server, which takes its time to make them.
    let count = if matches!(place, Place::Inside) { 120 } else { 12 };
    let s = bench.start(engine).await;
    for number in 0..count {
        let stream = format!("/v1/streams/s{number}");
        s.put(&stream, messages()).await.expect(201);
        s.post(&format!("{stream}/records"), records(number, 3)).await.expect(200);
    }
    for number in 0..count {
        reached(&s, &format!("s{number}"), 3).await;
    }
    same(&s, i64::try_from(count * 3).unwrap()).await;
    bench.clean(&s).await;
}
