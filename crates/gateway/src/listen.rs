//! Accepts connections, serves them, and lets go of them in order when the process stops.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::header::CONNECTION;
use http::{HeaderValue, StatusCode};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::arrival::Arrival;
use crate::io::{Filled, State};
use crate::limit::Limits;
use crate::passage::Passage;
use crate::routes::normal;
use crate::{Gateway, head};

/// The two doors, open and not yet served.
pub struct Listening {
    public: TcpListener,
    admin: TcpListener,
}

impl Listening {
    /// Opens both doors; an error comes with the setting of the one that cannot be opened.
    pub async fn bind(public: &str, admin: &str) -> Result<Listening, (&'static str, String)> {
        let open = async |key, address: &str| {
            let opened = TcpListener::bind(address).await;
            opened.map_err(|e| (key, format!("cannot listen on {address}: {e}")))
        };
        let public = open("server.listen", public).await?;
        Ok(Listening { public, admin: open("server.admin_listen", admin).await? })
    }

    /// The addresses, with the ports that were taken: public, admin.
    pub fn addresses(&self) -> std::io::Result<(SocketAddr, SocketAddr)> {
        Ok((self.public.local_addr()?, self.admin.local_addr()?))
    }

    /// Serves until `stopping`, then answers what is in flight.
    pub async fn serve(self, gateway: Gateway, stopping: CancellationToken) {
        let limits = gateway.inner.limits.clone();
        let public = accept(self.public, gateway.clone(), Side::Public, stopping.clone());
        let admin = accept(self.admin, gateway, Side::Admin, stopping);
        counting(&limits, async { tokio::join!(public, admin) }).await;
    }
}

/// One more door: the one at which other processes ask for a service, beside the public one.
pub struct Door(TcpListener);

impl Door {
    /// Opens it; the error is a message for people.
    pub async fn bind(address: &str) -> Result<Door, String> {
        let opened = TcpListener::bind(address).await;
        opened.map(Door).map_err(|e| format!("cannot listen on {address}: {e}"))
    }

    /// The address, with the port that was taken.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// Serves until `stopping`, then answers what is in flight.
    pub async fn serve(self, gateway: Gateway, stopping: CancellationToken) {
        let limits = gateway.inner.limits.clone();
        counting(&limits, accept(self.0, gateway, Side::Public, stopping)).await;
    }
}

/// Serves, and looks after what is held of quotas meanwhile.
async fn counting<T>(limits: &Limits, serving: impl Future<Output = T>) {
    tokio::select! {
        _ = serving => {}
        () = limits.tend() => {}
    }
    // When nothing is in flight any more, and while it can still be given back.
    limits.close().await;
}

/// For whom a door is.
#[derive(Debug, Clone, Copy)]
enum Side {
    Public,
    Admin,
}

async fn accept(listener: TcpListener, gateway: Gateway, door: Side, stopping: CancellationToken) {
    let config = &gateway.inner.config;
    let room = Arc::new(Semaphore::new(config.max_connections));
    let open = TaskTracker::new();
    loop {
        let Ok(place) = room.clone().acquire_owned().await else { break };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopping.cancelled() => break,
        };
        let (socket, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, mostly: the next try comes when some may be free.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let peer = peer.ip().to_canonical();
        let connection = connection(socket, peer, gateway.clone(), door);
        let stopping = stopping.clone();
        open.spawn(async move {
            if let Err(error) = run(connection, stopping).await {
                tracing::debug!(%error, "connection ended");
            }
            drop(place);
        });
    }
    drop(listener);
    open.close();
    if tokio::time::timeout(config.shutdown_timeout, open.wait()).await.is_err() {
        tracing::warn!("requests were still in flight when the time to stop was over");
    }
}

/// Serves a connection; when the process stops, no further than the request in flight.
async fn run(connection: Connection, stopping: CancellationToken) -> hyper::Result<()> {
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        served = connection.as_mut() => return served,
        () = stopping.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    connection.await
}

type Connection = http1::UpgradeableConnection<TokioIo<Filled<TcpStream>>, Serving>;

