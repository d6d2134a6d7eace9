//! Endpoints that are dead, slow, or talk nonsense: what the client gets.

use std::time::Duration;

use axum::body::to_bytes;
use http::Method;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::kit::{Backend, draft, get, passing, post, scripted, text, upstream};
use crate::upstream::{Draft, Passing, Retries};

/// Without second tries.
fn once(draft: Draft) -> Draft {
    Draft { retries: Retries { tries: 0, ..Retries::default() }, ..draft }
}

#[tokio::test]
async fn nonsense_is_a_bad_gateway() {
    let fine = "HTTP/1.1 200 OK\r\n";
    let long = format!("{fine}x-long: {}\r\n\r\n", "x".repeat(80 << 10));
    let many = format!("{fine}{}\r\n", "a: b\r\n".repeat(200));
    for answer in [
        "SSH-2.0-OpenSSH_9.6\r\n",
        "\r\n\r\n\r\nhello\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx : 1\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx: 1\r\n folded\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx: a\0b\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok!",
        "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: +2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ncontent-length: 2, 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: identity\r\n\r\nok",
        "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        &long,
        &many,
    ] {
        let answer: &'static str = Box::leak(answer.to_owned().into_boxed_str());
        let backend = scripted(Box::leak(Box::new([answer, ""]))).await;
        let upstream = upstream(once(draft(&[backend.address])));
        let error = upstream.send(get("/"), passing()).await.unwrap_err();
        let shown: String = answer.chars().take(90).collect();
        assert_eq!(error.code.as_str(), "upstream_failed", "{shown:?}");
        assert_eq!(error.code.status(), 502);
        // What is wrong with it is not for the client.
        assert_eq!(error.detail, "the upstream `users` did not answer as it should");
        assert!(error.cause.is_some());
        let endpoint = &upstream.state().endpoints[0];
        assert_eq!((endpoint.failures, endpoint.connections.1), (1, 0), "{shown:?}");
    }
}

#[tokio::test]
async fn what_nobody_asked_for_is_nobodys_answer() {
    // The second answer is there before the second request: it must not become its answer.
    let two = "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n1HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil";
    let backend =
        scripted(Box::leak(Box::new([two, "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n2"]))).await;
    let upstream = upstream(draft(&[backend.address]));
    assert_eq!(text(upstream.send(get("/1"), passing()).await.unwrap()).await, "1");
    assert_eq!(text(upstream.send(get("/2"), passing()).await.unwrap()).await, "2");
    assert_eq!(backend.connections(), 2);
}

#[tokio::test]
async fn a_body_that_breaks_off_does_not_look_whole() {
    for (answer, reset) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", false),
        ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", true),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n", false),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\nxyz\r\n", false),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nhalf", true),
    ] {
        let (go, gone) = mpsc::channel::<()>(1);
        let gone = std::sync::Arc::new(tokio::sync::Mutex::new(gone));
        let backend = Backend::start(move |mut peer| {
            let gone = gone.clone();
            async move {
                peer.head().await.unwrap();
                peer.say(answer).await;
                // The head is through before the connection goes.
                gone.lock().await.recv().await;
                if reset {
                    peer.reset();
                }
            }
        })
        .await;
        let upstream = upstream(draft(&[backend.address]));
        let response = upstream.send(get("/"), passing()).await.unwrap();
        assert_eq!(response.status(), 200);
        drop(go);
        assert!(to_bytes(response.into_body(), 1 << 20).await.is_err(), "{answer}");
        let endpoint = &upstream.state().endpoints[0];
        assert_eq!((endpoint.failures, endpoint.in_flight), (1, 0), "{answer}");
        assert_eq!((endpoint.connections, backend.heads().len()), ((0, 0), 1), "{answer}");
    }
}

#[tokio::test]
async fn a_body_that_is_broken_from_its_first_byte_does_not_look_empty() {
    let answer = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n";
    let backend = scripted(Box::leak(Box::new([answer, ""]))).await;
    let upstream = upstream(draft(&[backend.address]));
    let response = upstream.send(get("/"), passing()).await.unwrap();
    assert!(to_bytes(response.into_body(), 1 << 20).await.is_err());
    assert_eq!(upstream.state().endpoints[0].failures, 1);
}

#[tokio::test]
async fn who_closes_before_answering_has_failed() {
    for reset in [false, true] {
        let backend = Backend::start(move |mut peer| async move {
            peer.head().await.unwrap();
            if reset {
                peer.reset();
            }
        })
        .await;
        let upstream = upstream(once(draft(&[backend.address])));
        let error = upstream.send(get("/"), passing()).await.unwrap_err();
        assert_eq!(error.code.as_str(), "upstream_failed");
        assert_eq!(backend.heads().len(), 1);
    }
}

