//! How many connections there are, and who waits for one.

use std::time::Duration;

use super::kit::{Backend, draft, get, passing, text, upstream};
use crate::upstream::{Draft, PoolLimits, Timeouts};

const LENGTH: usize = 100_000;

/// An endpoint with answers that are too long to come with their head: until somebody has read them,
/// they hold their connection.
async fn long() -> Backend {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {LENGTH}\r\n\r\n");
    Backend::saying(Box::leak((head + &"x".repeat(LENGTH)).into_boxed_str())).await
}

fn limited(draft: Draft, connections: u32, waiting: u32) -> Draft {
    let pool = PoolLimits { connections, waiting, ..PoolLimits::default() };
    Draft { pool, ..draft }
}

#[tokio::test]
async fn who_finds_no_connection_waits_for_one() {
    let backend = long().await;
    let upstream = upstream(limited(draft(&[backend.address]), 1, 10));
    let first = upstream.send(get("/1"), passing()).await.unwrap();
    let second = tokio::spawn({
        let upstream = upstream.clone();
        async move { upstream.send(get("/2"), passing()).await }
    });
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    // It is the answer's end that lets the next one in.
    assert!(!second.is_finished() && backend.heads().len() == 1);
    assert_eq!(text(first).await.len(), LENGTH);
    assert_eq!(text(second.await.unwrap().unwrap()).await.len(), LENGTH);
    assert_eq!(backend.connections(), 1);
}

#[tokio::test]
async fn who_finds_no_room_to_wait_is_told_to_come_again() {
    let backend = long().await;
    let upstream = upstream(limited(draft(&[backend.address]), 1, 0));
    let first = upstream.send(get("/1"), passing()).await.unwrap();
    let error = upstream.send(get("/2"), passing()).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.retry_after), ("overloaded", Some(1)));
    assert_eq!(upstream.state().endpoints[0].failures, 0);
    drop(first);
    assert_eq!(text(upstream.send(get("/3"), passing()).await.unwrap()).await.len(), LENGTH);
    assert_eq!(backend.heads().len(), 2);
}

#[tokio::test]
async fn who_waits_for_too_long_is_told_to_come_again() {
    let backend = long().await;
    let upstream = upstream(limited(draft(&[backend.address]), 1, 1));
    let first = upstream.send(get("/1"), passing()).await.unwrap();
    tokio::time::pause();
    let error = upstream.send(get("/2"), passing()).await.unwrap_err();
    assert_eq!(error.code.as_str(), "overloaded");
    tokio::time::resume();
    drop(first);
    assert_eq!(text(upstream.send(get("/3"), passing()).await.unwrap()).await.len(), LENGTH);
}

#[tokio::test]
async fn another_endpoint_has_room() {
    let (one, other) = (long().await, long().await);
    let upstream = upstream(limited(draft(&[one.address, other.address]), 1, 0));
    let first = upstream.send(get("/1"), passing()).await.unwrap();
    let second = upstream.send(get("/2"), passing()).await.unwrap();
    assert!(upstream.send(get("/3"), passing()).await.is_err());
    // Whichever of them it was, it is free again.
    drop(first);
    for _ in 0..3 {
        assert_eq!(text(upstream.send(get("/4"), passing()).await.unwrap()).await.len(), LENGTH);
    }
    assert_eq!((one.heads().len(), other.heads().len()), (4, 1));
    drop(second);
}

#[tokio::test]
async fn the_last_one_used_is_the_next() {
    let backend = long().await;
    let upstream = upstream(draft(&[backend.address]));
    let many = [1, 2, 3].map(|n| {
        let upstream = upstream.clone();
        tokio::spawn(async move { upstream.send(get(&format!("/{n}")), passing()).await.unwrap() })
    });
    let mut held = Vec::new();
    for one in many {
        held.push(one.await.unwrap());
    }
    for one in held {
        text(one).await;
    }
    assert_eq!(upstream.state().endpoints[0].connections, (3, 3));
    for _ in 0..10 {
        text(upstream.send(get("/"), passing()).await.unwrap()).await;
    }
    assert_eq!(backend.connections(), 3);
}

#[tokio::test]
async fn what_has_rested_for_too_long_is_let_go() {
    let backend = long().await;
    let timeouts = Timeouts { idle: Duration::from_secs(10), ..Timeouts::default() };
    let upstream = upstream(Draft { timeouts, ..draft(&[backend.address]) });
    text(upstream.send(get("/"), passing()).await.unwrap()).await;
    assert_eq!(upstream.state().endpoints[0].connections, (1, 1));
    // Also when nobody sweeps.
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(11)).await;
    tokio::time::resume();
    text(upstream.send(get("/"), passing()).await.unwrap()).await;
    assert_eq!((backend.connections(), upstream.state().endpoints[0].connections), (2, (1, 1)));
    let stopping = tokio_util::sync::CancellationToken::new();
    let running = tokio::spawn({
        let (upstream, stopping) = (upstream.clone(), stopping.clone());
        async move { upstream.run(stopping).await }
    });
    tokio::time::pause();
    tokio::time::sleep(Duration::from_secs(13)).await;
    tokio::time::resume();
    assert_eq!(upstream.state().endpoints[0].connections, (0, 0));
    stopping.cancel();
    running.await.unwrap();
}
