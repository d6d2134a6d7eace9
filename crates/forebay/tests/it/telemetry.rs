//! What operators see: logs, traces and metrics.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Engine, Server, answer, orders};

/// The log up to the line that ends a request.
fn log_of(s: &Server, told: &Answer) -> Vec<Value> {
    let id = told.headers["x-request-id"].to_str().unwrap();
    let own = |line: &Value| line["span"]["request_id"] == id;
    let log = s.log.until(|line| own(line) && line["message"] == "request");
    log.into_iter().filter(own).collect()
}

#[tokio::test]
async fn a_request_is_part_of_its_callers_trace() {
    let s = Server::start_with(Engine::Sqlite, &[("LOG_LEVEL", "DEBUG")]).await;
    let id = "4bf92f3577b34da6a3ce929d0e0e4736";
    let parent = format!("00-{id}-00f067aa0ba902b7-01");
    let ask = |parents: &[&str]| {
        let request = s.request(Method::GET, "/v1/streams");
        answer(parents.iter().fold(request, |r, parent| r.header("traceparent", *parent)))
    };
    let told = ask(&[&parent]).await;
    let place = told.headers["traceresponse"].to_str().unwrap().to_owned();
    let parts: Vec<&str> = place.split('-').collect();
    assert_eq!((parts[0], parts[1], parts[2].len(), parts[3]), ("00", id, 16, "01"));
    assert_ne!(parts[2], "00f067aa0ba902b7");
    let log = log_of(&s, &told);
    assert!(log.iter().all(|line| line["span"]["trace_id"] == id), "{log:?}");
    // What is malformed, or stands twice, begins a trace of its own.
    for wrong in [&[][..], &["00-x"], &[&parent, &parent], &[&parent.to_uppercase()]] {
        let told = ask(wrong).await;
        let place = told.headers["traceresponse"].to_str().unwrap();
        assert!(place.len() == 55 && !place.contains(id), "{place}");
    }
}

#[tokio::test]
async fn a_wait_that_was_for_nothing_is_no_fault() {
    let s = Server::start_with(Engine::Sqlite, &[("LOG_LEVEL", "DEBUG")]).await;
    s.put("/v1/streams/orders", orders()).await.expect(201);
    let told = s.get("/v1/streams/orders/records?min_seq=5").await;
    told.problem(504, "index_behind");
    for line in log_of(&s, &told) {
        assert_eq!(line["level"], "DEBUG", "{line}");
    }
}

#[tokio::test]
async fn metrics_say_who_and_what() {
    let s = Server::start(Engine::Sqlite).await;
    s.put("/v1/streams/orders", orders()).await.expect(201);
    s.post("/v1/streams/orders/records", json!({"n": 1})).await.expect(200);
    s.get("/v1/streams/orders/records").await.expect(200);
    s.get("/v1/me").await.expect(200);
    s.get("/nothing").await.problem(404, "not_found");
    let client = crate::support::client();
    let metrics = answer(client.get(format!("http://{}/metrics", s.admin))).await.text;
    let records = "/v1/streams/{stream}/records";
    for (service, route, method, status) in [
        ("store", "/v1/streams/{stream}", "PUT", 201),
        ("process", records, "POST", 200),
        ("store", records, "GET", 200),
        ("auth", "/v1/me", "GET", 200),
        ("gateway", "none", "GET", 404),
    ] {
        let line = format!(
            "forebay_http_requests_total{{service=\"{service}\",route=\"{route}\",\
             method=\"{method}\",status=\"{status}\"}} 1\n"
        );
        assert!(metrics.contains(&line), "{line} {metrics}");
    }
    // Each metric says what it is.
    let kinds = metrics.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let names: Vec<&str> = kinds.filter_map(|line| line.split(' ').next()).collect();
    assert!(names.len() > 8, "{names:?}");
    for name in names {
        assert!(metrics.contains(&format!("# HELP {name} ")), "{name}");
    }
}
