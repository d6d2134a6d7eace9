//! Records out: one, a list, an export.

use crate::support::both;

both! { one_record_and_its_version  lists_page_in_both_orders  an_export_is_whole }

mod scenario {
    use reqwest::Method;
    use serde_json::{Value, json};

    use crate::support::{Engine, Server, answer, orders};

    const RECORDS: &str = "/v1/streams/orders/records";

    /// Ten records; time runs against seq, in pairs.
    async fn ten(engine: Engine) -> Server {
        let s = Server::start(engine).await;
        s.put("/v1/streams/orders", orders()).await.expect(201);
        let record = |n: i32| {
            let time = format!("2026-01-{:02}T00:00:00Z", 20 - n / 2);
            json!({"id": format!("r{n}"), "time": time, "data": {"owner": "a", "n": n, "price": 1.5}})
        };
        let all: Vec<_> = (0..10).map(record).collect();
        s.post(&format!("{RECORDS}?envelope=true"), json!(all)).await.expect(200);
        s
    }

    pub(super) async fn one_record_and_its_version(engine: Engine) {
        let s = ten(engine).await;
        let path = format!("{RECORDS}/r3");
        let got = s.get(&path).await;
        assert_eq!(got.headers["etag"], "\"1\"");
        let record = got.expect(200);
        assert_eq!((&record["seq"], &record["stream"]), (&json!(4), &json!("orders")));
        let known = s.request(Method::GET, &path).header("if-none-match", "\"1\"");
        assert_eq!(answer(known).await.status, 304);
        let head = answer(s.request(Method::HEAD, &path)).await;
        assert_eq!((head.status.as_u16(), head.text.as_str()), (200, ""));
        for method in [Method::PUT, Method::PATCH, Method::DELETE] {
            let refused = answer(s.request(method, &path).body("{}")).await;
            refused.problem(405, "append_only");
            assert_eq!(refused.headers["allow"], "GET, HEAD");
        }
        let part = s.get(&format!("{path}?fields=id,data.n")).await.expect(200);
        assert_eq!(part, json!({"id": "r3", "data": {"n": 3}}));
    }

    async fn walk(s: &Server, sort: &str) -> Vec<String> {
        let mut ids = Vec::new();
        let mut path = format!("{RECORDS}?sort={sort}&limit=3");
        loop {
            let page = s.get(&path).await.expect(200);
            assert_eq!(page["as_of_seq"], 10);
            let items = page["items"].as_array().unwrap();
            ids.extend(items.iter().map(|r| r["id"].as_str().unwrap().to_owned()));
            let Value::String(cursor) = &page["next_cursor"] else { return ids };
            path = format!("{RECORDS}?sort={sort}&limit=3&cursor={cursor}");
            // What comes later is not part of this walk.
            if ids.len() == 3 {
                s.post(RECORDS, json!({"owner": "late"})).await.expect(200);
            }
        }
    }

    pub(super) async fn lists_page_in_both_orders(engine: Engine) {
        for (sort, first, last) in
            [("seq", "r0", "r9"), ("-seq", "r9", "r0"), ("time", "r8", "r1"), ("-time", "r1", "r8")]
        {
            let s = ten(engine).await;
            let ids = walk(&s, sort).await;
            assert_eq!(ids.len(), 10, "{sort}: {ids:?}");
            assert_eq!((ids[0].as_str(), ids[9].as_str()), (first, last), "{sort}");
        }
        let s = ten(engine).await;
        let page = s.get(&format!("{RECORDS}?limit=1&count=exact")).await.expect(200);
        assert_eq!(page["count"], 10);
        let cursor = page["next_cursor"].as_str().unwrap().to_owned();
        for bad in [
            "limit=0",
            "limit=1001",
            "limit=x",
            "sort=price",
            "count=some",
            "cursor=AAAA",
            "fields=nonsense",
            "bogus=1",
            "limit=1&limit=2",
            "min_seq=x",
        ] {
            let refused = s.get(&format!("{RECORDS}?{bad}")).await;
            let refused = refused.problem(400, "validation_failed");
            let name = format!("?{}", bad.split('=').next().unwrap());
            assert_eq!(refused["errors"][0]["path"], name.as_str(), "{refused}");
        }
        let elsewhere = format!("{RECORDS}?limit=1&sort=-seq&cursor={cursor}");
        s.get(&elsewhere).await.problem(400, "validation_failed");
        s.get(&format!("{RECORDS}?min_seq=10&limit=1")).await.expect(200);
    }

    pub(super) async fn an_export_is_whole(engine: Engine) {
        let s = ten(engine).await;
        let lines = s.get("/v1/streams/orders/export").await;
        assert_eq!(lines.headers["content-type"], "application/x-ndjson");
        let records: Vec<Value> =
            lines.text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        assert_eq!(records.len(), 10);
        assert_eq!(records[9]["data"]["n"], 9);
        let csv = s.get("/v1/streams/orders/export?format=csv").await.text;
        let mut rows = csv.lines();
        let header = "id,seq,version,time,received_at,data.owner,data.n,data.price,data.paid,data";
        assert_eq!(rows.next(), Some(header));
        assert_eq!(rows.count(), 10);
        s.get("/v1/streams/orders/export?format=xml").await.problem(400, "validation_failed");
    }
}
