//! Browsers on pages of other sites, and what answers tell all browsers.

use reqwest::Method;
use serde_json::json;

use crate::support::{Answer, Engine, KEY, Server, answer, shapes};

const ORIGIN: &str = "https://app.example.com";

fn said<'a>(told: &'a Answer, name: &str) -> Option<&'a str> {
    told.headers.get(name).map(|value| value.to_str().unwrap())
}

async fn preflight(s: &Server, origin: &str, method: &str, path: &str) -> Answer {
    let asked = s.bare(Method::OPTIONS, path).header("origin", origin);
    answer(asked.header("access-control-request-method", method)).await
}

shapes! {
    pages_of_other_sites_ask_as_far_as_they_may
    answers_say_what_browsers_must_not_do
}

async fn pages_of_other_sites_ask_as_far_as_they_may(engine: Engine) {
    let rules = json!([
        {"origins": [ORIGIN], "routes": ["/v1/streams/*"], "methods": ["GET", "POST"]},
        {"origins": ["*"], "routes": ["GET /v1/me"], "max_age": "1m"},
    ]);
    let s = Server::start_with(engine, &[("FOREBAY_GATEWAY__CORS", &rules.to_string())]).await;
    let told = preflight(&s, ORIGIN, "POST", "/v1/streams/orders/records").await;
    told.expect(204);
    assert_eq!(said(&told, "access-control-allow-origin"), Some(ORIGIN));
    assert_eq!(said(&told, "access-control-allow-methods"), Some("GET, POST"));
    assert!(said(&told, "access-control-allow-headers").unwrap().contains("authorization"));
    assert_eq!(said(&told, "access-control-max-age"), Some("600"));
    assert_eq!(said(&told, "access-control-allow-credentials"), None);
    for (origin, method, path) in [
        ("https://app.example.com.evil.example", "GET", "/v1/streams/orders/records"),
        ("null", "GET", "/v1/streams/orders/records"),
        (ORIGIN, "GET", "/v1/users"),
        (ORIGIN, "POST", "/v1/me"),
    ] {
        let told = preflight(&s, origin, method, path).await;
        told.problem(403, "origin_refused");
        assert_eq!(said(&told, "access-control-allow-origin"), None, "{origin} {method} {path}");
    }
    // Answers say who may read them, refusals too; a key is needed all the same.
    let ask = |origin: &'static str, key: &'static str, path: &'static str| {
        answer(s.request_by(key, Method::GET, path).header("origin", origin))
    };
    let told = ask(ORIGIN, "wrong", "/v1/streams/orders").await;
    told.problem(401, "unauthenticated");
    assert_eq!(said(&told, "access-control-allow-origin"), Some(ORIGIN));
    assert!(said(&told, "access-control-expose-headers").unwrap().contains("etag"));
    assert_eq!(said(&told, "vary"), Some("origin"));
    let told = ask("https://other.example", KEY, "/v1/streams/orders").await;
    assert_eq!(said(&told, "access-control-allow-origin"), None);
    assert_eq!(said(&told, "vary"), Some("origin"));
    let told = ask("https://other.example", KEY, "/v1/me").await;
    told.expect(200);
    assert_eq!(said(&told, "access-control-allow-origin"), Some("*"));
    // Where nothing is said, nothing may be asked.
    let s = Server::start(Engine::Sqlite).await;
    let told = preflight(&s, ORIGIN, "GET", "/v1/me").await;
    told.problem(403, "origin_refused");
    let told = answer(s.request(Method::GET, "/v1/me").header("origin", ORIGIN)).await;
    assert_eq!((said(&told, "access-control-allow-origin"), said(&told, "vary")), (None, None));
}

async fn answers_say_what_browsers_must_not_do(engine: Engine) {
    let rules = json!([
        {"routes": ["/v1/me"], "set": {"Referrer-Policy": "", "X-Frame-Options": "DENY"}},
        {"set": {"Strict-Transport-Security": "max-age=31536000"}},
    ]);
    let s = Server::start_with(engine, &[("FOREBAY_GATEWAY__HEADERS", &rules.to_string())]).await;
    for path in ["/v1/me", "/nothing", "/v1/streams"] {
        let told = s.get(path).await;
        assert_eq!(said(&told, "x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(said(&told, "strict-transport-security"), Some("max-age=31536000"));
        let policy = "default-src 'none'; frame-ancestors 'none'";
        assert_eq!(said(&told, "content-security-policy"), Some(policy));
        let own = path == "/v1/me";
        assert_eq!(said(&told, "referrer-policy"), (!own).then_some("no-referrer"));
        assert_eq!(said(&told, "x-frame-options"), own.then_some("DENY"));
    }
}
