//! Streams that are dropped, made again and changed while others write to them.

use crate::support::both;

both! {
    a_stream_made_again_is_another_one
    a_stream_is_changed_and_dropped_under_writers
    a_stream_is_dropped_while_its_indexes_are_filled
    indexes_are_filled_under_writers
}

mod scenario {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::{Duration, Instant};

    use futures_util::future::join_all;
    use reqwest::Method;
    use serde_json::{Value, json};

    use crate::support::{Answer, Engine, Server, answer, orders};

    const STREAM: &str = "/v1/streams/orders";
    const RECORDS: &str = "/v1/streams/orders/records";

    pub(super) async fn a_stream_made_again_is_another_one(engine: Engine) {
        let s = Server::start(engine).await;
        let send = async |body: Value| -> Answer {
            let request = s.request(Method::POST, &format!("{RECORDS}?envelope=true"));
            answer(request.header("idempotency-key", "k").json(&body)).await
        };
        let known = async |path: &str, tag: &str| -> Answer {
            answer(s.request(Method::GET, path).header("if-none-match", tag)).await
        };
        s.put(STREAM, orders()).await.expect(201);
        let body = json!({"id": "a", "data": {"n": 1}});
        let first = send(body.clone()).await;
        assert_eq!(first.expect(200)["last_seq"], 1);
        assert!(!first.headers.contains_key("idempotent-replayed"));
        let repeat = send(body.clone()).await;
        assert_eq!(repeat.text, first.text);
        assert_eq!(repeat.headers["idempotent-replayed"], "true");
        let path = format!("{RECORDS}/a");
        let tag = s.get(&path).await.headers["etag"].to_str().unwrap().to_owned();
        assert_eq!(known(&path, &tag).await.status, 304);

        // The same key and body are a new request to the stream that was made again.
        s.delete(STREAM).await.expect(204);
        s.put(STREAM, orders()).await.expect(201);
        let anew = send(body.clone()).await;
        anew.expect(200);
        assert!(!anew.headers.contains_key("idempotent-replayed"), "{}", anew.text);
        assert_eq!(s.get(STREAM).await.expect(200)["last_seq"], 1);
        let other = known(&path, &tag).await;
        assert_eq!(other.expect(200)["version"], 1);
        assert_ne!(other.headers["etag"], tag.as_str());
        send(json!({"data": {"n": 2}})).await.problem(422, "idempotency_mismatch");

        // A key that another stream holds is still a mistake, until that stream is gone.
        s.put("/v1/streams/lines", orders()).await.expect(201);
        let to_lines = async || {
            let request = s.request(Method::POST, "/v1/streams/lines/records");
            answer(request.header("idempotency-key", "k").json(&json!({"n": 1}))).await
        };
        to_lines().await.problem(422, "idempotency_mismatch");
        s.delete(STREAM).await.expect(204);
        to_lines().await.expect(200);

        let stale = s.request(Method::DELETE, "/v1/streams/lines").header("if-match", "\"2-1\"");
        answer(stale).await.problem(412, "version_mismatch");
        let right = s.request(Method::DELETE, "/v1/streams/lines").header("if-match", "\"1\"");
        answer(right).await.expect(204);
    }

    fn indexed(fields: &[&str]) -> Value {
        let mut definition = orders();
        for name in ["owner", "n", "price"] {
            definition["schema"]["properties"][name]["x-index"] = fields.contains(&name).into();
        }
        definition
    }

    pub(super) async fn a_stream_is_changed_and_dropped_under_writers(engine: Engine) {
        let s = Server::start(engine).await;
        s.put(STREAM, orders()).await.expect(201);
        s.put("/v1/streams/lines", orders()).await.expect(201);
        let over = AtomicBool::new(false);
        let write = async |writer: usize| {
            let mut stored = 0;
            for n in 0.. {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                let record = json!({"owner": format!("w{writer}"), "n": n, "price": 1.5});
                let told = match n % 3 {
                    0 => s.post(RECORDS, record).await,
                    1 => s.post(RECORDS, json!(vec![record; 20])).await,
                    _ => {
                        let records = json!([{"data": record}]);
                        let parts = json!([{"stream": "lines", "records": records},
                            {"stream": "orders", "records": records}]);
                        s.post("/v1/batch", parts).await
                    }
                };
                match told.status.as_u16() {
                    200 => stored += 1,
                    404 => {}
                    other => panic!("{other}: {}", told.text),
                }
            }
            stored
        };
        let change = async {
            for round in 0..12 {
                let fields: &[&str] = [&["owner"][..], &["n", "price"], &[]][round % 3];
                let changed = s.put(&format!("{STREAM}?force=true"), indexed(fields)).await;
                assert!(changed.status.is_success(), "{}", changed.text);
                if round % 2 == 1 {
                    s.delete(STREAM).await.expect(204);
                    s.put(STREAM, orders()).await.expect(201);
                }
            }
            over.store(true, Ordering::Relaxed);
        };
        let (stored, ()) = tokio::join!(join_all((0..8).map(write)), change);
        assert!(stored.iter().sum::<u32>() > 0);
        let page = s.get(&format!("{RECORDS}?count=exact&limit=1000")).await.expect(200);
        assert_eq!(page["count"], page["as_of_seq"]);
    }

    pub(super) async fn a_stream_is_dropped_while_its_indexes_are_filled(engine: Engine) {
        let s = Server::start(engine).await;
        let many: Vec<_> = (0..4000).map(|n| json!({"n": n, "price": 0.5})).collect();
        for _ in 0..4 {
            s.put(STREAM, indexed(&[])).await.expect(201);
            s.post(&format!("{RECORDS}?return=minimal"), json!(many)).await.expect(200);
            s.put(STREAM, indexed(&["n", "price"])).await.expect(200);
            let deadline = Instant::now() + Duration::from_secs(60);
            // When the first is filled, the second is being filled.
            while s.get(STREAM).await.expect(200)["indexes"][0]["state"] != "ready" {
                assert!(Instant::now() < deadline);
            }
            s.delete(STREAM).await.expect(204);
        }
    }

    pub(super) async fn indexes_are_filled_under_writers(engine: Engine) {
        let s = Server::start(engine).await;
        s.put(STREAM, indexed(&[])).await.expect(201);
        let many: Vec<_> = (0..3000).map(|n| json!({"n": n, "price": 0.5})).collect();
        s.post(&format!("{RECORDS}?return=minimal"), json!(many)).await.expect(200);
        let over = AtomicBool::new(false);
        let write = async |n: usize| {
            // Each writes to the next as soon as it is told: the queue is never empty.
            while !over.load(Ordering::Relaxed) {
                let body = if n < 128 { json!({"n": n}) } else { json!(vec![json!({}); 10]) };
                s.post(RECORDS, body).await.expect(200);
            }
        };
        let fill = async {
            s.put(STREAM, indexed(&["n", "price"])).await.expect(200);
            let deadline = Instant::now() + Duration::from_secs(60);
            loop {
                let shown = s.get(STREAM).await.expect(200);
                let indexes = shown["indexes"].as_array().unwrap();
                assert_eq!(indexes.len(), 2);
                if indexes.iter().all(|index| index["state"] == "ready") {
                    break;
                }
                assert!(Instant::now() < deadline, "{shown}");
            }
            over.store(true, Ordering::Relaxed);
        };
        tokio::join!(join_all((0..256).map(write)), fill);
        let found = s.get(&format!("{RECORDS}?filter=data.n==2999&count=exact")).await.expect(200);
        assert_eq!(found["items"][0]["data"]["price"], 0.5);
    }
}
