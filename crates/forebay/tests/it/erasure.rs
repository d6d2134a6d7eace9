//! Records that are erased: gone at every door and from the engine's files, with a tombstone in the log.

use crate::support::both;

both! {
    an_erased_record_is_gone_at_every_door
    subscribers_hear_of_it
    only_who_may_erases
    its_content_leaves_the_files
}

mod scenario {
    use std::path::Path;
    use std::time::{Duration, Instant};

    use reqwest::Method;
    use serde_json::{Value, json};

    use crate::events::{Events, Socket};
    use crate::support::{Answer, Engine, KEY, Server, answer, orders};

    const STREAM: &str = "/v1/streams/orders";
    const RECORDS: &str = "/v1/streams/orders/records";

    fn record(id: &str, owner: &str, n: i64) -> Value {
        json!({"id": id, "data": {"owner": owner, "n": n}})
    }

    /// A stream with the records a to e.
    async fn filled(engine: Engine) -> Server {
        let s = Server::start(engine).await;
        s.put(STREAM, orders()).await.expect(201);
        let owners = ["ann", "bob", "ann", "bob", "ann"];
        let records = ["a", "b", "c", "d", "e"].iter().zip(owners).zip(1..);
        let records: Vec<Value> = records.map(|((id, owner), n)| record(id, owner, n)).collect();
        s.post(&format!("{RECORDS}?envelope=true"), json!(records)).await.expect(200);
        s
    }

    async fn erase(s: &Server, id: &str) -> Answer {
        s.delete(&format!("{RECORDS}/{id}?erase=true")).await
    }

    async fn erase_by(s: &Server, key: &str, id: &str) -> Answer {
        let path = format!("{RECORDS}/{id}?erase=true");
        answer(s.request_by(key, Method::DELETE, &path)).await
    }

    pub(super) async fn an_erased_record_is_gone_at_every_door(engine: Engine) {
        let s = filled(engine).await;
        let walk = s.get(&format!("{RECORDS}?limit=2&count=exact")).await.expect(200);
        assert_eq!(walk["count"], 5);
        let by_id = s.get(&format!("{RECORDS}?limit=2&sort=id")).await.expect(200);

        let path = format!("{RECORDS}/c");
        s.delete(&path).await.problem(405, "append_only");
        s.delete(&format!("{path}?erase=false")).await.problem(405, "append_only");
        for wrong in ["erase=yes", "erase=true&force=true", "erase=true&erase=true"] {
            s.delete(&format!("{path}?{wrong}")).await.problem(400, "validation_failed");
        }
        let matching = |tag: &'static str| {
            let path = format!("{path}?erase=true");
            answer(s.request(Method::DELETE, &path).header("if-match", tag))
        };
        matching("\"2\"").await.problem(412, "version_mismatch");
        let tag = s.get(&path).await.headers["etag"].to_str().unwrap().to_owned();
        assert_eq!(tag, "\"1\"");
        let erased = matching("\"1\"").await.expect(200);
        let place = (&erased["id"], &erased["stream"], &erased["seq"], &erased["erased_seq"]);
        assert_eq!(place, (&json!("c"), &json!("orders"), &json!(6), &json!(3)), "{erased}");
        assert_eq!(erase(&s, "c").await.expect(200), erased, "a repeat gets the same answer");
        matching("\"1\"").await.expect(200);
        matching("\"2\"").await.problem(412, "version_mismatch");
        erase(&s, "z").await.problem(404, "not_found");

