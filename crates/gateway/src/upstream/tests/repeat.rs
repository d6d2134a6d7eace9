//! What is tried again, and what never is: counted at the endpoints.

use std::time::Duration;

use axum::body::Body;
use http::{HeaderValue, Method, Request};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::kit::{Backend, draft, get, length, passing, post, scripted, text, upstream};
use crate::upstream::{Draft, Passing, Retries, Theirs};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const AWAY: &str = "HTTP/1.1 503 Away\r\ncontent-length: 4\r\n\r\naway";

/// Closes every connection when it has a request.
async fn closing() -> Backend {
    Backend::start(|mut peer| async move {
        if let Some(head) = peer.head().await {
            peer.exactly(length(&head)).await;
        }
    })
    .await
}

/// Sends it to one that closes first, and then one that answers: the outcome, and how many each saw.
async fn both(request: Request<Body>) -> (u16, usize, usize) {
    let (bad, good) = (closing().await, Backend::saying(OK).await);
    let upstream = upstream(draft(&[bad.address, good.address]));
    let outcome = upstream.send(request, passing()).await;
    let status = outcome.map_or_else(|error| error.code.status(), |r| r.status().as_u16());
    (status, bad.heads().len(), good.heads().len())
}

fn asking(method: &str, key: bool, body: impl Into<Body>) -> Request<Body> {
    let mut request = post("/", body);
    *request.method_mut() = Method::from_bytes(method.as_bytes()).unwrap();
    if key {
        request.headers_mut().insert("idempotency-key", HeaderValue::from_static("k"));
    }
    request
}

#[tokio::test]
async fn only_what_may_be_repeated_is() {
    for method in ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"] {
        assert_eq!(both(asking(method, false, "")).await, (200, 1, 1), "{method}");
    }
    for method in ["POST", "PATCH", "MKCOL"] {
        for body in ["", "body"] {
            assert_eq!(both(asking(method, false, body)).await, (502, 1, 0), "{method}");
            assert_eq!(both(asking(method, true, body)).await, (200, 1, 1), "{method}");
        }
    }
    let mut condition = asking("PUT", false, "new");
    condition.headers_mut().insert("if-match", HeaderValue::from_static("\"1\""));
    assert_eq!(both(condition).await, (502, 1, 0));
    let late = "x".repeat(65 << 10);
    assert_eq!(both(asking("PUT", false, late)).await, (502, 1, 0));
}

#[tokio::test]
async fn the_second_try_has_the_whole_body() {
    let bad = closing().await;
    let (saw, mut seen) = mpsc::channel(1);
    let good = Backend::start(move |mut peer| {
        let saw = saw.clone();
        async move {
            while let Some(head) = peer.head().await {
                let body = match length(&head) {
                    0 => peer.until("0\r\n\r\n").await.into_bytes(),
                    bytes => peer.exactly(bytes).await,
                };
                saw.send(String::from_utf8(body).unwrap()).await.unwrap();
                peer.say(OK).await;
            }
        }
    })
    .await;
    let upstream = upstream(draft(&[bad.address, good.address]));
    let pieces = || {
        let pieces = ["one", "two", "three"].map(Ok::<_, std::io::Error>);
        Body::from_stream(futures_util::stream::iter(pieces))
    };
    let long = "x".repeat(60 << 10);
    for (body, whole) in [
        (Body::from("short"), "short"),
        (Body::from(long.clone()), &*long),
        (pieces(), "3\r\none\r\n3\r\ntwo\r\n5\r\nthree\r\n0\r\n\r\n"),
    ] {
        let before = bad.heads().len();
        let response = upstream.send(asking("PUT", false, body), passing()).await.unwrap();
        assert_eq!(text(response).await, "ok");
        assert_eq!(seen.recv().await.unwrap(), whole);
        assert_eq!(bad.heads().len(), before + 1);
    }
}

#[tokio::test]
async fn what_nobody_got_goes_to_another() {
    let good = Backend::saying(OK).await;
    let upstream = upstream(draft(&[Backend::nobody().await, good.address]));
    for _ in 0..8 {
        let response = upstream.send(post("/", "body"), passing()).await.unwrap();
        assert_eq!(text(response).await, "ok");
    }
    assert_eq!(good.heads().len(), 8);
    // After five times it is not even tried.
    let dead = &upstream.state().endpoints[0];
    assert_eq!((dead.failures, dead.ejections), (5, 1));
    assert_eq!(dead.last_failure, Some("it cannot be reached"));
}

#[tokio::test]
async fn nobody_at_all_is_a_bad_gateway() {
    let upstream = upstream(draft(&[Backend::nobody().await, Backend::nobody().await]));
    for _ in 0..20 {
        let error = upstream.send(get("/"), passing()).await.unwrap_err();
        assert_eq!(error.code.as_str(), "upstream_failed");
    }
    let out = upstream.state().endpoints.iter().filter(|one| one.ejections > 0).count();
    assert_eq!(out, 1);
}

