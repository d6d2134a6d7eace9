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

#[tokio::test]
async fn the_access_log_has_a_line_for_each_request_and_no_secret() {
    let wanted = [("FOREBAY_LOGGING__ACCESS", "true")];
    let s = Server::start_with(Engine::Sqlite, &wanted).await;
    s.put("/v1/streams/orders", orders()).await.expect(201);
    let body = json!({"n": 1}).to_string();
    let told =
        s.post_as("/v1/streams/orders/records?return=minimal", "application/json", body.clone());
    let told = told.await;
    let line_of = |told: &Answer| {
        let id = told.headers["x-request-id"].to_str().unwrap().to_owned();
        let own = move |line: &Value| line["target"] == "access" && line["request_id"] == *id;
        s.log.until(&own).into_iter().find(|line| own(line)).unwrap()
    };
    let line = line_of(&told);
    for (name, value) in [
        ("method", json!("POST")),
        ("path", json!("/v1/streams/orders/records")),
        ("service", json!("process")),
        ("route", json!("/v1/streams/{stream}/records")),
        ("status", json!(200)),
        ("client", json!("127.0.0.1")),
        ("received_bytes", json!(body.len())),
        ("sent_bytes", json!(told.text.len())),
    ] {
        assert_eq!(line[name], value, "{name}: {line}");
    }
    assert!(line["principal"].is_string() && line["duration_ms"].is_f64(), "{line}");
    // Refusals too, with what is known by then; secrets are in queries and heads.
    let told = answer(s.bare(Method::GET, "/v1/me?token=a-secret").bearer_auth("a-secret")).await;
    let line = line_of(&told);
    assert_eq!((&line["status"], &line["principal"]), (&json!(401), &Value::Null), "{line}");
    assert!(!s.log.text().contains("a-secret"));
    assert!(!s.log.text().contains(crate::support::KEY));
    // A subscriber's line comes when it has gone.
    let events = crate::events::Events::open(&s, "orders", "", None).await;
    drop(events);
    let (log, route) = (s.log.clone(), "/v1/streams/{stream}/subscribe");
    let gone = tokio::task::spawn_blocking(move || log.until(|line| line["route"] == route));
    let gone = gone.await.unwrap();
    assert_eq!(gone.last().unwrap()["status"], 200);
    // It is not there unless it is wanted.
    let mut s = Server::start(Engine::Sqlite).await;
    s.get("/v1/streams").await.expect(200);
    s.stop();
    assert!(!s.said().contains("\"target\":\"access\""));
}
