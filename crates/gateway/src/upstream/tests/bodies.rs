//! Bodies stream, however long they are and however they end.

use axum::body::Body;
use bytes::Bytes;
use futures_util::StreamExt as _;
use http::Request;
use tokio::sync::mpsc;

use super::kit::{Backend, client, draft, front, get, length, passing, post, text, upstream};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// A body of pieces that come when the test sends them.
fn streamed(pieces: mpsc::Receiver<&'static str>) -> Body {
    let pieces = futures_util::stream::unfold(pieces, |mut pieces| async {
        let piece = pieces.recv().await?;
        Some((Ok::<_, std::io::Error>(Bytes::from_static(piece.as_bytes())), pieces))
    });
    Body::from_stream(pieces)
}

#[tokio::test]
async fn an_answer_is_passed_on_piece_by_piece() {
    let (say, said) = mpsc::channel::<&str>(1);
    let said = std::sync::Arc::new(tokio::sync::Mutex::new(said));
    let backend = Backend::start(move |mut peer| {
        let said = said.clone();
        async move {
            peer.head().await.unwrap();
            peer.say("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n").await;
            peer.say("transfer-encoding: chunked\r\n\r\n").await;
            let mut said = said.lock().await;
            while let Some(piece) = said.recv().await {
                peer.say(format!("{:x}\r\n{piece}\r\n", piece.len())).await;
            }
            peer.say("0\r\n\r\n").await;
            assert!(peer.head().await.is_some());
            peer.say(OK).await;
        }
    })
    .await;
    let upstream = upstream(draft(&[backend.address]));
    let response = upstream.send(get("/events"), passing()).await.unwrap();
    let mut body = response.into_body().into_data_stream();
    for event in ["data: 1\n\n", "data: 2\n\n", "data: 3\n\n"] {
        say.send(event).await.unwrap();
        // It is here before the next one exists.
        assert_eq!(body.next().await.unwrap().unwrap(), event);
    }
    drop(say);
    assert!(body.next().await.is_none());
    assert_eq!(text(upstream.send(get("/"), passing()).await.unwrap()).await, "ok");
    assert_eq!(backend.connections(), 1);
}

#[tokio::test]
async fn a_request_is_passed_on_piece_by_piece() {
    let (saw, mut seen) = mpsc::channel(1);
    let backend = Backend::start(move |mut peer| {
        let saw = saw.clone();
        async move {
            let head = peer.head().await.unwrap();
            assert!(head.contains("\r\ntransfer-encoding: chunked\r\n"), "{head}");
            assert!(!head.contains("content-length"), "{head}");
            saw.send(peer.until("one\r\n").await).await.unwrap();
            saw.send(peer.until("0\r\n\r\n").await).await.unwrap();
            peer.say(OK).await;
        }
    })
    .await;
    // A body of unknown length is one with any method.
    for method in ["POST", "GET"] {
        let upstream = upstream(draft(&[backend.address]));
        let (say, said) = mpsc::channel(1);
        let request = Request::builder().method(method).uri("/up").header("host", "x");
        let request = request.body(streamed(said)).unwrap();
        let answer = tokio::spawn(async move { upstream.send(request, passing()).await });
        say.send("one").await.unwrap();
        assert_eq!(seen.recv().await.unwrap(), "3\r\none\r\n");
        say.send("three").await.unwrap();
        drop(say);
        assert_eq!(seen.recv().await.unwrap(), "5\r\nthree\r\n0\r\n\r\n");
        assert_eq!(text(answer.await.unwrap().unwrap()).await, "ok");
    }
}

#[tokio::test]
async fn neither_way_waits_for_the_other() {
    // The answer begins before the request is over, and each piece comes back.
    let backend = Backend::start(|mut peer| async move {
        peer.head().await.unwrap();
        peer.say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
        for word in ["ping", "pong"] {
            peer.until(&format!("{word}\r\n")).await;
            peer.say(format!("4\r\n{word}\r\n")).await;
        }
        peer.until("0\r\n\r\n").await;
        peer.say("0\r\n\r\n").await;
    })
    .await;
    let upstream = upstream(draft(&[backend.address]));
    let (say, said) = mpsc::channel(1);
    let response = upstream.send(post("/", streamed(said)), passing()).await.unwrap();
    let mut body = response.into_body().into_data_stream();
    for word in ["ping", "pong"] {
        say.send(word).await.unwrap();
        assert_eq!(body.next().await.unwrap().unwrap(), word);
    }
    drop(say);
    assert!(body.next().await.is_none());
}

