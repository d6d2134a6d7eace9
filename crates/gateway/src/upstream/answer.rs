//! An answer's body on its way to the client. With its end the connection is free again.

use std::pin::Pin;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;

use super::endpoint::Flight;
use super::pool::Place;

/// A piece, or the end, or what it broke off with.
type Piece = Option<Result<Frame<Bytes>, hyper::Error>>;

/// A body that moves its connection on while it is read.
pub(crate) struct Answer {
    body: Incoming,
    /// The first piece, where it came with the head: of most answers that is all.
    first: Option<Piece>,
    /// Until the body is over.
    held: Option<(Place, Flight)>,
}

impl Answer {
    /// Goes on with an answer whose head has come.
    pub(crate) fn new(body: Incoming, mut place: Place, flight: Flight) -> Answer {
        let over = body.is_end_stream();
        let uploading = place.connection.seen.uploading.load(Relaxed);
        if !over && uploading {
            place.connection.detach();
        }
        let mut answer = Answer { body, first: None, held: Some((place, flight)) };
        if over {
            answer.finish();
        } else if !uploading {
            // Nothing is waited for here: the reader is who is woken.
            let mut still = Context::from_waker(Waker::noop());
            if let Poll::Ready(piece) = answer.poll_next(&mut still) {
                answer.first = Some(piece);
            }
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

    /// The next piece, and what it means for the connection.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Piece> {
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

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Piece> {
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

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Piece> {
        match self.first.take() {
            Some(first) => Poll::Ready(first),
            None => self.poll_next(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let first = match &self.first {
            Some(Some(Ok(frame))) => frame.data_ref().map_or(0, Bytes::len) as u64,
            _ => 0,
        };
        let rest = self.body.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(first));
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(first));
        }
        hint
    }
}