        s.get(&path).await.problem(404, "not_found");
        for sort in ["seq", "-seq", "id", "-id", "-time", "data.n", "-data.owner"] {
            let page = s.get(&format!("{RECORDS}?sort={sort}&count=exact")).await.expect(200);
            let items = page["items"].as_array().unwrap();
            assert!(items.iter().all(|item| item["id"] != "c"), "{sort}");
            assert_eq!((items.len(), &page["count"]), (4, &json!(4)), "{sort}");
            assert_eq!(page["as_of_seq"], 6);
        }
        for (filter, count) in [("data.n>=3", 2), ("data.n%252==1", 2), ("data.owner=='ann'", 2)] {
            for how in ["exact", "estimated"] {
                let query = format!("{RECORDS}?filter={filter}&count={how}");
                let page = s.get(&query).await.expect(200);
                assert_eq!(page["count"], count, "{filter} {how}");
            }
        }
        for sum in ["sum(data.n)", "sum(data.n + 0)"] {
            let asked = json!({"metrics": {"n": "count()", "sum": sum}});
            let told = s.post(&format!("{STREAM}/aggregate"), asked).await.expect(200);
            assert_eq!(told["groups"][0]["values"], json!({"n": 4, "sum": 12}), "{sum}");
        }
        let export = s.get(&format!("{STREAM}/export")).await;
        assert_eq!(export.text.lines().count(), 4);
        assert!(!export.text.contains("\"c\""));
        let shown = s.get(STREAM).await.expect(200);
        assert_eq!((&shown["last_seq"], &shown["records"]), (&json!(6), &json!(4)));

        // A walk that began before goes on, and counts what is left of its records.
        let rest = walk["next_cursor"].as_str().unwrap();
        s.post(&format!("{RECORDS}?envelope=true"), record("f", "bob", 6)).await.expect(200);
        let rest = s.get(&format!("{RECORDS}?limit=9&count=exact&cursor={rest}")).await.expect(200);
        assert_eq!((&rest["as_of_seq"], &rest["count"]), (&json!(5), &json!(4)), "{rest}");
        assert_eq!(ids(&rest), ["d", "e"]);
        let rest = by_id["next_cursor"].as_str().unwrap();
        let rest = s.get(&format!("{RECORDS}?limit=9&sort=id&cursor={rest}")).await.expect(200);
        assert_eq!(ids(&rest), ["d", "e"]);

