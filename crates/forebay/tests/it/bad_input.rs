//! Input that breaks a rule: a clear 4xx that names the place, and nothing else harmed.

use crate::support::both;

both! {
    values_that_cannot_be_kept
    cells_that_cannot_be_kept
    ids_at_their_bounds
    cursors_that_are_not_ours
    stale_versions_change_nothing
    bodies_beyond_their_bounds
    patterns_and_references_that_are_not_followed
    refused_requests_are_answered_whatever_they_still_send
}

mod scenario {
    use std::io::{Read as _, Write as _};

    use axum::body::Bytes;
    use futures_util::stream;
    use reqwest::{Body, Method};
    use serde_json::{Value, json};

    use crate::support::{Engine, Server, answer, client, orders};

    const RECORDS: &str = "/v1/streams/orders/records";
    const LINES: &str = "application/x-ndjson";

    /// Code and place of a rejection; `None` for a record that is taken.
    type Why = Option<(&'static str, &'static str)>;

    async fn start(engine: Engine) -> Server {
        let s = Server::start(engine).await;
        s.put("/v1/streams/orders", orders()).await.expect(201);
        s
    }

    /// Index, code and place of each rejection.
    fn rejected(told: &Value) -> Vec<(u64, &str, &str)> {
        let rejected = told["rejected"].as_array().unwrap().iter();
        rejected
            .map(|r| {
                let text = |name: &str| r[name].as_str().unwrap();
                (r["index"].as_u64().unwrap(), text("code"), text("path"))
            })
            .collect()
    }

    async fn last_seq(s: &Server) -> i64 {
        s.get("/v1/streams/orders").await.expect(200)["last_seq"].as_i64().unwrap()
    }

    pub(super) async fn values_that_cannot_be_kept(engine: Engine) {
        let s = start(engine).await;
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(64), "]".repeat(64));
        let broken: &[(&[u8], &str, &str)] = &[
            (b"{\"price\":9007199254740993}", "number_not_exact", "/data/price"),
            (b"{\"price\":-9223372036854775807}", "number_not_exact", "/data/price"),
            (b"{\"n\":9223372036854775808}", "number_out_of_range", "/data/n"),
            (b"{\"any\":[-9223372036854775809]}", "number_out_of_range", "/data/any/0"),
            (b"{\"price\":1e309}", "number_out_of_range", "/data/price"),
            (b"{\"a/b\":{\"c~\":\"\\ud800\"}}", "lone_surrogate", "/data/a~1b/c~0"),
            (b"{\"a\":\"\\udc00\\ud800\"}", "lone_surrogate", "/data/a"),
            (b"{\"a\":\"x\\u0000\"}", "nul_character", "/data/a"),
            (b"{\"a\\u0000\":1}", "nul_character", "/data"),
            (b"{\"a\":{\"b\":1,\"b\":1}}", "duplicate_member", "/data/a/b"),
            (deep.as_bytes(), "too_deep", ""),
            (b"{\"a\":\"\xff\"}", "invalid_json", ""),
            (b"{\"a\":\"\xed\xa0\x80\"}", "invalid_json", ""),
            (b"{\"a\":1", "invalid_json", ""),
            (b"null", "not_an_object", ""),
        ];
        // Each as a line between two good ones.
        let mut lines = b"{\"n\":1}\n".to_vec();
        for (line, ..) in broken {
            lines.extend_from_slice(line);
            lines.extend_from_slice(b"\n{\"n\":1}\n");
        }
        let told = s.post_as(RECORDS, LINES, lines).await.expect(207);
        assert_eq!(told["accepted"], broken.len() + 1);
        let places = broken.iter().zip(0..);
        let places: Vec<_> = places.map(|((_, c, p), at)| (2 * at + 1, *c, *p)).collect();
        assert_eq!(rejected(&told), places);

