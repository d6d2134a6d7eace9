//! What is said of groups of records: shapes, exactness, order, and what is refused.

mod bounds;
mod clock;
mod files;
mod random;
pub(crate) mod records;
mod reference;
mod time;

use crate::support::both;

both! {
    answers_have_the_documented_shape
    sums_are_exact
    records_without_a_field_are_a_group
    groups_are_kept_ordered_and_cut
    durations_times_and_texts_are_measured
    every_plan_says_the_same
    many_values_are_approximate_and_said_so
}

/// A stream with fields that have an index, and others that have none.
pub(crate) fn calls() -> serde_json::Value {
    serde_json::json!({"schema": {"type": "object", "properties": {
        "region": {"type": "string", "x-index": true}, "host": {"type": "string"},
        "n": {"type": "integer", "x-index": true}, "m": {"type": "integer"},
        "ms": {"type": "number", "x-index": true}, "d": {"type": "number"},
        "ok": {"type": "boolean", "x-index": true}, "when": {"type": "string"},
        "tags": {"type": "array"}, "free": {}}}})
}

/// A server with these records, as envelopes.
pub(crate) async fn server(
    engine: crate::support::Engine,
    records: &[serde_json::Value],
) -> crate::support::Server {
    let s = crate::support::Server::start(engine).await;
    s.put("/v1/streams/calls", calls()).await.expect(201);
    for some in records.chunks(10_000) {
        let path = "/v1/streams/calls/records?envelope=true&return=minimal";
        s.post(path, serde_json::json!(some)).await.expect(200);
    }
    s
}

/// The plan of what an engine can group: SQLite is quicker at reading than at grouping.
pub(crate) fn quickest(engine: crate::support::Engine) -> &'static str {
    match engine {
        crate::support::Engine::Sqlite => "columns",
        crate::support::Engine::Postgres | crate::support::Engine::Split => "sql",
    }
}

/// The groups as rows of keys and values, without the names.
pub(crate) fn rows(answer: &serde_json::Value) -> Vec<serde_json::Value> {
    let groups = answer["groups"].as_array().unwrap().iter();
    let row = |group: &serde_json::Value| {
        let parts = [&group["key"], &group["values"]].map(|part| part.as_object().unwrap().clone());
        parts.into_iter().flat_map(|part| part.into_iter().map(|(_, value)| value)).collect()
    };
    groups.map(row).collect()
}

mod scenario {
    use serde_json::{Value, json};

    use super::{quickest, rows, server};
    use crate::support::{Engine, Server};

    const PATH: &str = "/v1/streams/calls/aggregate";

    async fn ask(s: &Server, body: Value) -> Vec<Value> {
        rows(&s.post(PATH, body).await.expect(200))
    }

    /// The values of the one group of all records.
    async fn all(s: &Server, metrics: Value) -> Value {
        s.post(PATH, json!({ "metrics": metrics })).await.expect(200)["groups"][0]["values"].take()
    }

    #[allow(clippy::needless_pass_by_value, reason = "it is made where it is passed")]
    fn data(data: Value) -> Value {
        json!({ "data": data })
    }

