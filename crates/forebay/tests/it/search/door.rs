//! What is found, how it is marked and counted, and that it is so at every door.

use crate::search::engines;

engines! {
    words_are_found_marked_and_counted
    every_door_answers_what_was_just_written
    a_search_waits_for_what_it_is_told_to
}

mod scenario {
    use reqwest::Method;
    use serde_json::{Value, json};

    use crate::indexing::{Bench, Place};
    use crate::search::{all, found, ids, logs, reach, search, send, sorted};
    use crate::support::{Engine, answer};

    fn some() -> Value {
        json!([
            {"id": "a", "data": {"host": "web-1", "n": 1, "ok": true, "ms": 0.5, "tags": ["prod", "eu"],
                "title": "Disks are running out", "msg": "Disk full on <b>dev-01</b> & more"}},
            {"id": "b", "data": {"host": "web-2", "n": 2, "ok": false, "ms": 1.5, "tags": ["prod"],
                "title": "A disk ran full", "msg": "full disk"}},
            {"id": "c", "data": {"host": "web-1", "n": 3, "ok": true, "tags": ["test", "test"],
                "msg": "the disk is fine", "free": "full"}},
            {"id": "d", "data": {"host": "db-1", "n": 4, "msg": "Überlauf: 満員 93.5%", "tags": []}},
            {"id": "e", "data": {"host": "db-1", "n": 5}},
        ])
    }

    const RECORDS: &str = "/v1/streams/logs/records";

    pub(super) async fn words_are_found_marked_and_counted(place: Place, engine: Engine) {
        let Some(bench) = Bench::find(place) else { return };
        let s = bench.start(engine).await;
        s.put("/v1/streams/logs", logs()).await.expect(201);
        let head = send(&s, some()).await;
        reach(&s, "logs", head).await;
        let query =
            [("q", "disk full"), ("facets", "data.host:1,data.tags,data.ok,data.n:2,data.ms")];
        let page = found(&s, &query).await;
        assert_eq!(sorted(ids(&page)), ["a", "b"]);
        assert_eq!((&page["indexed_seq"], &page["next_cursor"]), (&json!(5), &Value::Null));
        let expected = json!({
            "data.host": [{"value": "web-1", "count": 1}],
            "data.tags": [{"value": "prod", "count": 2}, {"value": "eu", "count": 1}],
            "data.ok": [{"value": false, "count": 1}, {"value": true, "count": 1}],
            "data.n": [{"value": 1, "count": 1}, {"value": 2, "count": 1}],
            "data.ms": [{"value": 0.5, "count": 1}, {"value": 1.5, "count": 1}]});
        assert_eq!(page["facets"], expected);
        let items = page["items"].as_array().unwrap();
        let of = |id: &str| items.iter().find(|item| item["record"]["id"] == id).unwrap();
        let marked = &of("a")["highlight"]["data.msg"][0];
        let text = "<mark>Disk</mark> <mark>full</mark> on &lt;b&gt;dev-01&lt;/b&gt; &amp; more";
        assert_eq!(marked, text);
        assert!(of("a")["highlight"]["data.title"][0].as_str().unwrap().contains("<mark>Disks"));
        assert!(of("b")["score"].as_f64().unwrap() > 0.0);
        assert_eq!(of("a")["record"]["data"]["host"], "web-1");
        for (q, expected) in [
            ("disk", "abc"),
            ("DISK", "abc"),
            ("disks", "ab"),
            ("disk -full", "c"),
            ("\"disk full\"", "a"),
            ("\"full disk\"", "b"),
            ("überlauf", "d"),
            ("über*", "d"),
            ("満員", "d"),
            ("title:disk", "ab"),
            ("data.msg:fine", "c"),
            ("fine OR überlauf", "cd"),
            ("(fine OR full) disk", "abc"),
            ("tags:prod", "ab"),
            ("host:db-1", "de"),
            ("n:3", "c"),
            ("nothing", ""),
            ("disk NOT tags:prod", "c"),
            ("\"93 5\"", "d"),
            ("", "abcde"),
        ] {
            let expected: Vec<String> = expected.chars().map(String::from).collect();
            assert_eq!(sorted(all(&s, &[("q", q)]).await), expected, "{q}");
            assert_eq!(all(&s, &[("q", q), ("sort", "data.n")]).await, expected, "{q}, sorted");
            let down: Vec<String> = expected.into_iter().rev().collect();
            assert_eq!(all(&s, &[("q", q), ("sort", "-seq")]).await, down, "{q}, downwards");
        }
        let query = [
            ("q", "disk"),
            ("filter", "data.n > 1 && data.free != \"x\""),
            ("fields", "id,data.n"),
            ("explain", "true"),
            ("facets", "data.host"),
        ];
        let page = found(&s, &query).await;
        assert_eq!(page["items"][0]["record"], json!({"id": "c", "data": {"n": 3}}));
        assert_eq!(page["facets"]["data.host"], json!([{"value": "web-1", "count": 1}]));
        let explain = &page["explain"];
        assert_eq!((&explain["plan"], &explain["indexed_seq"]), (&json!("index"), &json!(5)));
        assert_eq!(explain["pushed"], json!(["data.n > 1"]));
        assert_eq!(explain["evaluated"], json!(["data.free != \"x\""]));
        bench.clean(&s).await;
    }

