//! Requests and answers pass as they are.

use tokio::io::AsyncWriteExt as _;

use super::kit::{Backend, client, draft, front, get, length, passing, post, text, upstream};
use crate::upstream::Upstream;

const HELLO: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx-own: 1\r\n\r\nhello";

#[tokio::test]
async fn a_connection_is_used_again() {
    let backend = Backend::saying(HELLO).await;
    let upstream = upstream(draft(&[backend.address]));
    for n in 0..10 {
        let response = upstream.send(get(&format!("/a?n={n}")), passing()).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["x-own"], "1");
        // It has come with its head: others may have the connection already.
        assert_eq!(http_body::Body::size_hint(response.body()).exact(), Some(5));
        assert_eq!(upstream.state().endpoints[0].connections, (1, 1));
        assert_eq!(text(response).await, "hello");
        let response = upstream.send(post("/b", "body"), passing()).await.unwrap();
        assert_eq!(text(response).await, "hello");
    }
    let heads = backend.heads();
    assert_eq!((heads.len(), backend.connections()), (20, 1));
    assert!(heads[4].starts_with("get /a?n=2 http/1.1\r\n"), "{}", heads[4]);
    assert!(heads[5].contains("\r\ncontent-length: 4\r\n"), "{}", heads[5]);
}

#[tokio::test]
async fn it_can_be_sent_from_any_task() {
    let backend = Backend::saying(HELLO).await;
    let upstream = upstream(draft(&[backend.address]));
    let send = |upstream: std::sync::Arc<Upstream>| async move {
        text(upstream.send(get("/"), passing()).await.unwrap()).await
    };
    let all: Vec<_> = (0..20).map(|_| tokio::spawn(send(upstream.clone()))).collect();
    for one in all {
        assert_eq!(one.await.unwrap(), "hello");
    }
    assert!(backend.connections() <= 20);
    let state = upstream.state();
    assert_eq!(state.endpoints[0].requests, 20);
    assert_eq!((state.endpoints[0].failures, state.endpoints[0].in_flight), (0, 0));
}

#[tokio::test]
async fn answers_without_a_body() {
    for (asked, answer, length) in [
        ("HEAD", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", Some("5")),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n", None),
        ("GET", "HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n", None),
        ("GET", "HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\netag: \"x\"\r\n\r\n", Some("5")),
        ("GET", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", Some("0")),
        ("HEAD", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", None),
        ("GET", "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 204 None\r\n\r\n", None),
    ] {
        let backend = Backend::saying(answer).await;
        let upstream = upstream(draft(&[backend.address]));
        for _ in 0..2 {
            let mut request = get("/");
            *request.method_mut() = asked.parse().unwrap();
            let response = upstream.send(request, passing()).await.unwrap();
            let said = response.headers().get("content-length").map(|v| v.to_str().unwrap());
            assert_eq!(said, length, "{answer}");
            assert!(!response.headers().contains_key("transfer-encoding"));
            assert_eq!(text(response).await, "");
        }
        assert_eq!(backend.connections(), 1, "{answer}");
    }
}

#[tokio::test]
async fn an_old_endpoint_ends_its_answer_with_the_connection() {
    let backend = Backend::start(|mut peer| async move {
        peer.head().await.unwrap();
        peer.say("HTTP/1.0 200 OK\r\ncontent-type: text/plain\r\n\r\nall ").await;
        peer.say("of it").await;
    })
    .await;
    let upstream = upstream(draft(&[backend.address]));
    for _ in 0..2 {
        let response = upstream.send(get("/"), passing()).await.unwrap();
        assert_eq!(response.version(), http::Version::HTTP_11);
        assert_eq!(text(response).await, "all of it");
    }
    assert_eq!(backend.connections(), 2);
}

#[tokio::test]
async fn a_client_that_waits_is_told_to_go_on() {
    let backend = Backend::start(|mut peer| async move {
        let head = peer.head().await.unwrap();
        let body = peer.exactly(length(&head)).await;
        assert_eq!(body, b"12345");
        peer.say("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    })
    .await;
    let door = front(upstream(draft(&[backend.address]))).await;
    let mut client = client(door).await;
    let head = "POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\n";
    client.say(head).await;
    assert_eq!(client.head().await.unwrap(), "http/1.1 100 continue\r\n\r\n");
    client.say("12345").await;
    assert!(client.head().await.unwrap().starts_with("http/1.1 200 ok\r\n"));
    assert_eq!(client.exactly(2).await, b"ok");
    assert!(!backend.heads()[0].contains("expect"), "{}", backend.heads()[0]);
}

#[tokio::test]
async fn a_client_that_waits_for_nobody_is_not_told_to_go_on() {
    let door = front(upstream(draft(&[Backend::nobody().await]))).await;
    let mut client = client(door).await;
    let head = "POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\n";
    client.say(head).await;
    assert!(client.head().await.unwrap().starts_with("http/1.1 502 bad gateway\r\n"));
    client.socket.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_at_once_on_many_threads() {
    // Piece by piece, with time in between for whoever waits to fall asleep.
    let backend = Backend::start(|mut peer| async move {
        while let Some(head) = peer.head().await {
            let body = peer.exactly(length(&head)).await;
            peer.say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
            for piece in body.chunks(100) {
                peer.say(format!("{:x}\r\n", piece.len())).await;
                tokio::task::yield_now().await;
                peer.say(piece).await;
                peer.say("\r\n").await;
            }
            peer.say("0\r\n\r\n").await;
        }
    })
    .await;
    let upstream = upstream(draft(&[backend.address]));
    let all = (0..16).map(|n| {
        let upstream = upstream.clone();
        tokio::spawn(async move {
            for round in 0..30 {
                let body = format!("{n}-{round} ").repeat(500);
                let response = upstream.send(post("/", body.clone()), passing()).await.unwrap();
                // The body is read by another task than the head.
                let read = tokio::spawn(text(response));
                assert_eq!(read.await.unwrap(), body);
            }
        })
    });
    for one in all.collect::<Vec<_>>() {
        one.await.unwrap();
    }
    let endpoint = &upstream.state().endpoints[0];
    assert_eq!((endpoint.requests, endpoint.failures, endpoint.in_flight), (480, 0, 0));
    assert!(backend.connections() <= 16, "{}", backend.connections());
}
