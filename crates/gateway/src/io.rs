//! A connection's socket as the protocol layer sees it. A malformed head is answered with a bare
//! status: the problem document is put into that answer on its way out. And an answer that leaves
//! before the request was read is not lost with the socket: what still comes is read for a while.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use forebay_http::problem::document;
use http::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::time::Sleep;

use crate::answer::by_status;
use crate::framing::{Fault, Framing};
use crate::passage::Passage;

/// A bare answer is shorter than this.
const BARE_BYTES: usize = 256;

/// How long a closed connection listens to what nobody will read. A system that closes a socket on
/// unread bytes resets the connection, and the peer may never see the answer.
const LINGER: Duration = Duration::from_secs(2);

/// What a connection's socket and its requests tell each other.
#[derive(Default)]
pub(crate) struct State {
    /// Whether a request is being answered by the services.
    pub(crate) busy: AtomicBool,
    /// Whether the last request has a body whose end was not read.
    pub(crate) unread: AtomicBool,
    /// Whether a body broke off: where the next request would begin is not known.
    pub(crate) broken: AtomicBool,
    /// How many requests have come.
    pub(crate) requests: AtomicU64,
    /// Whether the connection speaks another protocol from now on: it has no heads.
    pub(crate) upgraded: AtomicBool,
    /// What broke the framing: nothing behind it is read.
    pub(crate) fault: OnceLock<Fault>,
    /// The request by which the connection was upgraded: it goes on for as long.
    pub(crate) upgrade: Mutex<Option<Arc<Passage>>>,
}

/// A socket that fills in bare error answers, and closes without losing the last one.
pub(crate) struct Filled<S: Socket> {
    /// Taken when this is dropped.
    socket: Option<S>,
    state: Arc<State>,
    /// What is written instead, and how far it is.
    instead: Option<(Vec<u8>, usize, usize)>,
    /// The end of the time that is spent on closing.
    lingering: Option<Pin<Box<Sleep>>>,
    /// Longest time from the first byte of a request's head to its last.
    head_timeout: Duration,
    /// The end of that time, and how many requests had come when it began.
    head: Option<(Pin<Box<Sleep>>, u64)>,
    framing: Framing,
}

/// What a connection stands on.
pub(crate) trait Socket: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Socket for S {}

impl<S: Socket> Filled<S> {
    /// The first head is waited for from now on, later ones from their first byte: between requests
    /// a connection may rest longer.
    pub(crate) fn new(
        socket: S,
        state: Arc<State>,
        head_timeout: Duration,
        max_head_bytes: usize,
    ) -> Self {
        let head = Some((Box::pin(tokio::time::sleep(head_timeout)), 0));
        Filled {
            socket: Some(socket),
            state,
            instead: None,
            lingering: None,
            head_timeout,
            head,
            framing: Framing::new(max_head_bytes),
        }
    }

    /// Looks at what came. Where the framing breaks, the protocol layer gets a byte that stands in no
    /// head and in no size, so that it refuses what is there in its turn: behind the answers to
    /// whatever came before. It gets no more than that.
    fn look(&mut self, buf: &mut ReadBuf<'_>, before: usize) {
        if self.state.upgraded.load(Ordering::Relaxed) {
            return;
        }
        if let Some((at, fault)) = self.framing.see(&buf.filled()[before..]) {
            buf.set_filled(before + at + 1);
            buf.filled_mut()[before + at] = 0;
            // There is one, and it is the first.
            let _ = self.state.fault.set(fault);
        }
    }

    /// Whether a head that has begun is not complete in time.
    fn head_is_late(&mut self, cx: &mut Context<'_>) -> bool {
        let requests = self.state.requests.load(Ordering::Relaxed);
        let upgraded = self.state.upgraded.load(Ordering::Relaxed);
        self.head.take_if(|(_, before)| upgraded || *before != requests);
        self.head.as_mut().is_some_and(|(end, _)| end.as_mut().poll(cx).is_ready())
    }
}

impl<S: Socket> Filled<S> {
    /// Reads and drops what the peer still sends, until it ends or time is over.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let over = self.lingering.as_mut().is_none_or(|end| end.as_mut().poll(cx).is_ready());
        match &mut self.socket {
            Some(socket) if !over => poll_drain(socket, cx),
            _ => Poll::Ready(()),
        }
    }
}

/// Reads and drops what comes, until it ends.
fn poll_drain(socket: &mut (impl AsyncRead + Unpin), cx: &mut Context<'_>) -> Poll<()> {
    let mut scratch = [0; 16 << 10];
    loop {
        let mut buf = ReadBuf::new(&mut scratch);
        let read = ready!(Pin::new(&mut *socket).poll_read(cx, &mut buf));
        if read.is_err() || buf.filled().is_empty() {
            return Poll::Ready(());
        }
    }
}