#[tokio::test]
async fn a_connection_that_was_closed_meanwhile_costs_nothing() {
    // It answers once a connection, and closes: what comes next meets a closed connection.
    let (closed, mut is_closed) = mpsc::channel(1);
    let backend = Backend::start(move |mut peer| {
        let closed = closed.clone();
        async move {
            peer.head().await.unwrap();
            peer.say(OK).await;
            drop(peer);
            closed.send(()).await.unwrap();
        }
    })
    .await;
    let upstream = upstream(draft(&[backend.address]));
    for n in 1..10 {
        let response = upstream.send(post("/", ""), passing()).await.unwrap();
        assert_eq!(text(response).await, "ok");
        is_closed.recv().await.unwrap();
        assert_eq!(backend.connections(), n);
    }
    assert_eq!(upstream.state().endpoints[0].failures, 0);
}

#[tokio::test]
async fn a_connection_that_closes_on_a_request_is_not_asked_twice_for_what_is_unsafe() {
    // The first answer of a connection is good; the second request is read, and the connection closed.
    let script = || {
        Backend::start(|mut peer| async move {
            peer.head().await.unwrap();
            peer.say(OK).await;
            peer.head().await;
        })
    };
    for (method, status, heads) in [("GET", 200, 3), ("PUT", 200, 3), ("POST", 502, 2)] {
        let backend = script().await;
        let upstream = upstream(draft(&[backend.address]));
        let send = || upstream.send(asking(method, false, ""), passing());
        assert_eq!(text(send().await.unwrap()).await, "ok");
        let outcome = send().await;
        let outcome = outcome.map_or_else(|error| error.code.status(), |r| r.status().as_u16());
        assert_eq!((outcome, backend.heads().len()), (status, heads), "{method}");
        let state = &upstream.state().endpoints[0];
        assert_eq!(state.failures, u64::from(method == "POST"));
    }
}

#[tokio::test]
async fn another_is_asked_when_one_is_away() {
    let (bad, good) = (Backend::saying(AWAY).await, Backend::saying(OK).await);
    let upstream = upstream(draft(&[bad.address, good.address]));
    for _ in 0..2 {
        assert_eq!(text(upstream.send(get("/"), passing()).await.unwrap()).await, "ok");
    }
    // What cannot be repeated gets the answer that there is, and so does everybody when there is no
    // other.
    let mut answers = Vec::new();
    for _ in 0..2 {
        answers.push(text(upstream.send(post("/", ""), passing()).await.unwrap()).await);
    }
    answers.sort();
    assert_eq!(answers, ["away", "ok"]);
    let alone = super::kit::upstream(draft(&[bad.address]));
    let response = alone.send(get("/"), passing()).await.unwrap();
    assert_eq!(response.status(), 503);
    assert!(response.extensions().get::<Theirs>().is_some());
    assert_eq!(text(response).await, "away");
}

#[tokio::test]
async fn a_second_failure_is_the_last() {
    let (one, other, third) = (closing().await, closing().await, closing().await);
    let upstream = upstream(draft(&[one.address, other.address, third.address]));
    assert!(upstream.send(get("/"), passing()).await.is_err());
    let seen = [&one, &other, &third].map(|backend| backend.heads().len());
    assert_eq!((seen.iter().sum::<usize>(), seen.iter().max()), (2, Some(&1)));
}

#[tokio::test]
async fn retries_have_a_budget() {
    let (one, other) = (closing().await, closing().await);
    let upstream = upstream(Draft { ejection: None, ..draft(&[one.address, other.address]) });
    for _ in 0..100 {
        assert!(upstream.send(get("/"), passing()).await.is_err());
    }
    let tries = one.heads().len() + other.heads().len();
    // A fifth, and a few that there always are.
    assert!((120..=135).contains(&tries), "{tries}");
}

#[tokio::test]
async fn there_is_no_second_try_without_time_for_it() {
    let (bad, good) = (closing().await, Backend::saying(OK).await);
    let pause = Duration::from_secs(5);
    let retries = Retries { pause_min: pause, pause_max: pause, ..Retries::default() };
    let upstream = upstream(Draft { retries, ..draft(&[bad.address, good.address]) });
    let deadline = Some(Instant::now() + Duration::from_secs(4));
    let error = upstream.send(get("/"), Passing { deadline, ..passing() }).await.unwrap_err();
    assert_eq!(error.code.as_str(), "upstream_failed");
    assert_eq!((bad.heads().len(), good.heads().len()), (1, 0));
}

#[tokio::test]
async fn none_are_made_where_none_are_wanted() {
    let (bad, good) = (closing().await, Backend::saying(OK).await);
    let retries = Retries { tries: 0, ..Retries::default() };
    let upstream = upstream(Draft { retries, ..draft(&[bad.address, good.address]) });
    assert!(upstream.send(get("/"), passing()).await.is_err());
    assert_eq!((bad.heads().len(), good.heads().len()), (1, 0));
    let _ = scripted(&[OK]).await;
}
