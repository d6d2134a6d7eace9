//! Following a stream, by server-sent events or by WebSocket on the same path.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::body::{Body, Bytes};
use axum::extract::ws::{Message, WebSocket, close_code};
use axum::extract::{Path, Request, State};
use axum::response::Response;
use forebay_contract::Catalog;
use forebay_db::Look;
use forebay_filter::{Sight, Wish};
use forebay_http::query::{Params, bad};
use forebay_http::{Answer, Who};
use forebay_model::principal::{Principal, RECORDS_READ};
use forebay_model::{Code, Error, FieldError};
use futures_util::stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};

use crate::Store;
use crate::access::sight;
use crate::controllers::records::positions;
use crate::controllers::websocket::{self, Heard, close};
use crate::follow::event::Event;
use crate::follow::{Follower, Start};
use crate::query::compile;

/// What a place in a stream looks like.
const PLACE: &str = "<seq> or <epoch>-<seq>";

/// `GET /v1/streams/{stream}/subscribe`.
#[utoipa::path(
    get,
    path = "/v1/streams/{stream}/subscribe",
    tag = "records",
    params(
        ("stream" = String, Path, description = "The stream's name"),
        ("filter" = Option<String>, Query, description = "Only records that match"),
        ("after" = Option<String>, Query, description = "<seq> or <epoch>-<seq>; 0 is the beginning; from now on without it"),
        ("snapshot" = Option<bool>, Query, description = "First what is there, then snapshot_end; not with after. Its events have no id: who drops out of it begins anew"),
        ("Last-Event-ID" = Option<String>, Header, description = "As after, when a connection is taken up again; then no snapshot is sent"),
    ),
    responses(
        (status = 200, description = "Events: create, snapshot, snapshot_end, delete (of an erased record, for whoever sees all of the stream), heartbeat, gap, error", body = String, content_type = "text/event-stream"),
        (status = 101, description = "The same events over a WebSocket"),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn subscribe(
    State(store): State<Store>,
    Who(who): Who,
    Path(name): Path<String>,
    params: Params,
    request: Request,
) -> Answer {
    params.only(&["filter", "after", "snapshot"])?;
    who.require_on_stream(RECORDS_READ, &name)?;
    let snapshot = params.flag("snapshot")?;
    let asked = params.get("after");
    if snapshot && asked.is_some() {
        return Err(both("?snapshot").into());
    }
    // A snapshot's events have no id: who shows one has heard it to its end.
    let (after, snapshot) = match last_event_id(request.headers())? {
        Some(last) => (Some(last), false),
        None => (
            asked.map(|text| read_after(text).ok_or_else(|| bad("after", PLACE))).transpose()?,
            snapshot,
        ),
    };
    let filter = params.get("filter").map(str::to_owned);
    let wanted = Wanted { stream: name, filter, after, snapshot };
    if websocket::is_wanted(request.headers()) {
        let handshake = websocket::Handshake::read(request).await?;
        let follower = wanted.follow(&store, who, "?filter").await?;
        return Ok(handshake.then(&store, move |socket| over_socket(socket, follower)));
    }
    Ok(over_sse(wanted.follow(&store, who, "?filter").await?))
}

/// The refusal of a snapshot from the middle.
pub(crate) fn both(path: &'static str) -> Error {
    let message = "a snapshot begins at the beginning: leave `after` out";
    Error::invalid(FieldError::new(path, "conflict", message))
}

/// Reads `Last-Event-ID`, as a client sends it that takes its connection up again.
fn last_event_id(headers: &HeaderMap) -> Result<Option<Place>, Error> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    let place = value.to_str().ok().and_then(read_after);
    let expected = || FieldError::new("Last-Event-ID", "invalid", format!("takes {PLACE}"));
    place.map(Some).ok_or_else(|| Error::invalid(expected()))
}

/// A place in a stream: an epoch, where one is named, and a position.
pub(crate) type Place = (Option<i64>, i64);

/// What somebody wants to follow.
pub(crate) struct Wanted {
    pub(crate) stream: String,
    pub(crate) filter: Option<String>,
    pub(crate) after: Option<Place>,
    pub(crate) snapshot: bool,
}

