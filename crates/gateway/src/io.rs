//! The protocol layer answers a malformed head with a bare status. This puts the problem document
//! into that answer, on its way to the socket.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use forebay_http::problem::document;
use http::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::answer::by_status;

/// A bare answer is shorter than this.
const BARE_BYTES: usize = 256;

/// A socket that fills in bare error answers.
pub(crate) struct Filled<S> {
    socket: S,
    /// Whether a request of this connection is being answered by the services.
    busy: Arc<AtomicBool>,
    /// What is written instead, and how far it is.
    instead: Option<(Vec<u8>, usize, usize)>,
}

impl<S> Filled<S> {
    pub(crate) fn new(socket: S, busy: Arc<AtomicBool>) -> Self {
        Filled { socket, busy, instead: None }
    }
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

fn full(status: StatusCode) -> Vec<u8> {
    let error = by_status(status);
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

impl<S: AsyncRead + Unpin> AsyncRead for Filled<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Filled<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.instead.is_none()
            && !this.busy.load(Ordering::Relaxed)
            && let Some(status) = bare(buf)
        {
            this.instead = Some((full(status), 0, buf.len()));
        }
        let Some((bytes, written, stands_for)) = &mut this.instead else {
            return Pin::new(&mut this.socket).poll_write(cx, buf);
        };
        while *written < bytes.len() {
            *written += ready!(Pin::new(&mut this.socket).poll_write(cx, &bytes[*written..]))?;
        }
        let stands_for = *stands_for;
        this.instead = None;
        Poll::Ready(Ok(stands_for))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
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
        let text = String::from_utf8(full(StatusCode::BAD_REQUEST)).unwrap();
        assert!(text.contains("\"code\":\"bad_request\""), "{text}");
    }
}
