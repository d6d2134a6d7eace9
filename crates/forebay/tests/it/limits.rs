//! How much may be asked: rates by whoever they count, records, requests at once.

use reqwest::Method;
use serde_json::{Value, json};

use crate::events::Events;
use crate::support::{Answer, Engine, KEY, Server, answer, both, orders};

both! {
    a_rate_is_each_callers_own
    floods_are_refused_before_anybody_is_looked_up
    records_count_before_they_are_stored
    requests_at_once_are_counted_until_they_end
    roles_and_keys_are_counted_apart
}

const RECORDS: &str = "/v1/streams/orders/records";

async fn limited(engine: Engine, policies: &Value) -> Server {
    Server::start_with(engine, &[("FOREBAY_GATEWAY__LIMITS", &policies.to_string())]).await
}

fn said<'a>(told: &'a Answer, name: &str) -> &'a str {
    told.headers.get(name).map_or("", |value| value.to_str().unwrap())
}

/// Asserts a refusal by this limit, and returns how many seconds to wait.
fn refused(told: &Answer, limit: &str) -> u64 {
    let problem = told.problem(429, "rate_limited");
    assert!(problem["detail"].as_str().unwrap().contains(&format!("`{limit}`")), "{problem}");
    said(told, "retry-after").parse().unwrap()
}

async fn lines(s: &Server, count: usize) -> Answer {
    let body: String = (0..count).map(|n| format!("{{\"n\":{n}}}\n")).collect();
    s.post_as(RECORDS, "application/x-ndjson", body).await
}

mod scenario {
    use super::*;

    pub(super) async fn a_rate_is_each_callers_own(engine: Engine) {
        let policy =
            json!([{"name": "mine", "key": "principal", "rate": "3/h", "routes": ["GET /v1/me"]}]);
        let s = limited(engine, &policy).await;
        let (_, key) = s.program(&["viewer"]).await;
        for left in (0..3).rev() {
            let told = s.get_by(&key, "/v1/me", &[]).await;
            told.expect(200);
            assert_eq!(said(&told, "ratelimit-policy"), "\"mine\";q=3;w=3600");
            let reset = 3600 / 3 * (3 - left);
            let near =
                |reset: u64| said(&told, "ratelimit") == format!("\"mine\";r={left};t={reset}");
            assert!((reset - 60..=reset).any(near), "{left} {}", said(&told, "ratelimit"));
        }
        let told = s.get_by(&key, "/v1/me", &[]).await;
        let wait = refused(&told, "mine");
        assert!((1140..=1200).contains(&wait), "{wait}");
        assert!(said(&told, "ratelimit").starts_with("\"mine\";r=0;t="));
        // Nobody else has asked, and nothing else is limited.
        s.get("/v1/me").await.expect(200);
        let other = s.get_by(&key, "/v1/streams", &[]).await;
        other.expect(200);
        assert_eq!(said(&other, "ratelimit"), "");
        let metrics =
            answer(crate::support::client().get(format!("http://{}/metrics", s.admin))).await;
        for (decision, count) in [("allowed", 4), ("refused", 1)] {
            let line = format!(
                "forebay_limit_decisions_total{{policy=\"mine\",decision=\"{decision}\"}} {count}\n"
            );
            assert!(metrics.text.contains(&line), "{line}");
        }
    }

    pub(super) async fn floods_are_refused_before_anybody_is_looked_up(engine: Engine) {
        let policy = json!([{"name": "address", "key": "ip", "rate": "5/h"}]).to_string();
        let trusted = [
            ("FOREBAY_GATEWAY__LIMITS", policy.as_str()),
            ("FOREBAY_GATEWAY__TRUSTED_PROXIES", "127.0.0.0/8"),
        ];
        let s = Server::start_with(engine, &trusted).await;
        let ask = |key: &str, from: &str| {
            let asked = s.request_by(key, Method::GET, "/v1/me");
            answer(asked.header("x-forwarded-for", from))
        };
        for host in 1..=5 {
            // A customer's whole network is one, and what the client itself has put there is nothing.
            let from = format!("192.0.2.{host}, 2001:db8:0:1::{host}");
            ask("wrong", &from).await.problem(401, "unauthenticated");
        }
        assert!(refused(&ask(KEY, "2001:db8:0:1:ffff::1").await, "address") <= 720);
        ask(KEY, "2001:db8:0:2::1").await.expect(200);
        // Who watches the process is not counted.
        for _ in 0..8 {
            answer(s.bare(Method::GET, "/healthz")).await.expect(200);
        }
        // Without a proxy that is trusted, whatever is said of the client counts for the other end.
        let s = Server::start_with(engine, &trusted[..1]).await;
        for host in 1..=5 {
            let asked = s.request(Method::GET, "/v1/me");
            answer(asked.header("x-forwarded-for", format!("192.0.2.{host}"))).await.expect(200);
        }
        let asked = s.request(Method::GET, "/v1/me").header("x-forwarded-for", "192.0.2.6");
        refused(&answer(asked).await, "address");
    }