impl Wanted {
    /// Begins to follow; `path` is where the filter came from.
    pub(crate) async fn follow(
        self,
        store: &Store,
        who: Arc<Principal>,
        path: &str,
    ) -> Result<Admitted, Error> {
        let stream = store.inner.catalog.stream(&self.stream).await?;
        let Sight { mut filters, auth } = sight(&who, &stream);
        let sees_all = filters.is_empty();
        filters.extend(compile(self.filter.as_deref(), &stream, path)?.map(Arc::new));
        let wish = Wish { filters, auth: Some(auth) };
        let mut conn = store.inner.db.reader(Look::Point).await?;
        let here = positions(&mut conn, &stream).await?;
        drop(conn);
        let (after, snapshot) = (self.after, self.snapshot);
        let start = Start { wish, sees_all, who, after, snapshot, here };
        let admission = Admission::take(store)?;
        Ok(Admitted { follower: Follower::new(store, stream, start), _admission: admission })
    }
}

/// A subscriber, counted among those of the process.
pub(crate) struct Admitted {
    pub(crate) follower: Follower,
    _admission: Admission,
}

fn over_sse(admitted: Admitted) -> Response {
    let frames = stream::unfold(admitted, |mut admitted| async move {
        let events = admitted.follower.next().await?;
        // No more than is needed: a client that does not read holds it.
        let mut frames = String::with_capacity(events.iter().map(Event::sse_size).sum());
        events.iter().for_each(|event| event.write_sse(&mut frames));
        Some((Ok::<_, Infallible>(Bytes::from(frames)), admitted))
    });
    let mut response = Response::new(Body::from_stream(frames));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// Ends a socket whose subscription is over.
async fn say_goodbye(socket: &mut WebSocket, follower: &Follower) {
    match follower.failed() {
        None => websocket::say_goodbye(socket).await,
        Some(code) if code.status() >= 500 => {
            close(socket, close_code::ERROR, "the subscription failed").await;
        }
        Some(_) => close(socket, close_code::POLICY, "the subscription is over").await,
    }
}

async fn over_socket(mut socket: WebSocket, mut admitted: Admitted) {
    loop {
        tokio::select! {
            events = admitted.follower.next() => {
                let Some(events) = events else {
                    return say_goodbye(&mut socket, &admitted.follower).await;
                };
                for event in events {
                    if socket.send(Message::Text(event.frame(None).into())).await.is_err() {
                        return;
                    }
                }
            }
            message = socket.recv() => match websocket::heard(&mut socket, message).await {
                Heard::Text(_) => return no_commands(&mut socket).await,
                Heard::Nothing => {}
                Heard::End => return,
            },
        }
    }
}

/// Ends a socket whose client commands where nothing is to be commanded.
async fn no_commands(socket: &mut WebSocket) {
    let detail =
        "this connection takes no commands: it follows one stream; /v1/subscribe takes them";
    let data = forebay_http::problem::document(&Error::new(Code::BadRequest, detail), "");
    let frame = Event::with("error", None, data).frame(None);
    // A client that is gone needs no word.
    if socket.send(Message::Text(frame.into())).await.is_ok() {
        close(socket, close_code::POLICY, "no commands are taken here").await;
    }
}

/// Reads where to begin: `<seq>` or `<epoch>-<seq>`.
pub(crate) fn read_after(text: &str) -> Option<Place> {
    let digits =
        |text: &str| text.bytes().all(|c| c.is_ascii_digit()).then(|| text.parse().ok())?;
    match text.split_once('-') {
        Some((epoch, seq)) => Some((Some(digits(epoch)?), digits(seq)?)),
        None => Some((None, digits(text)?)),
    }
}

/// A subscriber's place among the bounded number of them.
struct Admission(Store);

impl Admission {
    fn take(store: &Store) -> Result<Self, Error> {
        let taken = store.inner.subscribers.fetch_add(1, Ordering::Relaxed);
        metrics::gauge!("forebay_subscribers").increment(1.0);
        let admission = Admission(store.clone());
        if taken >= store.inner.config.max_subscribers {
            return Err(Error::overloaded("too many subscriptions"));
        }
        Ok(admission)
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.0.inner.subscribers.fetch_sub(1, Ordering::Relaxed);
        metrics::gauge!("forebay_subscribers").decrement(1.0);
    }
}
