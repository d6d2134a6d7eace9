//! Endpoints that fall ill and get well.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::kit::{Backend, draft, get, passing, text, upstream};
use crate::upstream::{Check, Draft, Retries, Standing, Upstream};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const BAD: &str = "HTTP/1.1 502 Bad\r\ncontent-length: 3\r\n\r\nbad";

/// An endpoint that is well or not, as the test says.
async fn moody(well: &Arc<AtomicBool>) -> Backend {
    let well = well.clone();
    Backend::start(move |mut peer| {
        let well = well.clone();
        async move {
            while peer.head().await.is_some() {
                peer.say(if well.load(SeqCst) { OK } else { BAD }).await;
            }
        }
    })
    .await
}

fn standing(upstream: &Upstream) -> Standing {
    upstream.state().endpoints[0].standing
}

async fn ask(upstream: &Upstream, times: usize) {
    for _ in 0..times {
        let response = upstream.send(get("/"), passing()).await.unwrap();
        assert_eq!(text(response).await, "ok");
    }
}

async fn pass(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    tokio::time::resume();
}

#[tokio::test]
async fn a_flapping_endpoint_is_left_out_and_comes_back() {
    let well = Arc::new(AtomicBool::new(false));
    let (flapping, steady) = (moody(&well).await, Backend::saying(OK).await);
    let retries = Retries { budget_percent: 100, ..draft(&[]).retries };
    let upstream = upstream(Draft { retries, ..draft(&[flapping.address, steady.address]) });
    // Nobody hears of it: another is asked.
    ask(&upstream, 40).await;
    assert_eq!(standing(&upstream), Standing::Ejected);
    assert_eq!(flapping.heads().len(), 5);
    pass(31).await;
    assert_eq!(standing(&upstream), Standing::HalfOpen);
    // One request shows that it is no better; it is out for twice as long.
    ask(&upstream, 10).await;
    assert_eq!((flapping.heads().len(), standing(&upstream)), (6, Standing::Ejected));
    pass(31).await;
    ask(&upstream, 10).await;
    assert_eq!(flapping.heads().len(), 6);
    well.store(true, SeqCst);
    pass(31).await;
    ask(&upstream, 10).await;
    assert_eq!(standing(&upstream), Standing::Healthy);
    assert_eq!((flapping.heads().len(), upstream.state().endpoints[0].ejections), (11, 2));
}

#[tokio::test]
async fn a_reason_to_refuse_is_not_an_illness() {
    let busy = "HTTP/1.1 503 Busy\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n";
    for answer in [busy, "HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n"] {
        let (one, other) = (Backend::saying(answer).await, Backend::saying(OK).await);
        let upstream = upstream(draft(&[one.address, other.address]));
        for _ in 0..20 {
            drop(upstream.send(get("/"), passing()).await.unwrap());
        }
        assert_eq!(standing(&upstream), Standing::Healthy, "{answer}");
    }
}

#[tokio::test]
async fn checks_take_an_endpoint_down_and_bring_it_back() {
    let well = Arc::new(AtomicBool::new(true));
    let (checked, dead) = (moody(&well).await, Backend::nobody().await);
    let check = Some(Check { path: "/health?x".to_owned(), ..Check::default() });
    let upstream = upstream(Draft { check, ..draft(&[checked.address, dead]) });
    let stopping = CancellationToken::new();
    let running = tokio::spawn({
        let (upstream, stopping) = (upstream.clone(), stopping.clone());
        async move { upstream.run(stopping).await }
    });
    let until = async |standings: [Standing; 2]| {
        let now = || upstream.state().endpoints.iter().map(|one| one.standing).collect::<Vec<_>>();
        while now() != standings {
            tokio::task::yield_now().await;
            pass(1).await;
        }
    };
    until([Standing::Healthy, Standing::Down]).await;
    // Without a single request of a client.
    assert!(checked.heads().len() >= 3);
    let head = &checked.heads()[0];
    assert!(head.starts_with("get /health?x http/1.1\r\n"), "{head}");
    assert!(head.contains("\r\nhost: 127.0.0.1:"), "{head}");
    ask(&upstream, 4).await;
    well.store(false, SeqCst);
    until([Standing::Down, Standing::Down]).await;
    let error = upstream.send(get("/"), passing()).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.retry_after), ("upstream_failed", Some(1)));
    well.store(true, SeqCst);
    until([Standing::Healthy, Standing::Down]).await;
    ask(&upstream, 4).await;
    stopping.cancel();
    running.await.unwrap();
}