#[tokio::test]
async fn large_bodies_go_both_ways() {
    let backend = Backend::start(|mut peer| async move {
        while let Some(head) = peer.head().await {
            let body = peer.exactly(length(&head)).await;
            peer.say(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len())).await;
            peer.say(body).await;
        }
    })
    .await;
    let upstream = upstream(draft(&[backend.address]));
    for _ in 0..2 {
        let sent: String = ('a'..='z').cycle().take(8 << 20).collect();
        let response = upstream.send(post("/", sent.clone()), passing()).await.unwrap();
        assert!(text(response).await == sent);
    }
    assert_eq!(backend.connections(), 1);
}

#[tokio::test]
async fn trailers_pass() {
    let answer = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n\
                  2\r\nok\r\n0\r\nx-sum: 7\r\n\r\n";
    let backend = Backend::start(move |mut peer| async move {
        while let Some(head) = peer.head().await {
            assert!(head.contains("\r\nte: trailers\r\n"), "{head}");
            assert!(head.contains("\r\nconnection: te\r\n"), "{head}");
            let body = peer.until("\r\n0\r\nx-mine: 8\r\n\r\n").await;
            assert!(body.ends_with("x-mine: 8\r\n\r\n"), "{body}");
            peer.say(answer).await;
        }
    })
    .await;
    let door = front(upstream(draft(&[backend.address]))).await;
    let mut client = client(door).await;
    for _ in 0..2 {
        let head = "POST / HTTP/1.1\r\nhost: a\r\nte: trailers\r\nconnection: te\r\n\
                    trailer: x-mine\r\ntransfer-encoding: chunked\r\n\r\n";
        client.say(head).await;
        client.say("4\r\nbody\r\n0\r\nx-mine: 8\r\n\r\n").await;
        let head = client.head().await.unwrap();
        assert!(head.contains("trailer: x-sum"), "{head}");
        let body = client.until("x-sum: 7\r\n\r\n").await;
        assert_eq!(body, "2\r\nok\r\n0\r\nx-sum: 7\r\n\r\n");
    }
    assert_eq!(backend.connections(), 1);
}

#[tokio::test]
async fn a_refusal_before_the_end_of_a_body_is_passed_on() {
    // It answers when it has seen the head, reads nothing more, and closes.
    let backend = Backend::start(|mut peer| async move {
        peer.head().await.unwrap();
        peer.say("HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\n").await;
        peer.say("connection: close\r\n\r\nbig").await;
    })
    .await;
    let upstream = upstream(draft(&[backend.address]));
    for _ in 0..20 {
        let body = "x".repeat(4 << 20);
        let response = upstream.send(post("/", body), passing()).await.unwrap();
        assert_eq!(response.status(), 413);
        assert_eq!(text(response).await, "big");
    }
    assert_eq!(backend.heads().len(), 20);
}

#[tokio::test]
async fn a_client_that_leaves_takes_the_connection_with_it() {
    let (saw, mut seen) = mpsc::channel(1);
    let backend = Backend::start(move |mut peer| {
        let saw = saw.clone();
        async move {
            peer.head().await.unwrap();
            if peer.number == 1 {
                peer.say("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf").await;
            }
            saw.send(()).await.unwrap();
            assert!(peer.closed().await);
            saw.send(()).await.unwrap();
        }
    })
    .await;
    let upstream = upstream(draft(&[backend.address]));
    // While it waits for the head.
    let waiting = tokio::spawn({
        let upstream = upstream.clone();
        async move { upstream.send(get("/"), passing()).await.map(drop) }
    });
    seen.recv().await.unwrap();
    waiting.abort();
    seen.recv().await.unwrap();
    // In the middle of the body.
    let response = upstream.send(get("/"), passing()).await.unwrap();
    seen.recv().await.unwrap();
    drop(response);
    seen.recv().await.unwrap();
    let endpoint = &upstream.state().endpoints[0];
    assert_eq!((endpoint.in_flight, endpoint.connections, endpoint.failures), (0, (0, 0), 0));
}
