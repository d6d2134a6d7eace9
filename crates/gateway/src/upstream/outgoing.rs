//! A request's body on its way to an endpoint.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::wire::Seen;

/// A body that says how it gets on.
pub(crate) struct Outgoing {
    body: Body,
    seen: Arc<Seen>,
}

impl Outgoing {
    pub(crate) fn new(body: Body, seen: Arc<Seen>) -> Outgoing {
        Outgoing { body, seen }
    }
}

impl HttpBody for Outgoing {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        self.seen.starving.store(frame.is_pending(), Relaxed);
        Poll::Ready(ready!(frame))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        self.seen.uploading.store(false, Relaxed);
    }
}
