//! An answer's body on its way to the client. With its end the connection is free again.

use std::pin::Pin;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;

use super::endpoint::Flight;
use super::pool::Place;

/// A body that moves its connection on while it is read.
pub(crate) struct Answer {
    body: Incoming,
    /// Until the body is over.
    held: Option<(Place, Flight)>,
}

impl Answer {
    /// Goes on with an answer whose head has come.
    pub(crate) fn new(body: Incoming, mut place: Place, flight: Flight) -> Answer {
        let over = body.is_end_stream();
        if !over && place.connection.seen.uploading.load(Relaxed) {
            place.connection.detach();
        }
        let mut answer = Answer { body, held: Some((place, flight)) };
        if over {
            answer.finish();
        }
        answer
    }

    /// Gives the connection back: the body is over.
    fn finish(&mut self) {
        if let Some((place, mut flight)) = self.held.take() {
            flight.succeeded();
            place.give_back();
        }
    }

    /// It is not whole: nobody else gets this connection.
    fn break_off(&mut self) {
        if let Some((_, mut flight)) = self.held.take() {
            flight.failed("it broke its answer off");
        }
    }

    /// The next piece.
    fn poll_piece(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let driven = self.held.as_mut().filter(|(place, _)| place.connection.is_driven());
        let Some((place, _)) = driven else { return Pin::new(&mut self.body).poll_frame(cx) };
        // What the body waits for only ever comes of what is polled between: no need to be woken.
        let mut still = Context::from_waker(Waker::noop());
        let frame = Pin::new(&mut self.body).poll_frame(&mut still);
        if frame.is_ready() {
            return frame;
        }
        place.connection.drive(cx);
        Pin::new(&mut self.body).poll_frame(&mut still)
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = self.poll_piece(cx);
        match &frame {
            // Nobody asks for what comes after trailers.
            Poll::Ready(Some(Ok(frame))) if frame.is_trailers() || self.body.is_end_stream() => {
                self.finish();
            }
            Poll::Ready(None) => self.finish(),
            Poll::Ready(Some(Err(_))) => self.break_off(),
            _ => {}
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
