//! Quotas by the calendar: counted in the database, whatever process is asked and however often it
//! starts anew.

use forebay_testkit::{Postgres, Stop, lacks};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Engine, Server, answer, both, orders};

both! {
    a_quota_is_counted_to_its_last_unit_and_over_restarts
    records_count_and_what_is_refused_does_not
    leases_are_given_back_when_a_process_stops
}

const RECORDS: &str = "/v1/streams/orders/records";
const LIMITS: &str = "FOREBAY_GATEWAY__LIMITS";

fn said<'a>(told: &'a Answer, name: &str) -> &'a str {
    told.headers.get(name).map_or("", |value| value.to_str().unwrap())
}

/// Asserts a refusal by this quota, which is a month's.
fn refused(told: &Answer, quota: &str) {
    let problem = told.problem(429, "rate_limited");
    assert!(problem["detail"].as_str().unwrap().contains(&format!("`{quota}`")), "{problem}");
    let wait: u64 = said(told, "retry-after").parse().unwrap();
    assert!((1..=31 * 86_400).contains(&wait), "{wait}");
    // The period's end is when all of it is there again.
    let left = said(told, "ratelimit");
    let near =
        |t: u64| left.contains(&format!("\"{quota}\";r=")) && left.contains(&format!("t={t}"));
    assert!((wait.saturating_sub(5)..=wait + 5).any(near), "{left} {wait}");
}

async fn lines(s: &Server, path: &str, count: usize) -> Answer {
    let body: String = (0..count).map(|n| format!("{{\"n\":{n}}}\n")).collect();
    s.post_as(path, "application/x-ndjson", body).await
}

/// Asks until it is refused; returns how often it was not.
async fn until_refused(s: &Server, key: &str) -> u64 {
    for passed in 0..10_000 {
        let told = s.get_by(key, "/v1/me", &[]).await;
        if told.status != 200 {
            refused(&told, "plan");
            return passed;
        }
    }
    panic!("it is never refused");
}

mod scenario {
    use super::*;

    pub(super) async fn a_quota_is_counted_to_its_last_unit_and_over_restarts(engine: Engine) {
        let policy =
            json!([{"name": "plan", "key": "principal", "quota": "12/month", "routes": ["GET /v1/me"]}])
                .to_string();
        let environment = [(LIMITS, policy.as_str())];
        let mut s = Server::start_with(engine, &environment).await;
        let (_, key) = s.program(&["viewer"]).await;
        let (_, other) = s.program(&["viewer"]).await;
        for left in (5..12).rev() {
            let told = s.get_by(&key, "/v1/me", &[]).await;
            told.expect(200);
            let policy = said(&told, "ratelimit-policy");
            let months = [28, 29, 30, 31].map(|days| format!("\"plan\";q=12;w={}", days * 86_400));
            assert!(months.iter().any(|month| month == policy), "{policy}");
            let ratelimit = said(&told, "ratelimit");
            assert!(ratelimit.starts_with(&format!("\"plan\";r={left};t=")), "{ratelimit}");
        }
        // Neither a power cut nor a stop opens it again.
        s.kill();
        s.restart_with(&environment);
        assert_eq!(s.get_by(&key, "/v1/me", &[]).await.status, 200);
        assert_eq!(s.stop(), Some(0));
        // Periods that are over were looked for.
        assert!(!s.log.text().contains("quota"), "{}", s.log.text());
        s.restart_with(&environment);
        assert_eq!(until_refused(&s, &key).await, 4);
        assert_eq!(until_refused(&s, &key).await, 0);
        // Nobody else has used anything, and nothing else is limited.
        s.get_by(&other, "/v1/me", &[]).await.expect(200);
        let elsewhere = s.get_by(&key, "/v1/streams", &[]).await;
        elsewhere.expect(200);
        assert_eq!(said(&elsewhere, "ratelimit"), "");
    }

    pub(super) async fn records_count_and_what_is_refused_does_not(engine: Engine) {
        let policies = json!([
            {"name": "plan", "key": "principal", "quota": "100/month", "cost": "records"},
            {"name": "small", "key": ["principal", "stream"], "quota": "60/month", "cost": "records"},
            {"name": "asks", "key": "principal", "quota": "3/month", "routes": ["GET /v1/me"]},
            {"name": "often", "key": "principal", "rate": "2/d", "routes": ["GET /v1/me"]},
        ])
        .to_string();
        let s = Server::start_with(engine, &[(LIMITS, policies.as_str())]).await;
        s.put("/v1/streams/orders", orders()).await.expect(201);
        s.put("/v1/streams/others", orders()).await.expect(201);
        let told = lines(&s, RECORDS, 50).await;
        told.expect(200);
        assert!(said(&told, "ratelimit").contains("\"plan\";r=50;"), "{told:?}");
        assert!(said(&told, "ratelimit").contains("\"small\";r=10;"), "{told:?}");
        assert!(said(&told, "ratelimit-policy").contains("\"plan\";q=100;qu=\"records\";w="));
        // The stream's share is full, the caller's is not: neither has paid.
        refused(&lines(&s, RECORDS, 11).await, "small");
        let batch = |orders: usize, others: usize| {
            let some = |count: usize| vec![json!({"data": {"n": 1}}); count];
            let body: Value = json!([
                {"stream": "orders", "records": some(orders)},
                {"stream": "others", "records": some(others)},
            ]);
            s.post("/v1/batch", body)
        };
        refused(&batch(11, 1).await, "small");
        refused(&batch(1, 50).await, "plan");
        batch(10, 40).await.expect(200);
        refused(&lines(&s, "/v1/streams/others/records", 1).await, "plan");
        assert_eq!(s.get("/v1/streams/orders").await.expect(200)["last_seq"], 60);
        assert_eq!(s.get("/v1/streams/others").await.expect(200)["last_seq"], 40);
        // Reading brings no records, and a rate's refusal takes nothing of a quota.
        s.get(RECORDS).await.expect(200);
        for _ in 0..2 {
            s.get("/v1/me").await.expect(200);
        }
        for _ in 0..3 {
            let told = s.get("/v1/me").await;
            told.problem(429, "rate_limited");
            assert!(said(&told, "ratelimit").contains("\"often\";r=0;"), "{told:?}");
        }
    }

