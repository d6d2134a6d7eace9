//! Stream definitions.

use crate::support::both;

both! { a_definition_lives_and_dies  an_index_is_filled_on_a_stream_with_records }

mod scenario {
    use reqwest::Method;
    use serde_json::json;

    use crate::support::{Engine, Server, answer, orders};

    pub(super) async fn a_definition_lives_and_dies(engine: Engine) {
        let s = Server::start(engine).await;
        let path = "/v1/streams/orders";
        s.get(path).await.problem(404, "not_found");
        let made = s.put(path, orders()).await;
        assert_eq!(made.headers["etag"], "\"1\"");
        let made = made.expect(201);
        assert_eq!((&made["epoch"], &made["last_seq"]), (&json!(1), &json!(0)));
        assert_eq!(made["indexes"][0]["field"], "data.owner");
        s.put(path, orders()).await.expect(200);
        let stale = s.request(Method::PUT, path).header("if-match", "\"7\"").json(&orders());
        answer(stale).await.problem(412, "version_mismatch");
        let create = s.request(Method::PUT, path).header("if-none-match", "*").json(&orders());
        answer(create).await.problem(412, "version_mismatch");

        let mut narrower = orders();
        narrower["schema"]["required"] = json!(["owner"]);
        s.put(path, narrower.clone()).await.problem(409, "conflict");
        for without in [json!({}), json!({"schema": {}}), json!({"schema": {"type": "object"}})] {
            // Fields go only when somebody says so, whatever is left out.
            s.put(path, without).await.problem(409, "conflict");
        }
        let changed = s.put(&format!("{path}?force=true"), narrower).await.expect(200);
        assert_eq!(changed["version"], 2);
        s.post(&format!("{path}/records"), json!({"owner": "a"})).await.expect(200);

        let listed = s.get("/v1/streams?limit=1").await.expect(200);
        assert_eq!(listed["items"][0]["name"], "orders");
        assert_eq!(listed["next_cursor"], json!(null));
        s.delete(path).await.expect(204);
        s.get(&format!("{path}/records")).await.problem(404, "not_found");
        let again = s.put(path, orders()).await.expect(201);
        assert_eq!((&again["epoch"], &again["last_seq"]), (&json!(2), &json!(0)));
        s.post(&format!("{path}/records?envelope=true"), json!({"id": "x", "data": {}}))
            .await
            .expect(200);

        for (body, place) in [
            (json!({"schema": {"type": "object"}, "kind": "keyed"}), "/kind"),
            (json!({"schema": {"type": "object"}, "retention": {"max_age": "7d"}}), "/retention"),
            (json!({"schema": {"type": "object"}, "schem": 1}), "/schem"),
            (json!({"schema": {"type": "nonsense"}}), "/schema/type"),
            (json!({"schema": {"type": ["string", "null"]}}), "/schema/type"),
            (json!({"schema": {"$ref": "http://example.com/x"}}), "/schema/$ref"),
            (
                json!({"schema": {"type": "object", "properties": {
                    "a": {"type": "string", "pattern": "(?=x)"}}}}),
                "/schema/properties/a/pattern",
            ),
        ] {
            let refused = s.put("/v1/streams/bad", body).await.problem(400, "validation_failed");
            assert_eq!(refused["errors"][0]["path"], place, "{refused}");
        }
        s.put("/v1/streams/Bad", orders()).await.problem(400, "validation_failed");
    }

    pub(super) async fn an_index_is_filled_on_a_stream_with_records(engine: Engine) {
        let s = Server::start(engine).await;
        let path = "/v1/streams/orders";
        s.put(
            path,
            json!({"schema": {"type": "object", "properties": {
            "n": {"type": "integer"}}}}),
        )
        .await
        .expect(201);
        let many: Vec<_> = (0..3000).map(|n| json!({"n": n})).collect();
        s.post(&format!("{path}/records?return=minimal"), json!(many)).await.expect(200);
        s.put(
            path,
            json!({"schema": {"type": "object", "properties": {
            "n": {"type": "integer", "x-index": true}}}}),
        )
        .await
        .expect(200);
        // The fill takes steps; each look is a request.
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
        loop {
            let state = s.get(path).await.expect(200)["indexes"][0]["state"].clone();
            if state == "ready" {
                break;
            }
            assert_eq!(state, "filling");
            assert!(std::time::Instant::now() < deadline, "still filling");
        }
        s.post(&format!("{path}/records"), json!({"n": 1})).await.expect(200);
    }
}