    pub(super) async fn records_count_before_they_are_stored(engine: Engine) {
        let policies = json!([
            {"name": "ingest", "key": "principal", "rate": "100/h", "cost": "records"},
            {"name": "small", "key": "stream", "rate": "120/h", "cost": "records"},
        ]);
        let s = limited(engine, &policies).await;
        s.put("/v1/streams/orders", orders()).await.expect(201);
        s.put("/v1/streams/others", orders()).await.expect(201);
        let told = lines(&s, 60).await;
        told.expect(200);
        assert!(said(&told, "ratelimit").contains("\"ingest\";r=40;"), "{told:?}");
        assert!(said(&told, "ratelimit").contains("\"small\";r=60;"), "{told:?}");
        // 20 are missing of 100 an hour.
        let wait = refused(&lines(&s, 60).await, "ingest");
        assert!((660..=720).contains(&wait), "{wait}");
        assert_eq!(s.get("/v1/streams/orders").await.expect(200)["last_seq"], 60);
        // What was refused cost nothing.
        lines(&s, 40).await.expect(200);
        refused(&lines(&s, 1).await, "ingest");
        // A stream's share is everybody's, and a batch pays for each of its streams.
        let (_, key) = s.program(&["editor"]).await;
        let batch = |orders: usize, others: usize| {
            let some = |count: usize| vec![json!({"data": {"n": 1}}); count];
            let body = json!([
                {"stream": "orders", "records": some(orders)},
                {"stream": "others", "records": some(others)},
            ]);
            s.post_by(&key, "/v1/batch", body)
        };
        refused(&batch(21, 1).await, "small");
        batch(20, 30).await.expect(200);
        refused(&batch(1, 1).await, "small");
        assert_eq!(s.get("/v1/streams/orders").await.expect(200)["last_seq"], 120);
        assert_eq!(s.get("/v1/streams/others").await.expect(200)["last_seq"], 30);
        // Reading brings no records.
        s.get(RECORDS).await.expect(200);
    }

    pub(super) async fn requests_at_once_are_counted_until_they_end(engine: Engine) {
        let policy = json!([{"name": "live", "key": "principal", "concurrent": 2,
            "routes": ["GET /v1/streams/{stream}/subscribe"]}]);
        let s = limited(engine, &policy).await;
        s.put("/v1/streams/orders", orders()).await.expect(201);
        let first = Events::open(&s, "orders", "", None).await;
        let _second = Events::open(&s, "orders", "", None).await;
        let path = "/v1/streams/orders/subscribe";
        let third = s.get(path).await;
        assert_eq!(refused(&third, "live"), 1);
        assert_eq!(said(&third, "ratelimit-policy"), "\"live\";q=2;qu=\"concurrent-requests\"");
        // What ended before it began took no place.
        s.get("/v1/streams/nothing/subscribe").await.problem(429, "rate_limited");
        drop(first);
        while Events::ask(s.request(Method::GET, path)).await.is_err() {}
    }

    pub(super) async fn roles_and_keys_are_counted_apart(engine: Engine) {
        let policies = json!([
            {"name": "readers", "key": "role", "roles": ["viewer"], "rate": "4/h", "routes": ["GET /v1/me"]},
            {"name": "key", "key": ["key", "route"], "rate": "3/h", "routes": ["GET /v1/me", "GET /v1/streams"]},
        ]);
        let s = limited(engine, &policies).await;
        let (_, one) = s.program(&["viewer"]).await;
        let (_, other) = s.program(&["viewer"]).await;
        let (_, editor) = s.program(&["editor"]).await;
        for _ in 0..3 {
            s.get_by(&one, "/v1/me", &[]).await.expect(200);
        }
        s.get_by(&other, "/v1/me", &[]).await.expect(200);
        // A refusal by one limit gives back what another has let through.
        refused(&s.get_by(&other, "/v1/me", &[]).await, "readers");
        refused(&s.get_by(&one, "/v1/me", &[]).await, "readers");
        for _ in 0..3 {
            s.get_by(&one, "/v1/streams", &[]).await.expect(200);
            s.get_by(&editor, "/v1/me", &[]).await.expect(200);
        }
        refused(&s.get_by(&one, "/v1/streams", &[]).await, "key");
        refused(&s.get_by(&editor, "/v1/me", &[]).await, "key");
    }
}
