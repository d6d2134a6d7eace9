//! What heads say on the other side.

use std::time::Duration;

use axum::body::Body;
use http::{HeaderName, HeaderValue, Request};
use tokio::time::Instant;

use super::kit::{Backend, draft, get, passing, text, upstream};
use crate::upstream::{Draft, Passing};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// The head that an endpoint gets.
async fn sent(
    draft_of: fn(Draft) -> Draft,
    request: Request<Body>,
    passing: Passing<'_>,
) -> String {
    let backend = Backend::saying(OK).await;
    let upstream = upstream(draft_of(draft(&[backend.address])));
    let response = upstream.send(request, passing).await.unwrap();
    assert_eq!(text(response).await, "ok");
    backend.heads().remove(0)
}

fn with(lines: &[(&'static str, &'static str)]) -> Request<Body> {
    let mut request = get("/a%20b?c=%2F&d");
    for (name, value) in lines {
        let name = HeaderName::from_static(name);
        request.headers_mut().append(name, HeaderValue::from_static(value));
    }
    request
}

#[tokio::test]
async fn what_is_of_this_connection_stays_on_it() {
    let request = with(&[
        ("connection", "close, X-Mine ,, content-length, host"),
        ("connection", "keep-alive, x-too, bad name"),
        ("x-mine", "1"),
        ("x-too", "1"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("proxy-authorization", "Basic x"),
        ("te", "gzip"),
        ("upgrade", "h2c"),
        ("http2-settings", "AAMAAABkAARAAAAAAAIAAAAA"),
        ("accept", "*/*"),
        ("cookie", "a=1"),
        ("cookie", "b=2"),
    ]);
    let head = sent(|draft| draft, request, passing()).await;
    assert!(head.starts_with("get /a%20b?c=%2f&d http/1.1\r\n"), "{head}");
    for gone in ["connection", "x-mine", "x-too", "keep-alive", "proxy-", "te:", "upgrade", "http2"]
    {
        assert!(!head.contains(&format!("\r\n{gone}")), "{gone}: {head}");
    }
    for there in ["accept: */*", "cookie: a=1", "cookie: b=2", "host: shop.example"] {
        assert!(head.contains(&format!("\r\n{there}\r\n")), "{there}: {head}");
    }
}

#[tokio::test]
async fn only_we_say_who_asks() {
    let request = with(&[
        ("x-forwarded-for", "198.51.100.1"),
        ("x-forwarded-for", "10.0.0.1"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-user", "root"),
        ("x-real-ip", "198.51.100.1"),
        ("forwarded", "for=198.51.100.1"),
        ("forebay-principal", "root"),
        ("x-forebay-role", "root"),
        ("forebay-timeout-ms", "999999"),
        ("x-request-id", "theirs"),
        ("traceparent", "theirs"),
        ("tracestate", "a=b"),
        ("via", "1.1 cdn"),
    ]);
    let ours = [(HeaderName::from_static("forebay-principal"), HeaderValue::from_static("signed"))];
    let passing = Passing { trace: Some("00-ours"), with: &ours, ..passing() };
    let head = sent(|draft| draft, request, passing).await;
    for there in [
        "x-forwarded-for: 192.0.2.7",
        "x-forwarded-proto: http",
        "x-forwarded-host: shop.example",
        "x-request-id: r-1",
        "traceparent: 00-ours",
        "tracestate: a=b",
        "via: 1.1 cdn",
        "via: 1.1 forebay",
        "forebay-principal: signed",
    ] {
        assert!(head.contains(&format!("\r\n{there}\r\n")), "{there}: {head}");
    }
    for gone in
        ["198.51.100.1", "10.0.0.1", "evil", "root", "theirs", "999999", "real-ip", "\r\nfor"]
    {
        let head = head.replace("\r\nforebay-principal: signed", "");
        assert!(!head.contains(gone), "{gone}: {head}");
    }
}

#[tokio::test]
async fn the_host_is_the_clients_or_the_endpoints() {
    let head = sent(|draft| draft, get("/"), passing()).await;
    assert!(head.contains("\r\nhost: shop.example\r\n"), "{head}");
    let own = |draft| Draft { host: "endpoint".to_owned(), ..draft };
    let head = sent(own, get("/"), passing()).await;
    assert!(head.contains("\r\nhost: 127.0.0.1:"), "{head}");
    assert!(head.contains("\r\nx-forwarded-host: shop.example\r\n"), "{head}");
    // An old client names none, and one that speaks to a proxy names it in the target.
    let old = Request::get("http://shop.example/a?b").body(Body::empty()).unwrap();
    let head = sent(|draft| draft, old, passing()).await;
    assert!(head.starts_with("get /a?b http/1.1\r\n"), "{head}");
    assert!(head.contains("\r\nhost: 127.0.0.1:"), "{head}");
}

#[tokio::test]
async fn the_time_that_is_left_travels_along() {
    tokio::time::pause();
    let deadline = Some(Instant::now() + Duration::from_millis(1500));
    tokio::time::resume();
    let head = sent(|draft| draft, get("/"), Passing { deadline, ..passing() }).await;
    let left = head.lines().find_map(|line| line.strip_prefix("forebay-timeout-ms: ")).unwrap();
    assert!((1..=1500).contains(&left.parse::<u64>().unwrap()), "{left}");
    let head = sent(|draft| draft, get("/"), passing()).await;
    assert!(!head.contains("forebay-timeout-ms"), "{head}");
}

#[tokio::test]
async fn a_circle_ends() {
    let backend = Backend::saying(OK).await;
    let upstream = upstream(draft(&[backend.address]));
    let via = |value| with(&[("via", value)]);
    let much = via("1.1 forebay, 1.1 forebay , 1.0 x,1.1 forebay,1.1 forebay");
    let error = upstream.send(much, passing()).await.unwrap_err();
    assert_eq!(error.code.as_str(), "upstream_failed");
    let some = via("1.1 forebay, 1.1 forebay, 1.0 x,1.1 forebay");
    assert_eq!(text(upstream.send(some, passing()).await.unwrap()).await, "ok");
    let connect = Request::connect("a:80").body(Body::empty()).unwrap();
    let error = upstream.send(connect, passing()).await.unwrap_err();
    assert_eq!(error.code.as_str(), "method_not_allowed");
    assert_eq!(backend.heads().len(), 1);
}

#[tokio::test]
async fn a_length_is_said_once_and_is_right() {
    for lines in [
        &[("content-length", "4")][..],
        &[("content-length", "4"), ("content-length", "4")],
        &[("content-length", "400")],
        &[("content-length", "4"), ("transfer-encoding", "chunked")],
        &[("transfer-encoding", "gzip, chunked")],
        &[],
    ] {
        let mut request = with(lines);
        *request.method_mut() = http::Method::POST;
        *request.body_mut() = Body::from("body");
        let head = sent(|draft| draft, request, passing()).await;
        assert_eq!(head.matches("content-length: 4\r\n").count(), 1, "{head}");
        assert_eq!(head.matches("content-length").count(), 1, "{head}");
        assert!(!head.contains("transfer-encoding"), "{head}");
    }
}

#[tokio::test]
async fn answers_keep_their_connection_to_themselves() {
    let answer = "HTTP/1.1 200 OK\r\nconnection: keep-alive, x-hop\r\nx-hop: 1\r\n\
                  keep-alive: timeout=5\r\nproxy-authenticate: Basic\r\nupgrade: h2c\r\n\
                  set-cookie: a=1\r\nset-cookie: b=2\r\ncontent-length: 2\r\ncontent-length: 2\r\n\
                  server: x\r\n\r\nok";
    let backend = Backend::saying(answer).await;
    let upstream = upstream(draft(&[backend.address]));
    let response = upstream.send(get("/"), passing()).await.unwrap();
    let names: Vec<&str> = response.headers().keys().map(HeaderName::as_str).collect();
    assert_eq!(names.len(), 3, "{names:?}");
    let all = |name| response.headers().get_all(name).iter().count();
    assert_eq!((all("set-cookie"), all("content-length"), all("server")), (2, 1, 1));
    assert_eq!(text(response).await, "ok");
}