        // And as an element of an array, where it is JSON at all.
        for (text, code, path) in broken {
            let body = [b"[{\"n\":1},".as_slice(), text, b",{\"n\":2}]"].concat();
            let sent = s.post_as(RECORDS, "application/json", body).await;
            if *code == "invalid_json" || *code == "too_deep" {
                sent.problem(400, "invalid_json");
                continue;
            }
            let told = sent.expect(207);
            assert_eq!((&told["accepted"], rejected(&told)), (&json!(2), vec![(1, *code, *path)]));
        }
        // What just fits comes back as it went in.
        let fits =
            r#"{"n":-9223372036854775808,"price":9007199254740992,"a":1.7976931348623157e308}"#;
        let told = s.post_as(RECORDS, LINES, fits).await.expect(200);
        let id = told["records"][0]["id"].as_str().unwrap();
        assert!(s.get(&format!("{RECORDS}/{id}")).await.text.contains("9007199254740992"));
    }

    pub(super) async fn cells_that_cannot_be_kept(engine: Engine) {
        let s = start(engine).await;
        let rows: &[(&[u8], Why)] = &[
            (b"ann,1,1.5,true", None),
            (b"\xff,1,1,", Some(("invalid_csv", "/data/owner"))),
            (b"a\0b,1,1,", Some(("nul_character", "/data/owner"))),
            (b"b,9223372036854775808,1,", Some(("number_out_of_range", "/data/n"))),
            (b"b,1.5,1,", Some(("type_mismatch", "/data/n"))),
            (b"b,one,1,", Some(("type_mismatch", "/data/n"))),
            (b"b,1,9007199254740993,", Some(("number_not_exact", "/data/price"))),
            (b"b,1,1e309,", Some(("number_out_of_range", "/data/price"))),
            (b"b,1,NaN,", Some(("type_mismatch", "/data/price"))),
            (b"b,1,1,yes", Some(("type_mismatch", "/data/paid"))),
            (b"b,1,1", Some(("invalid_csv", ""))),
            (b"b,1,1,,", Some(("invalid_csv", ""))),
            (b"\"b\"b,1,1,", Some(("invalid_csv", ""))),
            (b"17.9\"W,1,1,", None),
            (b"bob,,,", None),
            (b"\"open,1,1,\n", Some(("invalid_csv", ""))),
        ];
        let mut csv = b"owner,n,price,paid\n".to_vec();
        csv.extend(rows.iter().flat_map(|(row, _)| [*row, b"\n"].concat()));
        let told = s.post_as(RECORDS, "text/csv", csv).await.expect(207);
        let places = rows.iter().zip(0..).filter_map(|((_, why), at)| {
            let (code, path) = (*why)?;
            Some((at, code, path))
        });
        assert_eq!(rejected(&told), places.collect::<Vec<_>>());
        assert_eq!(told["accepted"], 3);
        let long = format!("n\n{}\n", "9x".repeat(100_000));
        let told = s.post_as(RECORDS, "text/csv", long).await.expect(400);
        assert!(told["rejected"][0]["message"].as_str().unwrap().len() < 100, "a long echo");
        for header in
            ["n,\u{0}a\n1,2\n".as_bytes(), b"n,\xff\n1,2\n", b"n,n\n1,2\n", b"n,\"a\"b\n1,2\n"]
        {
            let refused = s.post_as(RECORDS, "text/csv", header.to_vec()).await;
            let refused = refused.problem(400, "validation_failed");
            assert!(refused["detail"].as_str().unwrap().contains("header"), "{refused}");
        }
        assert_eq!(last_seq(&s).await, 3);
    }

    pub(super) async fn ids_at_their_bounds(engine: Engine) {
        let s = start(engine).await;
        let mut definition = orders();
        definition["id_from"] = json!("data.owner");
        s.put("/v1/streams/orders", definition).await.expect(200);
        let longest = ["x".repeat(255), format!("{}x", "é".repeat(127))];
        let strange = ["a/b", "%00", "ä €\u{1F600}", "?q#f", "a b", "\u{1}\n"];
        let good = longest.iter().map(String::as_str).chain(strange);
        for id in good.clone() {
            s.post(RECORDS, json!({"owner": id})).await.expect(200);
        }
        for id in good {
            let found = s.get(&format!("{RECORDS}/{}", encoded(id))).await.expect(200);
            assert_eq!(found["id"], id);
        }
        let taken = last_seq(&s).await;
        let long = ["x".repeat(256), "é".repeat(128)];
        for id in long.iter().map(String::as_str).chain([""]) {
            let told = s.post(RECORDS, json!([{"owner": id}])).await.expect(400);
            assert_eq!(rejected(&told), [(0, "id_invalid", "/data/owner")]);
            let missing = s.get(&format!("{RECORDS}/{}", encoded(id))).await;
            missing.problem(404, "not_found");
        }
        for path in ["records/a%00b", "records/%00"] {
            let refused = s.get(&format!("/v1/streams/orders/{path}")).await;
            refused.problem(400, "bad_request");
        }
        s.get(&format!("{RECORDS}/%ff")).await.problem(400, "bad_request");
        for method in [Method::GET, Method::PUT, Method::DELETE] {
            let refused = s.request(method, "/v1/streams/a%00b").body("{}");
            answer(refused).await.problem(400, "bad_request");
        }
        assert_eq!(last_seq(&s).await, taken);
    }

    /// Each byte of a path's segment as RFC 3986 escapes it.
    fn encoded(segment: &str) -> String {
        segment.bytes().map(|byte| format!("%{byte:02X}")).collect()
    }

    pub(super) async fn cursors_that_are_not_ours(engine: Engine) {
        let s = start(engine).await;
        s.put("/v1/streams/lines", orders()).await.expect(201);
        let records = json!([{"n": 1}, {"n": 2}, {"n": 3}]);
        for stream in ["orders", "lines"] {
            s.post(&format!("/v1/streams/{stream}/records"), records.clone()).await.expect(200);
        }
        let page = s.get(&format!("{RECORDS}?limit=1")).await.expect(200);
        let cursor = page["next_cursor"].as_str().unwrap();
        let refused = async |path: &str, cursor: &str| {
            let told = s.get(&format!("{path}{cursor}")).await.problem(400, "validation_failed");
            assert_eq!(told["errors"][0]["path"], "?cursor", "{path}{cursor}");
        };
        let list = format!("{RECORDS}?limit=1&cursor=");
        for at in 0..cursor.len() {
            let other = if &cursor[at..=at] == "A" { "B" } else { "A" };
            refused(&list, &format!("{}{other}{}", &cursor[..at], &cursor[at + 1..])).await;
        }
        for forged in ["", "AAAA", "%C3%A9", &cursor[1..], &cursor[..cursor.len() - 1]] {
            refused(&list, forged).await;
        }
        refused(&format!("{RECORDS}?limit=1&sort=time&cursor="), cursor).await;
        refused("/v1/streams/lines/records?limit=1&cursor=", cursor).await;
        refused("/v1/streams?cursor=", cursor).await;
        let streams = s.get("/v1/streams?limit=1").await.expect(200);
        refused(&list, streams["next_cursor"].as_str().unwrap()).await;
        let next = s.get(&format!("{list}{cursor}")).await.expect(200);
        assert_eq!(next["items"][0]["seq"], 2);
        // Made anew, it is another stream.
        s.delete("/v1/streams/orders").await.expect(204);
        s.put("/v1/streams/orders", orders()).await.expect(201);
        refused(&list, cursor).await;
    }

    pub(super) async fn stale_versions_change_nothing(engine: Engine) {
        let s = start(engine).await;
        let path = "/v1/streams/orders";
        let mut wider = orders();
        wider["schema"]["properties"]["more"] = json!({"type": "string"});
        let put = async |tag: &str, body: &Value| {
            answer(s.request(Method::PUT, path).header("if-match", tag).json(body)).await
        };
        let delete = async |path: &str, tag: &str| {
            answer(s.request(Method::DELETE, path).header("if-match", tag)).await
        };
        assert_eq!(put("\"1\"", &wider).await.expect(200)["version"], 2);
        s.post(RECORDS, json!({"n": 1})).await.expect(200);
        for stale in ["\"1\"", "\"3\"", "\"\"", "1", "nonsense"] {
            put(stale, &orders()).await.problem(412, "version_mismatch");
            delete(path, stale).await.problem(412, "version_mismatch");
        }
        let kept = s.get(path).await;
        assert_eq!(kept.headers["etag"], "\"2\"");
        let kept = kept.expect(200);
        assert_eq!((&kept["version"], &kept["last_seq"]), (&json!(2), &json!(1)));
        assert!(kept["schema"]["properties"].get("more").is_some(), "{kept}");
        let absent = s.request(Method::PUT, "/v1/streams/none").header("if-match", "\"1\"");
        answer(absent.json(&orders())).await.problem(412, "version_mismatch");
        s.get("/v1/streams/none").await.problem(404, "not_found");
        delete("/v1/streams/none", "\"1\"").await.problem(404, "not_found");
        assert_eq!(delete(path, "\"1\", \"2\"").await.status, 204);
        s.get(path).await.problem(404, "not_found");
    }

    const MIB: usize = 1 << 20;

    /// A line without an end, in pieces and without a length.
    fn endless_line(bytes: usize) -> Body {
        let piece = Bytes::from(vec![b'a'; 64 << 10]);
        let pieces = (0..bytes / piece.len()).map(move |_| Ok::<_, std::io::Error>(piece.clone()));
        Body::wrap_stream(stream::iter(pieces))
    }

    pub(super) async fn bodies_beyond_their_bounds(engine: Engine) {
        let s = start(engine).await;
        s.post(RECORDS, json!({"n": 1})).await.expect(200);
        let before = s.peak_memory();
        for _ in 0..3 {
            let refused = s.post_as(RECORDS, LINES, endless_line(1 << 30)).await;
            let told = refused.problem(413, "too_large");
            assert!(told["detail"].as_str().unwrap().contains("33554432 bytes"), "{told}");
        }
        // Who says so beforehand is refused beforehand.
        let told = s.request(Method::POST, RECORDS).header("content-length", 1_u64 << 30);
        answer(told.body(endless_line(1 << 30))).await.problem(413, "too_large");

        let blanks = zstd::encode_all(std::io::repeat(b' ').take(1 << 30), 1).unwrap();
        assert!(blanks.len() < MIB, "no bomb: {}", blanks.len());
        let whole = zstd::encode_all(&b"{\"n\":1}\n{\"n\":2}\n"[..], 1).unwrap();
        let wide = {
            let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
            encoder.window_log(27).unwrap();
            encoder.write_all(&vec![b' '; 40 * MIB]).unwrap();
            encoder.finish().unwrap()
        };
        let cut = whole[..whole.len() - 3].to_vec();
        for (body, coding, status, code) in [
            (blanks, "zstd", 413, "too_large"),
            (cut, "zstd", 400, "bad_request"),
            (wide, "zstd", 400, "bad_request"),
            (b"{\"n\":1}".to_vec(), "zstd", 400, "bad_request"),
            (b"{\"n\":1}".to_vec(), "gzip", 400, "bad_request"),
            (b"{\"n\":1}".to_vec(), "br", 415, "unsupported_media_type"),
            (b"{\"n\":1}".to_vec(), "gzip, zstd", 415, "unsupported_media_type"),
        ] {
            let request = s.request(Method::POST, RECORDS).header("content-encoding", coding);
            let request = request.header("content-type", LINES).body(body);
            answer(request).await.problem(status, code);
        }
        let grown = s.peak_memory() - before;
        assert!(grown < 200 * MIB as u64, "it grew by {} MiB", grown / MIB as u64);

        // A line that is too long for a record is refused alone.
        let long = format!("{{\"n\":1}}\n{{\"s\":\"{}\"}}\n{{\"n\":2}}\n", "x".repeat(2 * MIB));
        let told = s.post_as(RECORDS, LINES, long).await.expect(207);
        assert_eq!(
            (&told["accepted"], rejected(&told)),
            (&json!(2), vec![(1, "too_large", "/data")])
        );
        let key = s.request(Method::POST, RECORDS).header("idempotency-key", "k".repeat(256));
        answer(key.json(&json!({"n": 1}))).await.problem(400, "validation_failed");
        assert_eq!(last_seq(&s).await, 3);
    }

    pub(super) async fn patterns_and_references_that_are_not_followed(engine: Engine) {
        let s = start(engine).await;
        let at = "/schema/properties/a";
        let refused = async |schema: Value, place: &str| {
            let body = json!({"schema": {"type": "object", "properties": {"a": schema}}});
            let told = s.put("/v1/streams/bad", body).await.problem(400, "validation_failed");
            assert_eq!(told["errors"][0]["path"], format!("{at}{place}"), "{told}");
        };
        let patterns = [
            "(?=x)",
            "(?!x)",
            "(?<=x)y",
            "(?<!x)y",
            r"(a)\1",
            "((a{100}){100}){100}",
            "(",
            r"\p{Nope}",
        ];
        for pattern in patterns {
            refused(json!({"type": "string", "pattern": pattern}), "/pattern").await;
            let items = json!({"items": {"anyOf": [{"pattern": pattern}]}});
            refused(items, "/items/anyOf/0/pattern").await;
            refused(json!({"propertyNames": {"pattern": pattern}}), "/propertyNames/pattern").await;
        }
        refused(json!({"patternProperties": {"(?=x)": {}}}), "/patternProperties/(?=x)").await;
        for to in [
            "http://127.0.0.1:1/x",
            "file:///etc/passwd",
            "other.json",
            "urn:a:b",
            "#/nowhere",
            "x#/y",
        ] {
            refused(json!({"$ref": to}), "/$ref").await;
            refused(json!({"not": {"$ref": to}}), "/not/$ref").await;
        }
        refused(json!({"$dynamicRef": "http://127.0.0.1:1/x"}), "/$dynamicRef").await;
        s.get("/v1/streams/bad").await.problem(404, "not_found");
        let good = json!({"schema": {"type": "object",
            "properties": {"a": {"$ref": "#/$defs/word"}}, "$defs": {"word": {"pattern": "^[a-z]+$"}}}});
        s.put("/v1/streams/good", good).await.expect(201);
        // A pattern that would run for ever where it is tried step by step.
        let slow = json!({"schema": {"type": "object", "properties": {
            "a": {"type": "string", "pattern": "^(a+)+$"}}}});
        s.put("/v1/streams/slow", slow).await.expect(201);
        let told = s.post("/v1/streams/slow/records", json!({"a": "a".repeat(50_000) + "!"})).await;
        assert_eq!(rejected(&told.expect(400)), [(0, "pattern_mismatch", "/data/a")]);
    }

    pub(super) async fn refused_requests_are_answered_whatever_they_still_send(engine: Engine) {
        let s = start(engine).await;
        let url = format!("http://{}{RECORDS}", s.address);
        let client = client();
        for _ in 0..5 {
            let body = || endless_line(64 * MIB);
            let unknown = client.post(&url).bearer_auth("wrong").body(body());
            answer(unknown).await.problem(401, "unauthenticated");
            let nowhere = s.request(Method::POST, "/nothing/here").body(body());
            answer(nowhere).await.problem(404, "not_found");
            s.post_as(RECORDS, "image/png", body()).await.problem(415, "unsupported_media_type");
            let stream = s.request(Method::PUT, "/v1/streams/big").body(body());
            answer(stream).await.problem(413, "too_large");
        }
        assert_eq!(last_seq(&s).await, 0);
    }
}
