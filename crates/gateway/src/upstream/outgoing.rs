//! A request's body on its way to an endpoint; what is short enough is kept until an answer has begun,
//! for another try.

use std::pin::Pin;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::wire::Seen;

/// A body that says how it gets on.
pub(crate) struct Outgoing {
    source: Source,
    seen: Arc<Seen>,
}

/// Where a body comes from.
enum Source {
    Empty,
    Once(Body),
    /// How many of the kept pieces have been sent.
    Kept(Kept, usize),
}

/// A body that can be sent more than once, for as long as it is short.
#[derive(Clone)]
pub(crate) struct Kept(Arc<Mutex<Keeping>>);

struct Keeping {
    body: Body,
    pieces: Vec<Bytes>,
    /// How many more bytes are kept; none when there were more, and then there is no second time.
    room: Option<usize>,
    /// What came after the body.
    over: bool,
}

/// What there is to send.
pub(crate) enum Parcel {
    Empty,
    Once(Body),
    Kept(Kept),
    /// It has been sent and is not there any more.
    Gone,
}

impl Parcel {
    /// Wraps a body; of one that may be sent again so many bytes are kept.
    pub(crate) fn new(body: Body, kept: Option<usize>) -> Parcel {
        let size = body.size_hint();
        match kept {
            _ if body.is_end_stream() => Parcel::Empty,
            Some(room) if room > 0 && size.lower() <= room as u64 => {
                let room = Some(room);
                let keeping = Keeping { body, pieces: Vec::new(), room, over: false };
                Parcel::Kept(Kept(Arc::new(Mutex::new(keeping))))
            }
            _ => Parcel::Once(body),
        }
    }

    /// Whether it can be sent from its beginning.
    pub(crate) fn is_whole(&self) -> bool {
        match self {
            Parcel::Empty | Parcel::Once(_) => true,
            Parcel::Kept(kept) => kept.keeping().room.is_some(),
            Parcel::Gone => false,
        }
    }

    /// Takes it for a try.
    pub(crate) fn take(&mut self, seen: Arc<Seen>) -> Outgoing {
        let source = match std::mem::replace(self, Parcel::Gone) {
            Parcel::Empty | Parcel::Gone => {
                *self = Parcel::Empty;
                Source::Empty
            }
            Parcel::Once(body) => Source::Once(body),
            Parcel::Kept(kept) => {
                *self = Parcel::Kept(kept.clone());
                Source::Kept(kept, 0)
            }
        };
        Outgoing { source, seen }
    }
}

impl Kept {
    fn keeping(&self) -> MutexGuard<'_, Keeping> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Keeping {
    /// The n-th piece; what has not come yet is waited for.
    fn poll_piece(
        &mut self,
        at: &mut usize,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Some(piece) = self.pieces.get(*at) {
            *at += 1;
            return Poll::Ready(Some(Ok(Frame::data(piece.clone()))));
        }
        if self.over {
            return Poll::Ready(None);
        }
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => match frame.data_ref() {
                Some(piece) => {
                    self.room = self.room.and_then(|room| room.checked_sub(piece.len()));
                    if self.room.is_some() {
                        self.pieces.push(piece.clone());
                        *at += 1;
                    } else {
                        self.pieces.clear();
                    }
                }
                // Trailers are not kept.
                None => self.room = None,
            },
            // One that broke off breaks off again.
            Some(Err(_)) => self.room = None,
            None => self.over = true,
        }
        Poll::Ready(frame)
    }
}

impl Outgoing {
    /// Takes back what was not sent.
    pub(crate) fn into_parcel(mut self) -> Parcel {
        match std::mem::replace(&mut self.source, Source::Empty) {
            Source::Empty => Parcel::Empty,
            Source::Once(body) => Parcel::Once(body),
            Source::Kept(kept, _) => Parcel::Kept(kept),
        }
    }
}

impl HttpBody for Outgoing {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = match &mut self.source {
            Source::Empty => Poll::Ready(None),
            Source::Once(body) => Pin::new(body).poll_frame(cx),
            Source::Kept(kept, at) => kept.keeping().poll_piece(at, cx),
        };
        self.seen.starving.store(frame.is_pending(), Relaxed);
        if matches!(frame, Poll::Ready(Some(Err(_)))) {
            self.seen.broken_off.store(true, Relaxed);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Empty => true,
            Source::Once(body) => body.is_end_stream(),
            Source::Kept(kept, at) => {
                let keeping = kept.keeping();
                let sent = *at >= keeping.pieces.len();
                sent && (keeping.over || keeping.body.is_end_stream())
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Empty => SizeHint::with_exact(0),
            Source::Once(body) => body.size_hint(),
            // The head says it already.
            Source::Kept(..) => SizeHint::default(),
        }
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        self.seen.uploading.store(false, Relaxed);
    }
}