/// A WebSocket ends by being dropped: what its client still sends must not take the last word away.
impl<S: Socket> Drop for Filled<S> {
    fn drop(&mut self) {
        let upgraded = self.state.upgraded.load(Ordering::Relaxed);
        let Some(mut socket) = self.socket.take().filter(|_| upgraded) else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            let drained = async {
                // A client that is gone needs no end.
                let _ = socket.shutdown().await;
                std::future::poll_fn(|cx| poll_drain(&mut socket, cx)).await;
            };
            let _ = tokio::time::timeout(LINGER, drained).await;
        });
    }
}

fn gone() -> io::Error {
    io::ErrorKind::NotConnected.into()
}

/// Finds the status of a bare answer; `None` for anything else.
fn bare(bytes: &[u8]) -> Option<StatusCode> {
    if bytes.len() > BARE_BYTES || !bytes.starts_with(b"HTTP/1.1 4") {
        return None;
    }
    let text = std::str::from_utf8(bytes).ok()?;
    let whole = text.ends_with("\r\n\r\n") && text.matches("\r\n\r\n").count() == 1;
    let empty = text.to_ascii_lowercase().contains("\r\ncontent-length: 0\r\n");
    let ours = text.to_ascii_lowercase().contains("\r\nx-request-id:");
    if !whole || !empty || ours {
        return None;
    }
    text.get(9..12)?.parse().ok().and_then(|status| StatusCode::from_u16(status).ok())
}

fn full(status: StatusCode, fault: Option<&Fault>) -> Vec<u8> {
    let mut error = by_status(fault.map_or(status, |fault| fault.0));
    if let Some(Fault(_, what)) = fault {
        error.detail = (*what).into();
    }
    let id = uuid::Uuid::now_v7().to_string();
    let body = document(&error, &id);
    let status = StatusCode::from_u16(error.code.status()).unwrap_or(status);
    format!(
        "HTTP/1.1 {} {}\r\ncontent-type: application/problem+json\r\nx-request-id: {id}\r\n\
         connection: close\r\ncontent-length: {}\r\n\r\n{body}",
        status.as_str(),
        status.canonical_reason().unwrap_or_default(),
        body.len(),
    )
    .into_bytes()
}

impl<S: Socket> AsyncRead for Filled<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if let Some(Fault(_, what)) = this.state.fault.get() {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, *what)));
        }
        if this.head_is_late(cx) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let before = buf.filled().len();
        let socket = this.socket.as_mut().ok_or_else(gone)?;
        ready!(Pin::new(socket).poll_read(cx, buf))?;
        let begins = buf.filled().len() > before
            && !this.state.busy.load(Ordering::Relaxed)
            && !this.state.upgraded.load(Ordering::Relaxed);
        if begins && this.head.is_none() {
            let end = Box::pin(tokio::time::sleep(this.head_timeout));
            this.head = Some((end, this.state.requests.load(Ordering::Relaxed)));
        }
        this.look(buf, before);
        Poll::Ready(Ok(()))
    }
}

impl<S: Socket> AsyncWrite for Filled<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.instead.is_none()
            && !this.state.busy.load(Ordering::Relaxed)
            && let Some(status) = bare(buf)
        {
            this.state.unread.store(true, Ordering::Relaxed);
            this.instead = Some((full(status, this.state.fault.get()), 0, buf.len()));
        }
        let socket = this.socket.as_mut().ok_or_else(gone)?;
        let Some((bytes, written, stands_for)) = &mut this.instead else {
            return Pin::new(socket).poll_write(cx, buf);
        };
        while *written < bytes.len() {
            *written += ready!(Pin::new(&mut *socket).poll_write(cx, &bytes[*written..]))?;
        }
        let stands_for = *stands_for;
        this.instead = None;
        Poll::Ready(Ok(stands_for))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.socket.as_mut().ok_or_else(gone)?).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.lingering.is_none() {
            ready!(Pin::new(self.socket.as_mut().ok_or_else(gone)?).poll_shutdown(cx))?;
            if !self.state.unread.load(Ordering::Relaxed) {
                return Poll::Ready(Ok(()));
            }
            self.lingering = Some(Box::pin(tokio::time::sleep(LINGER)));
        }
        self.poll_linger(cx).map(Ok)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_bare_answer_is_filled() {
        let answer = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(bare(answer), Some(StatusCode::BAD_REQUEST));
        assert_eq!(bare(&answer[..answer.len() - 1]), None);
        assert_eq!(bare(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"), None);
        let text = String::from_utf8(full(StatusCode::BAD_REQUEST, None)).unwrap();
        assert!(text.contains("\"code\":\"bad_request\""), "{text}");
    }
}
