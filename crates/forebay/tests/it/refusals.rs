//! What a request may not ask for is refused by its name, and never passed over.

use crate::support::both;

both! {
    what_does_not_fit_the_body_is_refused
    positions_are_not_negative
    definitions_are_json
    bodies_fit_the_queue
    answers_are_for_nobody_else
}

mod scenario {
    use reqwest::Method;
    use serde_json::json;

    use crate::support::{Engine, Server, answer, orders};

    const STREAM: &str = "/v1/streams/orders";
    const RECORDS: &str = "/v1/streams/orders/records";

    async fn start(engine: Engine) -> Server {
        let s = Server::start(engine).await;
        s.put(STREAM, orders()).await.expect(201);
        s
    }

    pub(super) async fn what_does_not_fit_the_body_is_refused(engine: Engine) {
        let s = start(engine).await;
        let path = format!("{RECORDS}?envelope=true");
        let told = s.post_as(&path, "text/csv", "n\n1\n").await.problem(400, "validation_failed");
        assert_eq!(told["errors"][0]["path"], "?envelope");
        s.post_as(RECORDS, "text/csv", "n\n1\n").await.expect(200);
        for keys in [["a", "a"], ["a", "b"]] {
            let request = s.request(Method::POST, RECORDS).json(&json!({"n": 1}));
            let request = keys.iter().fold(request, |r, key| r.header("idempotency-key", *key));
            let told = answer(request).await.problem(400, "validation_failed");
            assert!(told["detail"].as_str().unwrap().contains("Idempotency-Key"), "{told}");
        }
        assert_eq!(s.get(STREAM).await.expect(200)["last_seq"], 1);
    }

    pub(super) async fn positions_are_not_negative(engine: Engine) {
        let s = start(engine).await;
        s.post(&format!("{RECORDS}?envelope=true"), json!({"id": "a", "data": {}}))
            .await
            .expect(200);
        for wrong in ["-1", "x", "1.0", ""] {
            for path in [RECORDS.to_owned(), format!("{RECORDS}/a")] {
                let told = s.get(&format!("{path}?min_seq={wrong}")).await;
                let told = told.problem(400, "validation_failed");
                assert_eq!(told["errors"][0]["path"], "?min_seq", "{wrong}");
            }
            let told = s.get(&format!("{STREAM}/export?after={wrong}")).await;
            let told = told.problem(400, "validation_failed");
            assert_eq!(told["errors"][0]["path"], "?after", "{wrong}");
        }
        s.get(&format!("{RECORDS}?min_seq=0")).await.expect(200);
    }

    pub(super) async fn definitions_are_json(engine: Engine) {
        let s = start(engine).await;
        let put = async |kind: &str| {
            let request = s.request(Method::PUT, STREAM).header("content-type", kind);
            answer(request.body(orders().to_string())).await
        };
        for kind in ["application/json; charset=utf-8", "application/schema+json", "text/json"] {
            put(kind).await.expect(200);
        }
        for kind in ["application/xml", "text/plain", "image/svg+xml", "json"] {
            put(kind).await.problem(415, "unsupported_media_type");
        }
        let group = s.post_as(&format!("{STREAM}/aggregate"), "application/xml", "{}").await;
        group.problem(415, "unsupported_media_type");
        let search = |search| {
            json!({"schema": {"type": "object", "properties": {
                "m": {"type": "string", "x-search": search}}}})
        };
        for (wrong, path) in [
            (json!({"as": "text", "language": "klingon"}), "/language"),
            (json!({"as": "text", "language": "English"}), "/language"),
            (json!({"as": "text", "language": ""}), "/language"),
            (json!({"as": "text", "language": 7}), "/language"),
            (json!({"as": "text", "lang": "english"}), ""),
            (json!("texts"), ""),
        ] {
            let told = s.put("/v1/streams/found", search(wrong.clone())).await;
            let told = told.problem(400, "validation_failed");
            let at = format!("/schema/properties/m/x-search{path}");
            assert_eq!(told["errors"][0]["path"], at, "{wrong}");
        }
        let good = search(json!({"as": "text", "language": "german"}));
        let told = s.put("/v1/streams/found", good).await.expect(201);
        assert_eq!(told["on_reject"], "reject");
        assert_eq!(s.get("/v1/streams").await.expect(200)["items"][0]["on_reject"], "reject");
    }

    pub(super) async fn bodies_fit_the_queue(engine: Engine) {
        let settings = [("FOREBAY_INGEST__MAX_BODY", "64KiB"), ("FOREBAY_INGEST__QUEUE", "64KiB")];
        let s = Server::start_with(engine, &settings).await;
        s.put(STREAM, orders()).await.expect(201);
        let body = |bytes: usize| format!("{{}}{}", " ".repeat(bytes - 2));
        s.post_as(RECORDS, "application/json", body(64 << 10)).await.expect(200);
        let long = body((64 << 10) + 1);
        s.post_as(RECORDS, "application/json", long).await.problem(413, "too_large");
    }

    pub(super) async fn answers_are_for_nobody_else(engine: Engine) {
        let s = start(engine).await;
        s.post(RECORDS, json!({"n": 1})).await.expect(200);
        for (path, kept) in [
            ("/v1/streams", "private, no-cache"),
            (STREAM, "private, no-cache"),
            (RECORDS, "private, no-cache"),
            ("/v1/streams/orders/export", "private, no-cache"),
            ("/v1/streams/orders/export?format=csv", "private, no-cache"),
            ("/v1/api-keys", "private, no-cache"),
            ("/v1/roles", "private, no-cache"),
            ("/v1/me", "private, no-cache"),
            ("/v1/streams/none", "private, no-cache"),
        ] {
            assert_eq!(s.get(path).await.headers["cache-control"], kept, "{path}");
        }
    }
}
