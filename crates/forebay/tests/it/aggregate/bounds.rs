//! Aggregates that are wrong or too much, and those that run while records come in.

use reqwest::Method;
use serde_json::json;

use crate::aggregate::server;
use crate::support::{Engine, both};

both! {
    what_is_wrong_is_told_with_its_place
    what_is_too_much_is_refused
    an_answer_is_as_of_one_position
}

/// PostgreSQL goes on with a statement whose client is gone; a table that is locked shows it.
#[tokio::test]
async fn a_client_that_leaves_ends_its_question() {
    let s = server(Engine::Postgres, &[json!({"data": {"n": 1}})]).await;
    let url = s.database.as_deref().unwrap();
    let connect = async || {
        let (client, connection) =
            tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    };
    let (locking, watching) = (connect().await, connect().await);
    let named = "SELECT number FROM stream WHERE name = 'calls'";
    let stream: i64 = locking.query_one(named, &[]).await.unwrap().get(0);
    let lock = format!("BEGIN; LOCK TABLE s{stream} IN ACCESS EXCLUSIVE MODE");
    locking.batch_execute(&lock).await.unwrap();
    let waiting = async || {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                   AND wait_event_type = 'Lock'";
        watching.query_one(sql, &[]).await.unwrap().get::<_, i64>(0)
    };
    let body = json!({"metrics": {"sum": "sum(data.n)"}});
    let request = s.request(Method::POST, "/v1/streams/calls/aggregate").json(&body);
    let asking = tokio::spawn(async move { request.send().await.map(|r| r.status()) });
    while waiting().await == 0 {}
    asking.abort();
    while waiting().await > 0 {}
    locking.batch_execute("ROLLBACK").await.unwrap();
    let answer = s.post("/v1/streams/calls/aggregate", body).await.expect(200);
    assert_eq!(answer["groups"][0]["values"]["sum"], 1);
}

mod scenario {
    use reqwest::Method;
    use serde_json::{Value, json};

    use crate::aggregate::{calls, rows, server};
    use crate::support::{Engine, Server, answer};

    const PATH: &str = "/v1/streams/calls/aggregate";

    pub(super) async fn what_is_wrong_is_told_with_its_place(engine: Engine) {
        let s = server(engine, &[]).await;
        let level = |level: Value| json!({ "group_by": [level] });
        let metric = |text: &str| json!({"metrics": {"p95": text}});
        for (body, code, path, place) in [
            (json!({"filtr": "1"}), "validation_failed", "/filtr", None),
            (json!({"q": "disk"}), "validation_failed", "/q", None),
            (json!({"limit": 0}), "validation_failed", "/limit", None),
            (json!({"limit": 10_001}), "validation_failed", "/limit", None),
            (json!({"order_by": ["regoin"]}), "validation_failed", "/order_by/0", None),
            (json!([]), "validation_failed", "", None),
            (json!({"filter": "data.n >"}), "filter_invalid", "/filter", Some((9, 1))),
            (json!({"filter": "search(\"x\")"}), "filter_invalid", "/filter", Some((1, 11))),
            (json!({"having": "n > 5"}), "filter_invalid", "/having", Some((1, 1))),
            (json!({"having": "count"}), "filter_invalid", "/having", Some((1, 5))),
            (metric("percentile(data.n, 95)"), "filter_invalid", "/metrics/p95", Some((20, 2))),
            (metric("sum(data.region)"), "filter_invalid", "/metrics/p95", Some((5, 11))),
            (metric("sum(data.mss)"), "filter_invalid", "/metrics/p95", Some((10, 3))),
            (metric("max(data.tags)"), "filter_invalid", "/metrics/p95", Some((5, 9))),
            (metric("now()"), "filter_invalid", "/metrics/p95", Some((1, 3))),
            (metric("'\u{1F980}' + sum(data.n)"), "filter_invalid", "/metrics/p95", Some((1, 17))),
            (metric(&"(".repeat(4096)), "filter_invalid", "/metrics/p95", Some((33, 1))),
            (
                level(json!({"field": "time", "every": "7m"})),
                "validation_failed",
                "/group_by/0/every",
                None,
            ),
            (
                level(json!({"field": "time", "every": "1d", "zone": "Europe/Berln"})),
                "validation_failed",
                "/group_by/0/zone",
                None,
            ),
            (
                level(json!({"field": "data.regio"})),
                "filter_invalid",
                "/group_by/0/field",
                Some((6, 5)),
            ),
            (
                level(json!({"field": "data.n", "ranges": [3, 3]})),
                "validation_failed",
                "/group_by/0/ranges/1",
                None,
            ),
        ] {
            let refused = s.post(PATH, body.clone()).await.problem(400, code);
            let first = &refused["errors"][0];
            assert_eq!(first["path"], path, "{body}: {refused}");
            let found = first["column"].as_u64().zip(first["length"].as_u64());
            assert_eq!(found, place, "{body}: {refused}");
        }
        hostile_texts_are_texts(&s).await;
    }