        never_given_again(&s).await;
        let told = crate::audit::events(&s, "record.erase", 1).await;
        assert_eq!(told[0]["target"], json!({"kind": "record", "id": "c"}));
        assert_eq!(told[0]["details"], json!({"stream": "orders", "seq": 6}));
    }

    fn ids(page: &Value) -> Vec<&str> {
        page["items"].as_array().unwrap().iter().map(|i| i["id"].as_str().unwrap()).collect()
    }

    /// A sender that repeats itself does not bring the content back.
    async fn never_given_again(s: &Server) {
        let (same, other) = (record("c", "ann", 3), record("c", "ann", 4));
        let two = json!([same, record("g", "ann", 7)]);
        let told = s.post(&format!("{RECORDS}?envelope=true"), two.clone()).await.expect(207);
        assert_eq!(
            (&told["accepted"], &told["rejected"][0]["code"]),
            (&json!(1), &json!("id_conflict"))
        );
        assert!(told["rejected"][0]["message"].as_str().unwrap().contains("erased"), "{told}");
        assert_eq!(told["last_seq"], 8);
        s.post(&format!("{RECORDS}?envelope=true"), other).await.expect(400);
        let atomic = s.post(&format!("{RECORDS}?envelope=true&atomic=true"), two).await.expect(400);
        assert_eq!(atomic["rejected"][0]["code"], "id_conflict");
        assert_eq!((&atomic["rejected"][1], &atomic["last_seq"]), (&Value::Null, &json!(8)));
    }

    pub(super) async fn subscribers_hear_of_it(engine: Engine) {
        let s = filled(engine).await;
        let mut live = Events::open(&s, "orders", "", None).await;
        let filter = "?filter=data.owner=='bob'";
        let mut filtered = Events::open(&s, "orders", filter, None).await;
        let mut socket = Socket::open_at(&s, KEY, &format!("{STREAM}/subscribe?after=5")).await;
        let key = json!({"name": "k", "permissions": ["records:read"], "filter": "data.n > 0"});
        let key = s.post("/v1/api-keys", key).await.expect(201);
        let request = |query: &str| {
            let path = format!("{STREAM}/subscribe{query}");
            s.request_by(key["key"].as_str().unwrap(), Method::GET, &path)
        };
        let mut narrowed = Events::ask(request("")).await.unwrap();
        assert_eq!(narrowed.heard().await.unwrap().0, "heartbeat");
        erase(&s, "c").await.expect(200);
        s.post(&format!("{RECORDS}?envelope=true"), record("f", "bob", 6)).await.expect(200);
        let gone = ("delete".to_owned(), "1-6".to_owned(), json!({"id": "c", "seq": 6}));
        for events in [&mut live, &mut filtered] {
            assert_eq!(events.next().await.unwrap(), gone);
            assert_eq!(events.next().await.unwrap().1, "1-7");
        }
        let frame = socket.next().await;
        assert_eq!(frame, json!({"event": "delete", "id": "1-6", "data": {"id": "c", "seq": 6}}));
        assert_eq!(socket.next().await["id"], "1-7");
        // Whether it could see what is gone, nobody knows any more.
        assert_eq!(narrowed.next().await.unwrap().1, "1-7");
        // Whoever comes later.
        for (query, last, expected) in [
            ("?after=0", None, vec!["1-1", "1-2", "1-4", "1-5", "1-6", "1-7"]),
            ("", Some("1-4"), vec!["1-5", "1-6", "1-7"]),
            ("?after=1-5", None, vec!["1-6", "1-7"]),
            ("?after=6", None, vec!["1-7"]),
        ] {
            let mut events = Events::open(&s, "orders", query, last).await;
            for at in expected {
                let heard = events.next().await.unwrap();
                assert_eq!((heard.1.as_str(), heard.0 == "delete"), (at, at == "1-6"), "{query}");
            }
        }
        let mut resumed = Events::ask(request("?after=4")).await.unwrap();
        assert_eq!(resumed.next().await.unwrap().1, "1-5");
        assert_eq!(resumed.next().await.unwrap().1, "1-7");
        let mut shot = Events::open(&s, "orders", "?snapshot=true", None).await;
        for name in ["snapshot", "snapshot", "snapshot", "snapshot", "snapshot", "snapshot_end"] {
            assert_eq!(shot.next().await.unwrap().0, name);
        }
        erase(&s, "f").await.expect(200);
        assert_eq!(shot.next().await.unwrap().2, json!({"id": "f", "seq": 8}));
    }

    pub(super) async fn only_who_may_erases(engine: Engine) {
        let s = filled(engine).await;
        for role in ["viewer", "editor", "ingest"] {
            let (_, key) = s.program(&[role]).await;
            erase_by(&s, &key, "a").await.problem(403, "forbidden");
        }
        let elsewhere = json!({"name": "k", "permissions": ["records:erase@stream/other"]});
        let elsewhere = s.post("/v1/api-keys", elsewhere).await.expect(201);
        erase_by(&s, elsewhere["key"].as_str().unwrap(), "a").await.problem(403, "forbidden");
        // A key's filter narrows what is there for it.
        let own = json!({"name": "k", "permissions": ["records:erase@stream/orders"],
            "filter": "data.owner == 'ann'"});
        let own = s.post("/v1/api-keys", own).await.expect(201);
        let own = own["key"].as_str().unwrap();
        erase_by(&s, own, "b").await.problem(404, "not_found");
        erase_by(&s, own, "a").await.expect(200);
        erase_by(&s, own, "a").await.problem(404, "not_found");
        s.get(&format!("{RECORDS}/b")).await.expect(200);
        // So do rules.
        let role = json!({"permissions": ["records:erase", "records:read"]});
        s.put("/v1/roles/eraser", role).await.expect(201);
        let (_, key) = s.program(&["eraser"]).await;
        let mut ruled = orders();
        ruled["access"] = json!({"read": "data.n > 2", "delete": "data.owner == 'bob'"});
        s.put(STREAM, ruled).await.expect(200);
        erase_by(&s, &key, "b").await.problem(404, "not_found");
        erase_by(&s, &key, "c").await.problem(403, "forbidden");
        erase_by(&s, &key, "d").await.expect(200);
        erase_by(&s, &key, "d").await.problem(404, "not_found");
        let (_, free) = s.program(&["operator"]).await;
        erase_by(&s, &free, "c").await.expect(200);
        erase_by(&s, &free, "d").await.expect(200);
        // The system's own streams lose nothing.
        crate::audit::events(&s, "role.put", 1).await;
        let event = s.get("/v1/audit?limit=1").await.expect(200);
        let id = event["items"][0]["id"].as_str().unwrap();
        let path = format!("/v1/streams/_audit/records/{id}?erase=true");
        s.delete(&path).await.problem(403, "forbidden");
        s.delete("/v1/streams/none/records/a?erase=true").await.problem(404, "not_found");
        let shown = s.get(STREAM).await.expect(200);
        assert_eq!((&shown["last_seq"], &shown["records"]), (&json!(8), &json!(2)));
    }

    const SECRET: &str = "planted-where-it-must-not-stay";

    pub(super) async fn its_content_leaves_the_files(engine: Engine) {
        let mut s = Server::start(engine).await;
        let mut definition = orders();
        definition["schema"]["properties"]["text"] = json!({"type": "string"});
        s.put(STREAM, definition).await.expect(201);
        // Long enough to spill over its page, and of no use to a compressor.
        let noise: String = (0..3_000_u64)
            .map(|n| format!("{:x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
            .collect();
        let long = format!("{noise}{SECRET}");
        let around =
            |n: i64| json!({"id": format!("x{n}"), "data": {"owner": format!("o{n}"), "n": n}});
        let mut records: Vec<Value> = (0..200).map(around).collect();
        records.insert(90, json!({"id": "short", "data": {"owner": SECRET, "n": 1}}));
        records.insert(150, json!({"id": "long", "data": {"owner": "o", "text": long}}));
        s.post(&format!("{RECORDS}?envelope=true"), json!(records)).await.expect(200);
        assert!(holds(&s).await, "it is there before");
        erase(&s, "short").await.expect(200);
        erase(&s, "long").await.expect(200);
        // The engine's files are cleared some time later, by whoever is there then.
        s.restart();
        let deadline = Instant::now() + Duration::from_secs(60);
        while holds(&s).await {
            assert!(Instant::now() < deadline, "it is still there");
            tokio::task::yield_now().await;
        }
        let shown = s.get(&format!("{RECORDS}?count=exact")).await.expect(200);
        assert_eq!(shown["count"], 200);
        s.post(&format!("{RECORDS}?envelope=true"), record("y", "o", 1)).await.expect(200);
    }

    /// Whether the engine's files have the secret anywhere.
    async fn holds(s: &Server) -> bool {
        let has =
            |bytes: &[u8]| bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes());
        let Some(url) = &s.database else {
            let files = ["forebay.db", "forebay.db-wal"].map(|name| s.data.path().join(name));
            let read = |file: &Path| std::fs::read(file).unwrap_or_default();
            return files.iter().any(|file| has(&read(file)));
        };
        let (client, connection) =
            tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
        let connection = tokio::spawn(connection);
        client.batch_execute("CHECKPOINT").await.unwrap();
        // The stream's table and all that belongs to it; the server removes a file when it likes.
        let sql = "SELECT pg_read_binary_file(pg_relation_filepath(c.oid), 0, \
                   pg_relation_size(c.oid), true) FROM pg_class c \
                   WHERE c.relkind IN ('r', 'i', 't') AND c.oid >= 16384";
        let files = client.query(sql, &[]).await.unwrap();
        let bytes = files.iter().filter_map(|row| row.get::<_, Option<Vec<u8>>>(0));
        let found = bytes.into_iter().any(|bytes| has(&bytes));
        drop(client);
        connection.await.unwrap().unwrap();
        found
    }
}