    /// Nothing is waited for: what the index does not hold yet is read from the log.
    pub(super) async fn every_door_answers_what_was_just_written(place: Place, engine: Engine) {
        let Some(bench) = Bench::find(place) else { return };
        let s = bench.start(engine).await;
        s.put("/v1/streams/logs", logs()).await.expect(201);
        let filter = "search(\"disk full\") && data.n >= 0";
        let filtered = "search(\"disk full\") && data.free != \"x\"";
        let list = async |query: &[(&str, &str)]| {
            answer(s.request(Method::GET, RECORDS).query(query)).await.expect(200)
        };
        let mut expected: Vec<String> = Vec::new();
        for round in 0..30_i64 {
            let good = |n: i64| n % 3 != 0;
            let record = |n: i64| {
                let msg = if good(n) { "the disk is full" } else { "the disk is fine" };
                // Their times run to and fro.
                let time = format!("2026-03-01T00:00:{:02}Z", (n * 7) % 60);
                let host = format!("h{}", n % 4);
                json!({"id": format!("r{n:03}"), "time": time,
                    "data": {"n": n, "msg": msg, "free": "y", "host": host}})
            };
            let numbers: Vec<i64> = (round * 4..round * 4 + 4).collect();
            send(&s, numbers.iter().map(|n| record(*n)).collect()).await;
            expected.extend(numbers.iter().filter(|n| good(**n)).map(|n| format!("r{n:03}")));
            let down: Vec<String> = expected.iter().rev().cloned().collect();
            for filter in [filter, filtered] {
                let base = [("filter", filter), ("limit", "1000"), ("count", "exact")];
                let page = list(&base).await;
                assert_eq!(ids(&page), expected, "{filter}");
                assert_eq!(page["count"], expected.len(), "{filter}");
                for sort in ["-seq", "-data.n", "-id"] {
                    let query = [base.as_slice(), &[("sort", sort)]].concat();
                    assert_eq!(ids(&list(&query).await), down, "{filter}, by {sort}");
                }
                let by_time = [base.as_slice(), &[("sort", "time,seq")]].concat();
                let mut timed = expected.clone();
                timed.sort_by_key(|id| {
                    let n: i64 = id[1..].parse().unwrap();
                    ((n * 7) % 60, n)
                });
                assert_eq!(ids(&list(&by_time).await), timed, "{filter}, by time");
                let body = json!({"filter": filter, "q": "disk", "explain": true,
                    "group_by": [{"as": "host", "field": "data.host"}],
                    "metrics": {"n": "count()", "sum": "sum(data.n)", "p": "percentile(data.n, 1)"}});
                let told = s.post("/v1/streams/logs/aggregate", body.clone()).await.expect(200);
                let numbers = expected.iter().map(|id| id[1..].parse::<i64>().unwrap());
                let sum = |field: &str| -> i64 {
                    let groups = told["groups"].as_array().unwrap().iter();
                    groups.map(|group| group["values"][field].as_i64().unwrap()).sum()
                };
                let (count, total) = (i64::try_from(expected.len()).unwrap(), numbers.sum::<i64>());
                assert_eq!((sum("n"), sum("sum")), (count, total), "{told}");
                let mut plain = body;
                plain["metrics"].as_object_mut().unwrap().remove("p");
                let told = s.post("/v1/streams/logs/aggregate", plain).await.expect(200);
                let groups = told["groups"].as_array().unwrap().iter();
                let n: i64 = groups.map(|group| group["values"]["n"].as_i64().unwrap()).sum();
                assert_eq!(n, count, "{told}");
                let plan = told["explain"]["plan"].as_str().unwrap();
                // Whoever is read one by one is found by the index all the same.
                assert!(matches!(plan, "index" | "hits"), "{told}");
            }
            let export = s.request(Method::GET, "/v1/streams/logs/export");
            let lines = answer(export.query(&[("filter", filter)])).await.text;
            assert_eq!(lines.lines().count(), expected.len());
            // Facets are as of the head too, whatever the hits are.
            let page = found(&s, &[("q", "disk full"), ("facets", "data.host:100,data.n:3")]).await;
            let counts = page["facets"]["data.host"].as_array().unwrap().iter();
            let counted: i64 = counts.map(|value| value["count"].as_i64().unwrap()).sum();
            assert_eq!(counted, i64::try_from(expected.len()).unwrap());
            assert_eq!(page["facets"]["data.n"][0], json!({"value": 1, "count": 1}));
        }
        bench.clean(&s).await;
    }

    pub(super) async fn a_search_waits_for_what_it_is_told_to(place: Place, engine: Engine) {
        let Some(bench) = Bench::find(place) else { return };
        let s = bench.start(engine).await;
        s.put("/v1/streams/logs", logs()).await.expect(201);
        assert_eq!(ids(&found(&s, &[("q", "word")]).await), Vec::<String>::new());
        for n in 0..20 {
            let id = format!("r{n}");
            let head = send(&s, json!([{"id": id, "data": {"msg": format!("word{n}")}}])).await;
            let (q, head) = (format!("word{n}"), head.to_string());
            // On a busy machine five seconds may be too few.
            let answer = loop {
                let answer = search(&s, &[("q", &q), ("min_seq", &head)]).await;
                if answer.status != 504 {
                    break answer.expect(200);
                }
            };
            assert_eq!(ids(&answer), [id]);
        }
        let late = search(&s, &[("q", "word"), ("min_seq", "21")]).await;
        late.problem(504, "index_behind");
        bench.clean(&s).await;
    }
}
