//! An answer's body on its way to the client. With its end the connection is free again.

use std::pin::Pin;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;

use super::pool::Place;

/// A body that moves its connection on while it is read.
pub(crate) struct Answer {
    body: Incoming,
    /// Until the body is over.
    place: Option<Place>,
}

impl Answer {
    /// Goes on with an answer whose head has come.
    pub(crate) fn new(body: Incoming, mut place: Place) -> Answer {
        if place.connection.seen.uploading.load(Relaxed) {
            place.connection.detach();
        }
        let mut answer = Answer { body, place: Some(place) };
        answer.settle();
        answer
    }

    /// Gives the connection back when the body is over.
    fn settle(&mut self) {
        if self.body.is_end_stream()
            && let Some(place) = self.place.take()
        {
            place.give_back();
        }
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = &mut *self;
        let driven = this.place.as_mut().is_some_and(|place| place.connection.is_driven());
        if !driven {
            return Pin::new(&mut this.body).poll_frame(cx);
        }
        // What the body waits for only ever comes of what is polled between: no need to be woken.
        let mut still = Context::from_waker(Waker::noop());
        let mut frame = Pin::new(&mut this.body).poll_frame(&mut still);
        if frame.is_pending() {
            if let Some(place) = &mut this.place {
                place.connection.drive(cx);
            }
            frame = Pin::new(&mut this.body).poll_frame(&mut still);
        }
        match &frame {
            Poll::Ready(Some(Ok(_))) => this.settle(),
            Poll::Ready(None) => {
                if let Some(place) = this.place.take() {
                    place.give_back();
                }
            }
            // It is not whole: nobody else gets this connection.
            Poll::Ready(Some(Err(_))) => this.place = None,
            Poll::Pending => {}
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