    pub(super) async fn answers_have_the_documented_shape(engine: Engine) {
        let record = |n: usize| {
            let region = ["eu", "us"][n % 2];
            let time = format!("2026-03-01T0{}:30:00Z", n % 2);
            json!({"time": time, "data": {"region": region, "n": n, "ms": n, "host": "a"}})
        };
        let s = server(engine, &(0..12).map(record).collect::<Vec<_>>()).await;
        let body = json!({
            "filter": "data.n < 11",
            "group_by": [
                {"as": "region", "field": "data.region"},
                {"as": "hour", "field": "time", "every": "1h", "zone": "UTC"},
                {"as": "size", "field": "data.ms", "ranges": [0, 3, 5]}],
            "metrics": {"n": "count()", "avg": "avg(data.ms)",
                "p95": "percentile(data.ms, 0.95)", "hosts": "distinct(data.host)"},
            "having": "n > 1", "order_by": ["-n"], "limit": 2});
        let expected = r#"{"groups":[
            {"key":{"region":"eu","hour":"2026-03-01T00:00:00.000000Z","size":{"from":5,"to":null}},
            "values":{"n":3,"avg":8.0,"p95":10.0,"hosts":1}},
            {"key":{"region":"us","hour":"2026-03-01T01:00:00.000000Z","size":{"from":5,"to":null}},
            "values":{"n":3,"avg":7.0,"p95":9.0,"hosts":1}}],
            "approximate":[],"truncated":true,"as_of_seq":12}"#;
        let answer = s.post(PATH, body).await;
        assert_eq!(answer.headers["content-type"], "application/json");
        assert_eq!(answer.text, expected.replace("\n", "").replace("  ", ""));
        let expected = r#"{"groups":[{"key":{},"values":{"count":12}}],"approximate":[],"truncated":false,"as_of_seq":12}"#;
        assert_eq!(s.post(PATH, json!({})).await.text, expected);
        // Without a group there is one, also of no records.
        let metrics = json!({"n": "count()", "sum": "sum(data.n)", "p": "percentile(data.m, 0.5)",
                             "min": "min(data.host)", "d": "distinct(data.n)"});
        let none = json!({"filter": "data.n > 99", "metrics": metrics});
        assert_eq!(ask(&s, none).await, [json!([0, null, null, null, 0])]);
        let none = json!({"filter": "data.n > 99", "group_by": [{"field": "data.region"}]});
        assert!(ask(&s, none).await.is_empty());
    }

    pub(super) async fn sums_are_exact(engine: Engine) {
        let (max, min) = (i64::MAX, i64::MIN);
        let mut records: Vec<Value> =
            [max, max, max, min].map(|n| data(json!({"n": n, "m": n, "ok": n > 0}))).to_vec();
        records.extend((0..20_000).map(|_| data(json!({"region": "tenth", "ms": 0.1, "d": 0.1}))));
        let cases: [(&str, &[f64]); 3] = [
            ("cancel", &[1e100, 1.0, 1e50, -1e50, -1e100]),
            ("beyond", &[1e308, 1e308]),
            ("within", &[1e308, 1e308, -1e308]),
        ];
        for (region, values) in cases {
            let record = |ms: &f64| data(json!({"region": region, "ms": ms, "d": ms}));
            records.extend(values.iter().map(record));
        }
        let s = server(engine, &records).await;
        for field in ["data.n", "data.m"] {
            let body = json!({"group_by": [{"field": "data.ok"}], "filter": "has(data.ok)",
                "metrics": {"sum": format!("sum({field})"), "avg": format!("avg({field})")}});
            let answer = s.post(PATH, body).await;
            answer.expect(200);
            for part in [
                r#"{"key":{"ok":false},"values":{"sum":-9223372036854775808,"avg":-9.223372036854776e+18}}"#,
                r#"{"key":{"ok":true},"values":{"sum":27670116110564327421,"avg":9.223372036854776e+18}}"#,
            ] {
                assert!(answer.text.contains(part), "{}", answer.text);
            }
        }
        for field in ["data.ms", "data.d"] {
            let body = json!({"group_by": [{"field": "data.region"}], "filter": "has(data.region)",
                "metrics": {"sum": format!("sum({field})"), "avg": format!("avg({field})")}});
            assert_eq!(
                ask(&s, body).await,
                [
                    json!(["beyond", null, 1e308]),
                    json!(["cancel", 1.0, 0.2]),
                    json!(["tenth", 2000.0, 0.1]),
                    json!(["within", 1e308, 1e308 / 3.0]),
                ]
            );
            let body = json!({"filter": "data.region == \"tenth\"",
                "metrics": {"sum": format!("sum({field})")}});
            let sum = ask(&s, body).await[0][0].as_f64().unwrap();
            assert!((sum - 2000.0).abs() <= 2000.0 * 1e-9, "{field}: {sum}");
        }
        // An engine that rounds on the way is not believed where little is left of much.
        let values = [1e16, 1.0, -1e16, 0.5];
        let records = values.map(|ms| data(json!({"ms": ms})));
        let s = server(engine, &records).await;
        let body = json!({"metrics": {"sum": "sum(data.ms)"}, "explain": true});
        let answer = s.post(PATH, body).await.expect(200);
        assert_eq!(
            (rows(&answer)[0][0].clone(), &answer["explain"]["plan"]),
            (json!(1.5), &json!("columns"))
        );
    }

    pub(super) async fn records_without_a_field_are_a_group(engine: Engine) {
        let records = [
            json!({"free": 1, "region": "b", "n": 1}),
            json!({"free": 1.0, "region": "a", "ms": 1}),
            json!({"free": "1", "ok": true, "ms": -2.5}),
            json!({"free": true, "ok": false}),
            json!({"free": null}),
            json!({"free": [1]}),
            json!({"free": {}}),
            json!({}),
        ];
        let s = server(engine, &records.map(data)).await;
        for (level, expected) in [
            (
                json!({"field": "data.free"}),
                vec![json!([true, 1]), json!([1, 2]), json!(["1", 1]), json!([null, 4])],
            ),
            (
                json!({"field": "data.region"}),
                vec![json!(["a", 1]), json!(["b", 1]), json!([null, 6])],
            ),
            (
                json!({"field": "data.ok"}),
                vec![json!([false, 1]), json!([true, 1]), json!([null, 6])],
            ),
            (
                json!({"field": "data.ms"}),
                vec![json!([-2.5, 1]), json!([1.0, 1]), json!([null, 6])],
            ),
            (
                json!({"field": "data.ms", "ranges": [0]}),
                vec![
                    json!([{"from": null, "to": 0}, 1]),
                    json!([{"from": 0, "to": null}, 1]),
                    json!([null, 6]),
                ],
            ),
            (json!({"field": "data.when", "every": "1d"}), vec![json!([null, 8])]),
            (
                json!({"as": "odd", "expr": "data.n % 2 == 1"}),
                vec![json!([true, 1]), json!([null, 7])],
            ),
        ] {
            assert_eq!(ask(&s, json!({"group_by": [level]})).await, expected, "{level}");
        }
        let metrics = json!({"n": "count()", "known": "count(data.free)", "sum": "sum(data.free)",
            "avg": "avg(data.free)", "min": "min(data.free)", "max": "max(data.free)",
            "distinct": "distinct(data.free)"});
        assert_eq!(
            all(&s, metrics).await,
            json!({"n": 8, "known": 6, "sum": 2.0, "avg": 1.0, "min": true, "max": "1", "distinct": 3})
        );
    }

    pub(super) async fn groups_are_kept_ordered_and_cut(engine: Engine) {
        let record = |n: i64| {
            let mut record = json!({"region": format!("r{}", n % 7), "n": n});
            if n % 7 != 3 {
                record["ms"] = json!(n % 7 % 3);
            }
            data(record)
        };
        let s = server(engine, &(0..40).map(record).collect::<Vec<_>>()).await;
        let groups = json!([{"as": "r", "field": "data.region"}]);
        let metrics = json!({"n": "count()", "ms": "max(data.ms)"});
        let ask = async |more: Value| {
            let mut body = json!({"group_by": groups, "metrics": metrics});
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let answer = s.post(PATH, body).await.expect(200);
            let rows: Vec<String> =
                rows(&answer).iter().map(|r| r[0].as_str().unwrap().to_owned()).collect();
            (rows.join(" "), answer["truncated"] == true)
        };
        for (more, expected, truncated) in [
            (json!({}), "r0 r1 r2 r3 r4 r5 r6", false),
            (json!({"order_by": ["-r"]}), "r6 r5 r4 r3 r2 r1 r0", false),
            // Missing values are last, whichever way the order runs; equal ones stand by their keys.
            (json!({"order_by": ["ms"]}), "r0 r6 r1 r4 r2 r5 r3", false),
            (json!({"order_by": ["-ms", "-r"]}), "r5 r2 r4 r1 r6 r0 r3", false),
            (json!({"order_by": ["n", "-ms"]}), "r5 r6 r2 r1 r4 r0 r3", false),
            (json!({"order_by": ["-n"], "limit": 2}), "r0 r1", true),
            (json!({"limit": 7}), "r0 r1 r2 r3 r4 r5 r6", false),
            (json!({"having": "n == 5"}), "r5 r6", false),
            (json!({"having": "n == 5", "limit": 1}), "r5", true),
            (json!({"having": "ms >= 1.0 && r != \"r2\""}), "r1 r4 r5", false),
            (json!({"having": "!(ms == 1.0)"}), "r0 r2 r5 r6", false),
            (json!({"having": "n > 100"}), "", false),
        ] {
            assert_eq!(ask(more.clone()).await, (expected.to_owned(), truncated), "{more}");
        }
    }

    pub(super) async fn durations_times_and_texts_are_measured(engine: Engine) {
        let record = |n: i64| {
            json!({"time": format!("2026-01-0{n}T00:00:00Z"),
            "data": {"when": format!("2026-01-0{n}T00:00:0{n}.5Z"), "host": format!("h{n}")}})
        };
        let s = server(engine, &[record(1), record(2), record(3)]).await;
        let late = "timestamp(data.when) - time";
        let metrics = json!({"sum": format!("sum({late})"), "avg": format!("avg({late})"),
            "p50": format!("percentile({late}, 0.5)"), "min": format!("min(time - ({late}))"),
            "first": "min(data.host)", "last": "max(data.host)", "most": format!("max({late})"),
            "latest": "max(time)", "days": "distinct(time)", "early": format!("min({late})")});
        assert_eq!(
            all(&s, metrics).await,
            json!({"sum": "7.5s", "avg": "2.5s", "p50": "2.5s",
                "min": "2025-12-31T23:59:58.500000Z", "first": "h1", "last": "h3",
                "most": "3.5s", "latest": "2026-01-03T00:00:00.000000Z", "days": 3, "early": "1.5s"})
        );
        let body = json!({"group_by": [{"field": "data.host"}],
            "metrics": {"late": format!("max({late})")},
            "having": "late >= duration(\"2.5s\")", "order_by": ["-late"]});
        assert_eq!(ask(&s, body).await, [json!(["h3", "3.5s"]), json!(["h2", "2.5s"])]);
        let times = json!({"group_by": [{"field": "time", "ranges": ["2026-01-02T00:00:00Z"]}]});
        let bound = "2026-01-02T00:00:00Z";
        assert_eq!(
            ask(&s, times).await,
            [json!([{"from": null, "to": bound}, 1]), json!([{"from": bound, "to": null}, 2])]
        );
    }

    pub(super) async fn every_plan_says_the_same(engine: Engine) {
        let record = |n: i64| {
            let time = format!("2026-{:02}-{:02}T12:00:00Z", n % 12 + 1, n % 28 + 1);
            json!({"time": time, "data": {"region": format!("r{}", n % 5), "n": n * n - 900,
                "ms": f64::from(i32::try_from(n).unwrap()) / 7.0, "ok": n % 3 == 0, "m": n}})
        };
        let s = server(engine, &(0..900).map(record).collect::<Vec<_>>()).await;
        let metrics = json!({"count": "count()", "known": "count(data.ok)", "sum": "sum(data.n)",
            "avg": "avg(data.n)", "min": "min(data.ms)", "max": "max(data.region)",
            "seq": "sum(seq)", "time": "max(time)"});
        let mut answers = Vec::new();
        for (more, plan) in [
            (json!({}), quickest(engine)),
            (json!({"hosts": "distinct(data.n)", "p": "percentile(data.ms, 0.5)"}), "columns"),
            (json!({"unindexed": "sum(data.m)"}), "records"),
            (json!({"expression": "sum(data.n + 1)"}), "records"),
        ] {
            let mut metrics = metrics.clone();
            metrics.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let body = json!({"filter": "data.n > -800 && !(data.region in [\"r4\"])",
                "metrics": metrics, "explain": true, "group_by": [
                    {"as": "month", "field": "time", "every": "1M", "zone": "Europe/Berlin"},
                    {"as": "size", "field": "data.n", "ranges": [0, 1000.5]},
                    {"as": "ok", "field": "data.ok"}]});
            let mut answer = s.post(PATH, body).await.expect(200);
            assert_eq!(answer["explain"]["plan"], plan);
            assert_eq!(answer["explain"]["evaluated"], json!([]));
            assert_eq!(answer["explain"]["pushed"].as_array().unwrap().len(), 2);
            for group in answer["groups"].as_array_mut().unwrap() {
                let values = group["values"].as_object_mut().unwrap();
                more.as_object().unwrap().keys().for_each(|name| drop(values.remove(name)));
            }
            answers.push(answer["groups"].clone());
        }
        assert!(answers[0].as_array().unwrap().len() > 30);
        answers.iter().for_each(|answer| assert_eq!(*answer, answers[0]));
        // Without groups both engines add up.
        let body = json!({"filter": "data.n > -800", "metrics": metrics, "explain": true});
        let answer = s.post(PATH, body).await.expect(200);
        assert_eq!(answer["explain"]["plan"], "sql");
        let mut with_more = metrics.clone();
        with_more["p"] = json!("percentile(data.n, 0.5)");
        let body = json!({"filter": "data.n > -800", "metrics": with_more, "explain": true});
        let mut other = s.post(PATH, body).await.expect(200);
        assert_eq!(other["explain"]["plan"], "columns");
        other["groups"][0]["values"].as_object_mut().unwrap().remove("p");
        assert_eq!(other["groups"], answer["groups"]);
        let body = json!({"filter": "data.m > 3", "explain": true, "metrics": {"s": "sum(data.ms)"},
            "group_by": [{"field": "data.host"}]});
        let explain = s.post(PATH, body).await.expect(200)["explain"].clone();
        let expected = json!({"pushed": [], "evaluated": ["data.m > 3"], "indexes": ["data.ms"],
            "wanted": ["data.m", "data.host"], "plan": "records"});
        assert_eq!(explain, expected);
    }

    pub(super) async fn many_values_are_approximate_and_said_so(engine: Engine) {
        let record = |n: i64| data(json!({"n": n, "m": n, "host": format!("h{}", n % 7)}));
        let s = server(engine, &(1..=20_000).map(record).collect::<Vec<_>>()).await;
        for field in ["data.n", "data.m"] {
            let metrics = json!({"n": "count()", "p0": format!("percentile({field}, 0)"),
                "p50": format!("percentile({field}, 0.5)"),
                "p99": format!("percentile({field}, 0.99)"),
                "p100": format!("percentile({field}, 1)"),
                "d": format!("distinct({field})"), "hosts": "distinct(data.host)"});
            let answer = s.post(PATH, json!({ "metrics": metrics })).await.expect(200);
            assert_eq!(answer["approximate"], json!(["p0", "p50", "p99", "p100", "d"]));
            let values = &answer["groups"][0]["values"];
            assert_eq!((&values["p0"], &values["p100"]), (&json!(1.0), &json!(20_000.0)));
            assert_eq!(values["hosts"], 7);
            for (name, truth) in [("p50", 10_000.0), ("p99", 19_800.0), ("d", 20_000.0)] {
                let found = values[name].as_f64().unwrap();
                assert!((found - truth).abs() <= truth * 0.01, "{field} {name}: {found}");
            }
            let few = json!({"filter": format!("{field} <= 500"), "metrics": metrics});
            let answer = s.post(PATH, few).await.expect(200);
            assert_eq!(answer["approximate"], json!([]));
            assert_eq!(rows(&answer), [json!([500, 1.0, 250.0, 495.0, 500.0, 500, 7])]);
        }
    }
}
