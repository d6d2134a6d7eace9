//! Endpoints that do what a test tells them, and a client.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::response::Response;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::upstream::{Draft, Passing, Retries, Upstream, UpstreamConfig};

/// An endpoint, which counts what comes.
pub(super) struct Backend {
    pub(super) address: SocketAddr,
    seen: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    connections: AtomicUsize,
    heads: Mutex<Vec<String>>,
}

/// A connection on the endpoint's side.
pub(super) struct Peer {
    pub(super) socket: TcpStream,
    /// Which connection of the endpoint it is, from 0.
    pub(super) number: usize,
    rest: Vec<u8>,
    seen: Arc<Counts>,
}

impl Backend {
    /// Serves each connection by a script.
    pub(super) async fn start<F>(script: impl Fn(Peer) -> F + Send + 'static) -> Backend
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Counts::default());
        let counts = seen.clone();
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let number = counts.connections.fetch_add(1, SeqCst);
                let (rest, seen) = (Vec::new(), counts.clone());
                tokio::spawn(script(Peer { socket, number, rest, seen }));
            }
        });
        Backend { address, seen }
    }

    /// Answers every request with the same bytes, and goes on; bodies are as long as they say.
    pub(super) async fn saying(answer: &'static str) -> Backend {
        Backend::start(move |mut peer| async move {
            while let Some(head) = peer.head().await {
                peer.exactly(length(&head)).await;
                peer.say(answer).await;
            }
        })
        .await
    }

    /// An address where nobody listens.
    pub(super) async fn nobody() -> SocketAddr {
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap()
    }

    pub(super) fn heads(&self) -> Vec<String> {
        self.seen.heads.lock().unwrap().clone()
    }

    pub(super) fn connections(&self) -> usize {
        self.seen.connections.load(SeqCst)
    }
}

impl Peer {
    /// The next request's head, in lower case; none when the connection is closed.
    pub(super) async fn head(&mut self) -> Option<String> {
        let head = loop {
            if let Some(at) = self.rest.windows(4).position(|four| four == b"\r\n\r\n") {
                break self.rest.drain(..at + 4).collect::<Vec<u8>>();
            }
            self.more().await?;
        };
        let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
        self.seen.heads.lock().unwrap().push(head.clone());
        Some(head)
    }

    async fn more(&mut self) -> Option<()> {
        let mut piece = [0; 16 << 10];
        let count = self.socket.read(&mut piece).await.ok().filter(|count| *count > 0)?;
        self.rest.extend_from_slice(&piece[..count]);
        Some(())
    }

    /// So many bytes, or what comes before the end.
    pub(super) async fn exactly(&mut self, bytes: usize) -> Vec<u8> {
        while self.rest.len() < bytes && self.more().await.is_some() {}
        let bytes = bytes.min(self.rest.len());
        self.rest.drain(..bytes).collect()
    }

    /// What comes up to and with a text, or before the end.
    pub(super) async fn until(&mut self, end: &str) -> String {
        let found = |rest: &[u8]| rest.windows(end.len()).position(|w| w == end.as_bytes());
        while found(&self.rest).is_none() && self.more().await.is_some() {}
        let to = found(&self.rest).map_or(self.rest.len(), |at| at + end.len());
        String::from_utf8(self.rest.drain(..to).collect()).unwrap()
    }

    /// Whether the other end closes without another byte.
    pub(super) async fn closed(&mut self) -> bool {
        self.rest.is_empty() && self.more().await.is_none()
    }

    pub(super) async fn say(&mut self, text: impl AsRef<[u8]>) {
        let _ = self.socket.write_all(text.as_ref()).await;
    }

    /// Ends the connection with a reset.
    pub(super) fn reset(self) {
        self.socket.set_zero_linger().unwrap();
    }
}

/// What `content-length` says.
pub(super) fn length(head: &str) -> usize {
    let line = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    line.map_or(0, |value| value.parse().unwrap())
}

/// An upstream of these endpoints.
pub(super) fn draft(endpoints: &[SocketAddr]) -> Draft {
    let endpoints = endpoints.iter().map(|address| (format!("http://{address}"), 1)).collect();
    Draft {
        name: "users".to_owned(),
        endpoints,
        balance: "round_robin".to_owned(),
        retries: Retries {
            pause_min: Duration::ZERO,
            pause_max: Duration::ZERO,
            ..Retries::default()
        },
        ..Draft::default()
    }
}

pub(super) fn upstream(draft: Draft) -> Arc<Upstream> {
    Upstream::new(UpstreamConfig::new(draft).unwrap())
}

pub(super) fn passing() -> Passing<'static> {
    Passing {
        client: Ipv4Addr::new(192, 0, 2, 7).into(),
        scheme: "http",
        request_id: "r-1",
        trace: None,
        deadline: None,
        key: None,
        with: &[],
    }
}

pub(super) fn get(path: &str) -> Request<Body> {
    Request::get(path).header("host", "shop.example").body(Body::empty()).unwrap()
}

pub(super) fn post(path: &str, body: impl Into<Body>) -> Request<Body> {
    Request::post(path).header("host", "shop.example").body(body.into()).unwrap()
}

/// The whole body as a text.
pub(super) async fn text(response: Response) -> String {
    let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A door before an upstream, for clients that are sockets.
pub(super) async fn front(upstream: Arc<Upstream>) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let upstream = upstream.clone();
            let service = service_fn(move |request: Request<Incoming>| {
                let upstream = upstream.clone();
                async move {
                    let answered = upstream.send(request.map(Body::new), passing()).await;
                    Ok::<_, Infallible>(answered.unwrap_or_else(|error| {
                        let status = error.code.status();
                        Response::builder().status(status).body(Body::from(error.detail)).unwrap()
                    }))
                }
            });
            let connection = http1::Builder::new().serve_connection(TokioIo::new(socket), service);
            tokio::spawn(connection.with_upgrades());
        }
    });
    address
}

/// A client's connection.
pub(super) async fn client(address: SocketAddr) -> Peer {
    let socket = TcpStream::connect(address).await.unwrap();
    Peer { socket, number: 0, rest: Vec::new(), seen: Arc::default() }
}

/// Endpoints that count their requests and answer each connection's by a script of answers; an empty
/// one closes the connection.
pub(super) async fn scripted(answers: &'static [&'static str]) -> Backend {
    let next = Arc::new(AtomicUsize::new(0));
    Backend::start(move |mut peer| {
        let next = next.clone();
        async move {
            while let Some(head) = peer.head().await {
                peer.exactly(length(&head)).await;
                let answer = answers[next.fetch_add(1, SeqCst).min(answers.len() - 1)];
                if answer.is_empty() {
                    return;
                }
                peer.say(answer).await;
            }
        }
    })
    .await
}
