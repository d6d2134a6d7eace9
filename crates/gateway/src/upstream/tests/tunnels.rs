//! WebSocket passes as it is.

use super::kit::{Backend, Peer, client, draft, front, upstream};

const ASKS: &str = "GET /ws HTTP/1.1\r\nhost: a\r\nconnection: Upgrade, x-hop\r\nx-hop: 1\r\n\
                    upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: k\r\n\r\n";
const GRANTS: &str = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\n\
                      upgrade: websocket\r\nsec-websocket-accept: a\r\n\r\n";

async fn both(answer: &'static str, script: fn(Peer) -> Script) -> (Backend, Peer) {
    let backend = Backend::start(move |mut peer| async move {
        peer.head().await.unwrap();
        peer.say(answer).await;
        script(peer).await;
    })
    .await;
    let door = front(upstream(draft(&[backend.address]))).await;
    (backend, client(door).await)
}

type Script = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

#[tokio::test]
async fn bytes_go_both_ways_until_one_end_closes() {
    let greets: &str = Box::leak(format!("{GRANTS}hello").into_boxed_str());
    let (backend, mut client) = both(greets, |mut peer| {
        Box::pin(async move {
            for n in 0..100 {
                assert_eq!(peer.exactly(4).await, format!("{n:04}").as_bytes());
                peer.say(format!("{n:05}")).await;
            }
            assert!(peer.closed().await);
        })
    })
    .await;
    client.say(ASKS).await;
    let head = client.head().await.unwrap();
    assert!(head.starts_with("http/1.1 101 switching protocols\r\n"), "{head}");
    assert!(head.contains("sec-websocket-accept: a\r\n") && head.contains("upgrade: websocket"));
    assert_eq!(client.exactly(5).await, b"hello");
    for n in 0..100 {
        client.say(format!("{n:04}")).await;
        assert_eq!(client.exactly(5).await, format!("{n:05}").as_bytes());
    }
    let asked = &backend.heads()[0];
    for line in ["connection: upgrade", "upgrade: websocket", "sec-websocket-key: k"] {
        assert!(asked.contains(&format!("\r\n{line}\r\n")), "{line}: {asked}");
    }
    assert!(!asked.contains("x-hop"), "{asked}");
    drop(client);
}

#[tokio::test]
async fn the_endpoint_has_the_last_word() {
    let (_backend, mut client) = both(GRANTS, |mut peer| {
        Box::pin(async move {
            peer.say("bye").await;
        })
    })
    .await;
    client.say(ASKS).await;
    client.head().await.unwrap();
    assert_eq!(client.exactly(3).await, b"bye");
    assert!(client.closed().await);
}

#[tokio::test]
async fn a_process_that_stops_hangs_up() {
    let (ended, mut end) = tokio::sync::mpsc::channel(1);
    let backend = Backend::start(move |mut peer| {
        let ended = ended.clone();
        async move {
            peer.head().await.unwrap();
            peer.say(GRANTS).await;
            peer.exactly(4).await;
            peer.say("pong").await;
            assert!(peer.closed().await);
            ended.send(()).await.unwrap();
        }
    })
    .await;
    let upstream = upstream(draft(&[backend.address]));
    let mut client = client(front(upstream.clone()).await).await;
    client.say(ASKS).await;
    client.head().await.unwrap();
    client.say("ping").await;
    assert_eq!(client.exactly(4).await, b"pong");
    assert_eq!(upstream.state().endpoints[0].in_flight, 1);
    assert_eq!(upstream.state().endpoints[0].connections, (1, 0));
    upstream.hang_up();
    assert!(client.closed().await);
    end.recv().await.unwrap();
    assert_eq!(upstream.state().endpoints[0].connections, (0, 0));
}

#[tokio::test]
async fn a_refusal_is_an_answer() {
    let refuses = "HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno";
    let (_backend, mut client) = both(refuses, |_| Box::pin(async {})).await;
    client.say(ASKS).await;
    assert!(client.head().await.unwrap().starts_with("http/1.1 403 forbidden\r\n"));
    assert_eq!(client.exactly(2).await, b"no");
}

#[tokio::test]
async fn nothing_else_becomes_a_tunnel() {
    let h2c = GRANTS.replace("websocket", "h2c");
    let plain: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    let asks_h2c = ASKS.replace("websocket", "h2c");
    let post = ASKS.replace("GET", "POST").replace("\r\n\r\n", "\r\ncontent-length: 0\r\n\r\n");
    for (asks, grants) in [
        // Nobody asked for it, or for something else.
        (plain, GRANTS),
        (&*asks_h2c, &*h2c),
        (ASKS, &*h2c),
        (&*post, GRANTS),
        (ASKS, "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n"),
    ] {
        let grants: &'static str = Box::leak(grants.to_owned().into_boxed_str());
        let (backend, mut client) = both(grants, |_| Box::pin(async {})).await;
        client.say(asks).await;
        let head = client.head().await.unwrap();
        assert!(head.starts_with("http/1.1 502 bad gateway\r\n"), "{asks}: {head}");
        if asks != ASKS {
            assert!(!backend.heads()[0].contains("\r\nupgrade:"), "{}", backend.heads()[0]);
        }
    }
}
