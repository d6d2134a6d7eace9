//! Records in.

use crate::support::both;

both! {
    each_record_has_its_result
    a_column_takes_no_others_place
    forms_and_encodings
    a_repeated_request_gets_its_answer_again
    a_batch_is_all_or_none
}

mod scenario {
    use std::io::Write as _;

    use reqwest::Method;
    use serde_json::{Value, json};

    use crate::support::{Engine, Server, answer, orders};

    const RECORDS: &str = "/v1/streams/orders/records";

    pub(super) async fn each_record_has_its_result(engine: Engine) {
        let s = Server::start(engine).await;
        let mut definition = orders();
        definition["id_from"] = json!("data.owner");
        s.put("/v1/streams/orders", definition).await.expect(201);
        let body = json!([
            {"owner": "a", "n": 1}, {"owner": "b", "n": "x"}, {"n": 1, "owner": "a"},
            {"owner": "a", "n": 2}, {"n": 3}, 7,
        ]);
        let told = s.post(RECORDS, body).await.expect(207);
        let places: Vec<_> = told["rejected"].as_array().unwrap().iter().map(place).collect();
        assert_eq!(
            places,
            [
                (1, "type_mismatch", "/data/n"),
                (3, "id_conflict", "/id"),
                (4, "id_invalid", "/data/owner"),
                (5, "not_an_object", ""),
            ]
        );
        assert_eq!((&told["accepted"], &told["duplicates"]), (&json!(1), &json!(1)));
        assert_eq!(
            told["records"],
            json!([{"index": 0, "id": "a", "seq": 1, "version": 1},
                   {"index": 2, "id": "a", "seq": 1, "version": 1}])
        );
        assert_eq!(told["last_seq"], 1);
        let minimal = s.post(&format!("{RECORDS}?return=minimal"), json!({"owner": "m"})).await;
        assert_eq!(minimal.expect(200).get("records"), None);
        s.post(RECORDS, json!({"n": 1})).await.expect(400);
        let atomic = format!("{RECORDS}?atomic=true");
        let told = s.post(&atomic, json!([{"owner": "c"}, {"owner": "a", "n": 9}])).await;
        let told = told.expect(400);
        assert_eq!((&told["accepted"], &told["last_seq"]), (&json!(0), &json!(2)));
        s.get(&format!("{RECORDS}/c")).await.problem(404, "not_found");
        let envelope = format!("{RECORDS}?envelope=true");
        let body =
            json!({"id": "e", "time": "2026-01-02T03:04:05.5+01:00", "data": {"owner": "z"}});
        s.post(&envelope, body).await.expect(200);
        let kept = s.get(&format!("{RECORDS}/e")).await.expect(200);
        assert_eq!(kept["time"], "2026-01-02T02:04:05.500000Z");
        for (body, code, path) in [
            (json!({"id": "", "data": {}}), "id_invalid", "/id"),
            (json!({"id": "x".repeat(256), "data": {}}), "id_invalid", "/id"),
            (json!({"id": "q", "time": "yesterday", "data": {}}), "time_invalid", "/time"),
            (json!({"id": "q", "dta": {}}), "required", "/data"),
            (json!({"id": "q", "data": {"owner": "q"}, "more": 1}), "unknown_member", "/more"),
        ] {
            let told = s.post(&envelope, body).await.expect(400);
            assert_eq!(place(&told["rejected"][0]), (0, code, path), "{told}");
        }
    }

    fn place(value: &Value) -> (u64, &str, &str) {
        let text = |name: &str| value[name].as_str().unwrap();
        (value["index"].as_u64().unwrap(), text("code"), text("path"))
    }

    pub(super) async fn a_column_takes_no_others_place(engine: Engine) {
        let s = Server::start(engine).await;
        let schema = json!({"type": "object", "properties": {"n": {"type": "integer"},
            "a": {"type": "object", "properties": {"n": {"type": "integer"}}}}});
        s.put("/v1/streams/orders", json!({"schema": schema})).await.expect(201);
        for header in ["n,data.n", "a.n,data.a.n", "a,a.n", "a.n,a", "x,x"] {
            let refused = s.post_as(RECORDS, "text/csv", format!("{header}\n1,2\n")).await;
            let refused = refused.problem(400, "validation_failed");
            let second = format!("`{}`", header.split_once(',').unwrap().1);
            assert!(refused["detail"].as_str().unwrap().contains(&second), "{refused}");
        }
        s.post_as(RECORDS, "text/csv", "a.n,n,a.x\n1,2,3\n").await.expect(200);
        let items = s.get(&format!("{RECORDS}?fields=data")).await.expect(200);
        let data = json!({"a": {"n": 1}, "n": 2, "a.x": "3"});
        assert_eq!(items["items"], json!([{"data": data}]));
    }