fn connection(socket: TcpStream, peer: IpAddr, gateway: Gateway, door: Side) -> Connection {
    // Small answers leave at once; an error here only costs time.
    let _ = socket.set_nodelay(true);
    let state = Arc::new(State::default());
    let config = &gateway.inner.config;
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        // Runs from the end of the request before: the head's own time is kept by the socket.
        .header_read_timeout(config.keep_alive_timeout.max(config.header_timeout))
        .max_headers(config.max_headers)
        .max_buf_size(config.max_header_bytes.max(8192));
    let filled = Filled::new(socket, state.clone(), config.header_timeout, config.max_header_bytes);
    let io = TokioIo::new(filled);
    builder.serve_connection(io, Serving { gateway, door, peer, state }).with_upgrades()
}

/// One connection's requests.
struct Serving {
    gateway: Gateway,
    door: Side,
    peer: IpAddr,
    state: Arc<State>,
}

impl Service<http::Request<Incoming>> for Serving {
    type Response = http::Response<Tracked>;
    type Error = Infallible;
    type Future = AnswerFuture;

    fn call(&self, mut request: http::Request<Incoming>) -> AnswerFuture {
        let (gateway, door, state) = (self.gateway.clone(), self.door, self.state.clone());
        let peer = self.peer;
        Box::pin(async move {
            state.requests.fetch_add(1, Ordering::Relaxed);
            state.busy.store(true, Ordering::Relaxed);
            state.unread.store(!request.body().is_end_stream(), Ordering::Relaxed);
            let checked = head::check(&request);
            // From here on there is one path, for whoever looks at it.
            let checked = checked.and_then(|()| normal::target(request.uri_mut()));
            let arrival = Arrival::default();
            let sent = |body| Sent { body, state: state.clone(), arrival: arrival.clone() };
            let mut request = request.map(|body| Body::new(sent(body)));
            let client = gateway.inner.config.proxies.client(peer, request.headers());
            request.extensions_mut().insert(client);
            if let (Ok(()), Side::Admin) = (&checked, door) {
                let response = gateway.answer_admin(request).await;
                return Ok(response.map(|body| Tracked { body, state, passage: None }));
            }
            let passage = Passage::begin(&gateway, &request, arrival);
            let mut response = match checked {
                Err(error) => gateway.refuse(&passage, &error),
                Ok(()) => gateway.answer(&passage, request).await,
            };
            if state.broken.load(Ordering::Relaxed) {
                let headers = response.headers_mut();
                headers.insert(CONNECTION, HeaderValue::from_static("close"));
            }
            let upgraded = response.status() == StatusCode::SWITCHING_PROTOCOLS;
            state.upgraded.store(upgraded, Ordering::Relaxed);
            Ok(response.map(|body| Tracked { body, state, passage: Some(passage) }))
        })
    }
}

type AnswerFuture =
    Pin<Box<dyn Future<Output = Result<http::Response<Tracked>, Infallible>> + Send>>;

/// A request's body, which says how it arrives and when its end was read.
struct Sent {
    body: Incoming,
    state: Arc<State>,
    arrival: Arrival,
}

impl HttpBody for Sent {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        self.arrival.waits(frame.is_pending());
        let frame = ready!(frame);
        match &frame {
            Some(Ok(frame)) => self.arrival.came(frame.data_ref().map_or(0, Bytes::len)),
            Some(Err(_)) => self.state.broken.store(true, Ordering::Relaxed),
            None => self.state.unread.store(false, Ordering::Relaxed),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// An answer's body, which says when it is over.
struct Tracked {
    body: Body,
    state: Arc<State>,
    /// On the public door.
    passage: Option<Arc<Passage>>,
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.state.busy.store(false, Ordering::Relaxed);
        if self.state.upgraded.load(Ordering::Relaxed) {
            let mut upgrade = self.state.upgrade.lock().unwrap_or_else(PoisonError::into_inner);
            *upgrade = self.passage.take();
        }
    }
}

impl HttpBody for Tracked {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let (Some(Ok(frame)), Some(passage)) = (&frame, &self.passage) {
            let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
            passage.sent.fetch_add(bytes, Ordering::Relaxed);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
