//! One connection to an endpoint, driven by whoever uses it: a request needs no task of its own, and
//! nothing is handed from one thread to another.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use super::outgoing::Outgoing;
use super::pool::Open;
use super::wire::{Seen, Watched};

/// Longest head of an answer, and of its trailers.
const MAX_HEAD_BYTES: usize = 64 << 10;
/// When a timer that waits for nothing would ring.
const LONG: Duration = Duration::from_secs(30 * 86_400);

/// The socket as the protocol layer has it.
pub(crate) type Socket = TokioIo<Watched<TcpStream>>;

/// A connection. It only moves while somebody polls it.
pub(crate) struct Connection {
    sender: http1::SendRequest<Outgoing>,
    /// None when it has been given away or has ended.
    driver: Option<http1::Connection<Socket, Outgoing>>,
    pub(crate) seen: Arc<Seen>,
    /// Kept from one request to the next: to put it off costs less than to make a new one.
    timer: Pin<Box<Sleep>>,
    /// Whether a request was answered on it before.
    pub(crate) used: bool,
    /// When it was last used.
    pub(crate) rests_since: Instant,
    /// What is left when it speaks another protocol from now on.
    pub(crate) upgraded: Option<http1::Parts<Socket>>,
    _open: Open,
}

/// Why there is no answer.
pub(crate) enum Broken {
    /// Not a byte of the request was sent: it is given back.
    Unsent(Box<Request<Outgoing>>),
    /// The connection ended before the answer began.
    Closed(hyper::Error),
    /// What came is no HTTP.
    Garbage(hyper::Error),
    /// The client did not send its body to the end.
    Client(hyper::Error),
    /// No head came in time.
    Late,
}

impl Connection {
    /// Speaks HTTP/1.1 on a socket.
    pub(crate) async fn open(socket: TcpStream, open: Open) -> hyper::Result<Box<Connection>> {
        let seen = Arc::new(Seen::default());
        let io = TokioIo::new(Watched::new(socket, seen.clone()));
        let mut builder = http1::Builder::new();
        builder.max_header_size(MAX_HEAD_BYTES);
        let (sender, driver) = builder.handshake(io).await?;
        let now = Instant::now();
        Ok(Box::new(Connection {
            sender,
            driver: Some(driver),
            seen,
            timer: Box::pin(tokio::time::sleep_until(now + LONG)),
            used: false,
            rests_since: now,
            upgraded: None,
            _open: open,
        }))
    }

    /// Moves it on.
    pub(crate) fn drive(&mut self, cx: &mut Context<'_>) {
        let Some(driver) = &mut self.driver else { return };
        if driver.poll_without_shutdown(cx).is_ready() {
            // What went wrong, whoever waits for an answer or a body is told by it.
            self.driver = None;
        }
    }

    /// Whether whoever uses it is who moves it on.
    pub(crate) fn is_driven(&self) -> bool {
        self.driver.is_some()
    }

    /// Whether another request may be sent on it.
    pub(crate) fn is_free(&self) -> bool {
        let deaf = self.seen.deaf.load(Relaxed);
        self.driver.is_some() && !deaf && self.sender.is_ready()
    }

    /// Whether it is still there after it has rested.
    pub(crate) fn wakes(&mut self) -> bool {
        // An end that has come meanwhile, or a byte that nobody asked for, is seen now.
        self.drive(&mut Context::from_waker(Waker::noop()));
        self.is_free()
    }

    /// Sends a request and waits for its answer's head, at most `patience` after the endpoint last
    /// took a piece of it, and no longer than to `end`.
    pub(crate) async fn exchange(
        &mut self,
        request: Request<Outgoing>,
        patience: Duration,
        end: Option<Instant>,
    ) -> Result<Response<Incoming>, Broken> {
        self.seen.begin();
        let mut sent = pin!(self.sender.try_send_request(request));
        let mut clock = Clock { patience, end, written: None };
        let (driver, timer, seen) = (&mut self.driver, &mut self.timer, &self.seen);
        let mut parts = None;
        let outcome = poll_fn(|cx| {
            let mut ended = driver.is_none();
            if let Some(connection) = driver.as_mut() {
                ended = connection.poll_without_shutdown(cx).is_ready();
            }
            // It only ever becomes ready by what was just polled: no need to be woken for it.
            if let Poll::Ready(outcome) =
                sent.as_mut().poll(&mut Context::from_waker(Waker::noop()))
            {
                if ended {
                    parts = driver.take().map(http1::Connection::into_parts);
                }
                return Poll::Ready(outcome.map_err(|mut error| match error.take_message() {
                    Some(request) => Broken::Unsent(Box::new(request)),
                    None => broken(error.into_error(), seen),
                }));
            }
            if clock.moves(seen) {
                clock.set(timer.as_mut());
            }
            while timer.as_mut().poll(cx).is_ready() {
                if !clock.again(seen) {
                    return Poll::Ready(Err(Broken::Late));
                }
                clock.set(timer.as_mut());
            }
            Poll::Pending
        });
        let outcome = outcome.await;
        self.used = true;
        self.upgraded = parts;
        outcome
    }

    /// Gives the rest of its work away: the answer has begun while the request is still being sent,
    /// and neither may wait for the other.
    pub(crate) fn detach(&mut self) {
        if let Some(driver) = self.driver.take() {
            tokio::spawn(async move {
                // Whoever reads the answer hears of an error.
                let _ = driver.await;
            });
        }
    }
}

fn broken(error: hyper::Error, seen: &Seen) -> Broken {
    if seen.broken_off.load(Relaxed) {
        Broken::Client(error)
    } else if error.is_parse() {
        Broken::Garbage(error)
    } else {
        Broken::Closed(error)
    }
}

/// Until when an answer is waited for.
struct Clock {
    patience: Duration,
    end: Option<Instant>,
    /// How much of the request was written when it was set.
    written: Option<u64>,
}

impl Clock {
    fn set(&self, timer: Pin<&mut Sleep>) {
        let patient = Instant::now() + self.patience;
        timer.reset(self.end.map_or(patient, |end| end.min(patient)));
    }

    /// Whether the endpoint has taken more of the request.
    fn moves(&mut self, seen: &Seen) -> bool {
        let written = Some(seen.written.load(Relaxed));
        std::mem::replace(&mut self.written, written) != written
    }

    /// Whether there is still something to wait for: it is the client who is slow.
    fn again(&self, seen: &Seen) -> bool {
        let starving = seen.uploading.load(Relaxed) && seen.starving.load(Relaxed);
        starving && self.end.is_none_or(|end| end > Instant::now())
    }
}