    async fn hostile_texts_are_texts(s: &Server) {
        let level = |level: Value| json!({ "group_by": [level] });
        for text in ["'; DROP TABLE s1; --", "$1", "c1) FROM s1; --", "\u{0}"] {
            for body in [
                json!({"metrics": {"x": text}}),
                level(json!({"as": "x", "field": text})),
                level(json!({"as": "x", "expr": text})),
                json!({"order_by": [text]}),
                json!({"having": text}),
            ] {
                assert_eq!(s.post(PATH, body).await.status, 400);
            }
        }
        let named = json!({"group_by": [{"as": "'; DROP TABLE s1; --", "field": "data.region"}]});
        s.post(PATH, named).await.expect(200);
        s.post(&format!("{PATH}?limit=1"), json!({})).await.problem(400, "validation_failed");
        s.post("/v1/streams/none/aggregate", json!({})).await.problem(404, "not_found");
        let request = s.request(Method::POST, PATH);
        answer(request.body("{\"limit\": 1, \"limit\": 2}")).await.problem(400, "invalid_json");
        answer(s.request(Method::POST, PATH).body("")).await.problem(400, "invalid_json");
        let long = format!("{{\"filter\": \"{}\"}}", "x".repeat(300_000));
        answer(s.request(Method::POST, PATH).body(long)).await.problem(413, "too_large");
    }

    pub(super) async fn what_is_too_much_is_refused(engine: Engine) {
        let record = |n: i64| json!({"data": {"n": n, "m": n}});
        let s = server(engine, &(0..=100_000).map(record).collect::<Vec<_>>()).await;
        // One group too many: by the engine, from columns, from records.
        let metrics = json!({"count": "count()"});
        for (level, metrics) in [
            (json!({"field": "data.n"}), metrics.clone()),
            (json!({"field": "data.n"}), json!({"d": "distinct(id)"})),
            (json!({"field": "data.m"}), metrics.clone()),
        ] {
            let body = json!({"group_by": [level], "metrics": metrics});
            let refused = s.post(PATH, body).await.problem(422, "too_many_groups");
            assert_eq!(refused["errors"][0]["path"], "/group_by", "{refused}");
            let body = json!({"group_by": [level], "metrics": metrics, "filter": "data.n > 0",
                "limit": 1, "order_by": [level["field"].as_str().unwrap().replace("data.", "-")]});
            let last = s.post(PATH, body).await.expect(200);
            assert_eq!((&rows(&last)[0][0], &last["truncated"]), (&json!(100_000), &json!(true)));
        }
        let texts = json!({"group_by": [{"as": "t", "expr": "data.m % 1000"}],
            "metrics": {"a": "percentile(data.m, 0.1)", "b": "distinct(data.m)"}});
        s.post(PATH, texts).await.expect(200);
        // Too many records to look at one by one for a filter that no index answers.
        let body = json!({"filter": "data.n >= 0 && data.m > 5 || data.m < 0"});
        let refused = s.post(PATH, body).await.problem(422, "filter_too_broad");
        let place = json!({"path": "/filter", "code": "not_indexed", "column": 16, "length": 10});
        for (name, expected) in place.as_object().unwrap() {
            assert_eq!(refused["errors"][0][name], *expected, "{refused}");
        }
        let body = json!({"filter": "data.n > 0 && data.m > 5"});
        assert_eq!(rows(&s.post(PATH, body).await.expect(200)), [json!([99_995])]);
    }

    pub(super) async fn an_answer_is_as_of_one_position(engine: Engine) {
        let s = Server::start(engine).await;
        s.put("/v1/streams/calls", calls()).await.expect(201);
        let write = async {
            for n in 0..40 {
                let some: Vec<Value> = (0..50).map(|m| json!({"n": n, "m": m, "ms": 1})).collect();
                s.post("/v1/streams/calls/records", json!(some)).await.expect(200);
            }
        };
        let read = async {
            loop {
                let mut seen = 0;
                for metrics in [
                    json!({"n": "count()", "sum": "sum(data.ms)"}),
                    json!({"n": "count()", "sum": "sum(data.ms)", "d": "distinct(data.n)"}),
                    json!({"n": "count(data.m)", "sum": "sum(data.ms)"}),
                ] {
                    let answer = s.post(PATH, json!({ "metrics": metrics })).await.expect(200);
                    let values = &answer["groups"][0]["values"];
                    seen = answer["as_of_seq"].as_i64().unwrap();
                    assert_eq!(values["n"], seen);
                    assert_eq!(
                        values["sum"].as_f64().unwrap_or(0.0),
                        f64::from(i32::try_from(seen).unwrap())
                    );
                }
                if seen == 2_000 {
                    return;
                }
            }
        };
        tokio::join!(write, read);
    }
}