    pub(super) async fn forms_and_encodings(engine: Engine) {
        let s = Server::start(engine).await;
        s.put("/v1/streams/orders", orders()).await.expect(201);
        let csv = "owner,n,paid,extra\nann,5,true,x\n\"b,\"\"c\",,,\nd,x,,\ne,1\n";
        let told = s.post_as(RECORDS, "text/csv; charset=utf-8", csv).await.expect(207);
        assert_eq!(told["accepted"], 2);
        let items = s.get(&format!("{RECORDS}?fields=data")).await.expect(200);
        assert_eq!(
            items["items"][0]["data"],
            json!({"owner": "ann", "n": 5, "paid": true, "extra": "x"})
        );
        assert_eq!(items["items"][1]["data"], json!({"owner": "b,\"c", "extra": ""}));
        s.post_as(RECORDS, "text/csv", "a,a\n1,2\n").await.problem(400, "validation_failed");

        let lines = "{\"n\":1}\n\n{bad\r\n{\"n\":2}";
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(lines.as_bytes()).unwrap();
        let gzip = gzip.finish().unwrap();
        let zstd = zstd::encode_all(lines.as_bytes(), 1).unwrap();
        for (coding, body) in [("gzip", gzip.clone()), ("zstd", zstd)] {
            let request = s.request(Method::POST, RECORDS).header("content-encoding", coding);
            let request = request.header("content-type", "application/x-ndjson").body(body);
            let told = answer(request).await.expect(207);
            assert_eq!(told["accepted"], 2);
            assert_eq!(place(&told["rejected"][0]), (1, "invalid_json", ""));
        }
        let truncated = gzip[..gzip.len() - 9].to_vec();
        let request = s.request(Method::POST, RECORDS).header("content-encoding", "gzip");
        answer(request.body(truncated)).await.problem(400, "bad_request");
        let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        for _ in 0..40 {
            bomb.write_all(&vec![b' '; 1 << 20]).unwrap();
        }
        let request = s.request(Method::POST, RECORDS).header("content-encoding", "gzip");
        answer(request.body(bomb.finish().unwrap())).await.problem(413, "too_large");
        s.post_as(RECORDS, "application/xml", "<a/>").await.problem(415, "unsupported_media_type");
        let many: Vec<_> = (0..20_001).map(|_| json!({})).collect();
        s.post(RECORDS, json!(many)).await.problem(413, "too_large");
    }

    pub(super) async fn a_repeated_request_gets_its_answer_again(engine: Engine) {
        let mut s = Server::start(engine).await;
        s.put("/v1/streams/orders", orders()).await.expect(201);
        let send = async |s: &Server, body: &str| {
            let request = s.request(Method::POST, RECORDS).header("idempotency-key", "k");
            answer(request.body(body.to_owned())).await
        };
        let first = send(&s, r#"[{"n":1},{"n":"x"}]"#).await;
        first.expect(207);
        s.restart();
        let again = send(&s, r#"[{"n":1},{"n":"x"}]"#).await;
        assert_eq!((again.status, &again.text), (first.status, &first.text));
        send(&s, r#"[{"n":2}]"#).await.problem(422, "idempotency_mismatch");
        let both = tokio::join!(
            send_with(&s, "twice", r#"{"n":5}"#),
            send_with(&s, "twice", r#"{"n":5}"#)
        );
        assert_eq!(both.0.expect(200), both.1.expect(200));
        assert_eq!(s.get("/v1/streams/orders").await.expect(200)["last_seq"], 2);
    }

    async fn send_with(s: &Server, key: &str, body: &'static str) -> crate::support::Answer {
        answer(s.request(Method::POST, RECORDS).header("idempotency-key", key).body(body)).await
    }

    pub(super) async fn a_batch_is_all_or_none(engine: Engine) {
        let s = Server::start(engine).await;
        s.put("/v1/streams/orders", orders()).await.expect(201);
        s.put("/v1/streams/lines", orders()).await.expect(201);
        let body = json!([
            {"stream": "orders", "records": [{"id": "o", "data": {"n": 1}}]},
            {"stream": "lines", "records": [{"data": {"n": 1}}, {"data": {"n": 2}}]},
        ]);
        let told = s.post("/v1/batch", body).await.expect(200);
        assert_eq!(told["results"][0]["stream"], "orders");
        assert_eq!(told["results"][1]["accepted"], 2);
        let body = json!([
            {"stream": "lines", "records": [{"data": {"n": 3}}]},
            {"stream": "orders", "records": [{"id": "o", "data": {"n": 2}}]},
        ]);
        let told = s.post("/v1/batch", body).await.expect(400);
        assert_eq!(told["results"][1]["rejected"][0]["code"], "id_conflict");
        assert_eq!(told["results"][0]["last_seq"], 2);
        let unknown = s.post("/v1/batch", json!([{"stream": "none", "records": []}])).await;
        assert_eq!(unknown.problem(404, "not_found")["errors"][0]["path"], "/0/stream");
        s.post("/v1/batch", json!({})).await.problem(400, "validation_failed");
    }
}
