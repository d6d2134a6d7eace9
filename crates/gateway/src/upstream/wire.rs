//! The socket to an endpoint, and what is seen on it: that decides whether a request that failed may
//! be tried again.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What is seen on a connection while it has one request.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Bytes of the request that the socket took.
    pub(crate) written: AtomicU64,
    /// Whether a byte of the answer came.
    pub(crate) answered: AtomicBool,
    /// Whether the request's body is not yet written to its end.
    pub(crate) uploading: AtomicBool,
    /// Whether the next piece of the body is waited for.
    pub(crate) starving: AtomicBool,
    /// Whether the client broke the body off.
    pub(crate) broken_off: AtomicBool,
    /// Whether the endpoint takes no more of the request.
    pub(crate) deaf: AtomicBool,
}

impl Seen {
    /// Forgets the request before.
    pub(crate) fn begin(&self) {
        self.written.store(0, Relaxed);
        self.answered.store(false, Relaxed);
        self.uploading.store(true, Relaxed);
        self.starving.store(false, Relaxed);
        self.broken_off.store(false, Relaxed);
    }
}

/// A socket that goes on reading when the other end takes nothing more: the answer to a request that
/// is too large comes before all of it is sent, and the end of the connection must not take it away.
pub(crate) struct Watched<S> {
    socket: S,
    seen: Arc<Seen>,
}

impl<S> Watched<S> {
    pub(crate) fn new(socket: S, seen: Arc<Seen>) -> Watched<S> {
        Watched { socket, seen }
    }

    /// The outcome of a write; what a deaf endpoint would get is dropped.
    fn wrote(&self, outcome: &io::Result<usize>, offered: usize) -> usize {
        if let Ok(count) = outcome {
            self.seen.written.fetch_add(*count as u64, Relaxed);
            return *count;
        }
        self.seen.deaf.store(true, Relaxed);
        offered
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.socket).poll_read(cx, buf))?;
        if buf.filled().len() > before {
            self.seen.answered.store(true, Relaxed);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.seen.deaf.load(Relaxed) {
            return Poll::Ready(Ok(buf.len()));
        }
        let outcome = ready!(Pin::new(&mut self.socket).poll_write(cx, buf));
        Poll::Ready(Ok(self.wrote(&outcome, buf.len())))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // A head alone is most of what is written, and a list of one costs more than the one.
        if let [one] = bufs {
            return self.poll_write(cx, one);
        }
        let offered = bufs.iter().map(|buf| buf.len()).sum();
        if self.seen.deaf.load(Relaxed) {
            return Poll::Ready(Ok(offered));
        }
        let outcome = ready!(Pin::new(&mut self.socket).poll_write_vectored(cx, bufs));
        Poll::Ready(Ok(self.wrote(&outcome, offered)))
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