#[tokio::test]
async fn an_endpoint_that_has_closed_its_half_still_gets_the_request() {
    // It says that it will send nothing more, and reads on: there can be no answer.
    let backend = Backend::start(|mut peer| async move {
        tokio::io::AsyncWriteExt::shutdown(&mut peer.socket).await.unwrap();
        while peer.head().await.is_some() {}
    })
    .await;
    let upstream = upstream(once(draft(&[backend.address])));
    let error = upstream.send(post("/", "x"), passing()).await.unwrap_err();
    assert_eq!(error.code.as_str(), "upstream_failed");
}

#[tokio::test]
async fn who_does_not_answer_in_time_is_a_gateway_timeout() {
    let (saw, mut seen) = mpsc::channel(1);
    let backend = Backend::start(move |mut peer| {
        let saw = saw.clone();
        async move {
            peer.head().await.unwrap();
            saw.send(()).await.unwrap();
            peer.closed().await;
            saw.send(()).await.unwrap();
        }
    })
    .await;
    let upstream = upstream(draft(&[backend.address]));
    for (deadline, limit, failures) in [(None, 30, 1), (Some(5), 5, 1), (Some(50), 30, 2)] {
        let begun = Instant::now();
        let deadline = deadline.map(|seconds| begun + Duration::from_secs(seconds));
        let answer = tokio::spawn({
            let upstream = upstream.clone();
            async move { upstream.send(get("/"), Passing { deadline, ..passing() }).await }
        });
        seen.recv().await.unwrap();
        tokio::time::pause();
        let error = answer.await.unwrap().unwrap_err();
        let took = begun.elapsed().as_secs();
        tokio::time::resume();
        assert_eq!((error.code.as_str(), error.code.status()), ("timeout", 504), "{error:?}");
        assert_eq!(took, limit);
        // Whose time is over before is not held against the endpoint.
        assert_eq!(upstream.state().endpoints[0].failures, failures);
        seen.recv().await.unwrap();
    }
    assert_eq!(backend.heads().len(), 3);
}

#[tokio::test]
async fn a_slow_client_is_not_a_slow_endpoint() {
    let (saw, mut seen) = mpsc::channel(1);
    let backend = Backend::start(move |mut peer| {
        let saw = saw.clone();
        async move {
            peer.head().await.unwrap();
            saw.send(()).await.unwrap();
            peer.until("0\r\n\r\n").await;
            peer.say("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
        }
    })
    .await;
    let upstream = upstream(draft(&[backend.address]));
    let (say, said) = mpsc::channel::<()>(1);
    let body = futures_util::stream::unfold(said, |mut said| async move {
        said.recv().await;
        None::<(Result<bytes::Bytes, std::io::Error>, _)>
    });
    let request = post("/", axum::body::Body::from_stream(body));
    let answer = tokio::spawn(async move { upstream.send(request, passing()).await });
    seen.recv().await.unwrap();
    tokio::time::pause();
    tokio::time::sleep(Duration::from_secs(500)).await;
    tokio::time::resume();
    assert!(!answer.is_finished());
    drop(say);
    assert_eq!(text(answer.await.unwrap().unwrap()).await, "ok");
}

#[tokio::test]
async fn a_client_that_breaks_its_body_off_is_not_the_endpoints_fault() {
    let backend = Backend::start(|mut peer| async move {
        peer.head().await.unwrap();
        peer.closed().await;
    })
    .await;
    let upstream = upstream(draft(&[backend.address]));
    for method in [Method::POST, Method::PUT] {
        let broken = || Err::<bytes::Bytes, _>(std::io::Error::other("gone"));
        let body = futures_util::stream::iter([Ok("some".into()), broken()]);
        let mut request = post("/", axum::body::Body::from_stream(body));
        *request.method_mut() = method;
        let error = upstream.send(request, passing()).await.unwrap_err();
        assert_eq!(error.code.as_str(), "bad_request", "{error:?}");
    }
    assert_eq!(upstream.state().endpoints[0].failures, 0);
}

#[tokio::test]
async fn a_slow_one_does_not_delay_the_others() {
    let slow = Backend::start(|mut peer| async move {
        peer.head().await.unwrap();
        peer.closed().await;
    })
    .await;
    let quick = Backend::saying("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    let upstream =
        upstream(Draft { balance: "p2c".to_owned(), ..draft(&[slow.address, quick.address]) });
    // Some are stuck; as long as they are, nobody else goes there.
    let stuck: Vec<_> = (0..20)
        .map(|_| {
            let upstream = upstream.clone();
            tokio::spawn(async move { upstream.send(get("/"), passing()).await.map(drop) })
        })
        .collect();
    while upstream.state().endpoints[1].in_flight > 0
        || upstream.state().endpoints[0].in_flight == 0
    {
        tokio::task::yield_now().await;
    }
    let before = slow.heads().len();
    for _ in 0..50 {
        assert_eq!(text(upstream.send(get("/"), passing()).await.unwrap()).await, "ok");
    }
    assert_eq!(slow.heads().len(), before);
    stuck.iter().for_each(tokio::task::JoinHandle::abort);
}