    pub(super) async fn leases_are_given_back_when_a_process_stops(engine: Engine) {
        // Large enough that units are taken ahead.
        let policy = json!([{"name": "plan", "key": "principal", "quota": "20000/month",
            "routes": ["GET /v1/me"]},
            {"name": "records", "key": "principal", "quota": "20000/month", "cost": "records"}])
        .to_string();
        let environment = [(LIMITS, policy.as_str())];
        let mut s = Server::start_with(engine, &environment).await;
        s.put("/v1/streams/orders", orders()).await.expect(201);
        for _ in 0..3 {
            s.get("/v1/me").await.expect(200);
            lines(&s, RECORDS, 1).await.expect(200);
        }
        assert_eq!(s.stop(), Some(0));
        s.restart_with(&environment);
        let told = s.get("/v1/me").await;
        assert!(said(&told, "ratelimit").starts_with("\"plan\";r=19996;"), "{told:?}");
        let told = lines(&s, RECORDS, 5).await;
        assert!(said(&told, "ratelimit").starts_with("\"records\";r=19992;"), "{told:?}");
        // After a power cut what was held is lost, and no more than one in a hundred.
        s.kill();
        s.restart_with(&environment);
        let told = s.get("/v1/me").await;
        let left = (19_795..=19_995).rev();
        let mut left = left.map(|left| format!("\"plan\";r={left};"));
        assert!(left.any(|left| said(&told, "ratelimit").starts_with(&left)), "{told:?}");
    }
}

#[tokio::test]
async fn two_processes_share_one_quota() {
    let policy = json!([{"name": "plan", "key": "principal", "quota": "150/month",
        "routes": ["GET /v1/me"]}])
    .to_string();
    let environment = [(LIMITS, policy.as_str())];
    let one = Server::start_with(Engine::Postgres, &environment).await;
    let other = Server::start_on(one.database.clone(), &environment);
    let (_, key) = one.program(&["viewer"]).await;
    let ask = async |s: &Server| {
        let mut passed = 0;
        loop {
            let told = answer(s.request_by(&key, Method::GET, "/v1/me")).await;
            if told.status != 200 {
                refused(&told, "plan");
                return passed;
            }
            passed += 1;
        }
    };
    // Of each several at once: more would pass where a count were looked at and written apart.
    let (a, b, c, d) = tokio::join!(ask(&one), ask(&other), ask(&one), ask(&other));
    assert_eq!(a + b + c + d, 150, "{a} {b} {c} {d}");
    assert!(a + c > 0 && b + d > 0, "{a} {b} {c} {d}");
}

#[tokio::test]
async fn without_the_database_a_policy_says_what_holds() {
    if lacks(&Postgres::install()) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let postgres = Postgres::start(folder.path()).unwrap();
    let policies = json!([
        {"name": "closed", "key": "principal", "quota": "90/day", "routes": ["GET /openapi.json"]},
        {"name": "open", "key": "principal", "quota": "90/day", "fail": "open",
            "routes": ["GET /metrics"]},
    ])
    .to_string();
    let s = Server::start_on(Some(postgres.url()), &[(LIMITS, policies.as_str())]);
    for path in ["/openapi.json", "/metrics"] {
        let told = s.get(path).await;
        assert_eq!(told.status, 200);
        assert!(said(&told, "ratelimit").contains(";r=89;"), "{:?}", told.headers);
    }
    postgres.stop(Stop::Immediate).unwrap();
    let told = s.get("/openapi.json").await;
    let problem = told.problem(503, "engine_unavailable");
    assert!(problem["detail"].as_str().unwrap().contains("`closed`"), "{problem}");
    assert_eq!(said(&told, "retry-after"), "1");
    s.get("/metrics").await;
    let told = s.get("/metrics").await;
    assert_eq!(told.status, 200);
    let line = "forebay_limit_decisions_total{policy=\"open\",decision=\"uncounted\"} 2\n";
    assert!(told.text.contains(line), "{}", told.text);
    postgres.start_again().unwrap();
    // It comes back without a hand; how long that takes is not for this test to say.
    loop {
        let told = s.get("/openapi.json").await;
        if told.status == 200 {
            break;
        }
        assert_eq!(told.status, 503);
        tokio::task::yield_now().await;
    }
}
