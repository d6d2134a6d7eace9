//! Following a stream, by server-sent events or by WebSocket on the same path.

use std::convert::Infallible;
use std::sync::atomic::Ordering;

use axum::body::{Body, Bytes};
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{FromRequestParts, Path, Request, State};
use axum::response::{IntoResponse, Response};
use forebay_contract::Catalog;
use forebay_db::Look;
use forebay_http::query::{Params, bad};
use forebay_http::{Answer, Who};
use forebay_model::Error;
use forebay_model::principal::RECORDS_READ;
use futures_util::stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, UPGRADE};
use http::{HeaderMap, HeaderValue};

use crate::Store;
use crate::controllers::records::positions;
use crate::follow::{Event, Follower, Start};

/// `GET /v1/streams/{stream}/subscribe`.
#[utoipa::path(
    get,
    path = "/v1/streams/{stream}/subscribe",
    tag = "records",
    params(
        ("stream" = String, Path, description = "The stream's name"),
        ("after" = Option<String>, Query, description = "<seq> or <epoch>-<seq>; 0 is the beginning; from now on without it"),
        ("snapshot" = Option<bool>, Query, description = "First what is there"),
        ("Last-Event-ID" = Option<String>, Header, description = "As after, when a connection is taken up again"),
    ),
    responses(
        (status = 200, description = "Events: create, snapshot, snapshot_end, heartbeat, gap, error", body = String, content_type = "text/event-stream"),
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
    params.only(&["after", "snapshot"])?;
    who.require_on_stream(RECORDS_READ, &name)?;
    let stream = store.inner.catalog.stream(&name).await?;
    let mut conn = store.inner.db.reader(Look::Point).await?;
    let here = positions(&mut conn, &stream).await?;
    drop(conn);
    let start = Start {
        after: read_after(&params, request.headers())?,
        snapshot: params.flag("snapshot")?,
        here,
    };
    let seat = Seat::take(&store)?;
    let follower = Follower::new(&store, stream, start);
    if request.headers().contains_key(UPGRADE) {
        let (mut parts, _) = request.into_parts();
        let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &()).await;
        return Ok(match upgrade {
            Ok(upgrade) => upgrade.on_upgrade(move |socket| over_socket(socket, follower, seat)),
            Err(refused) => refused.into_response(),
        });
    }
    Ok(over_sse(follower, seat))
}

fn over_sse(follower: Follower, seat: Seat) -> Response {
    let frames = stream::unfold((follower, seat), |(mut follower, seat)| async move {
        let events = follower.next().await?;
        let frames: String = events.iter().map(Event::sse).collect();
        Some((Ok::<_, Infallible>(Bytes::from(frames)), (follower, seat)))
    });
    let mut response = Response::new(Body::from_stream(frames));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

async fn over_socket(mut socket: WebSocket, mut follower: Follower, _seat: Seat) {
    loop {
        tokio::select! {
            events = follower.next() => {
                let Some(events) = events else {
                    let frame = CloseFrame { code: close_code::RESTART, reason: "stopping".into() };
                    let _ = socket.send(Message::Close(Some(frame))).await;
                    return;
                };
                for event in events {
                    if socket.send(Message::Text(event.frame().into())).await.is_err() {
                        return;
                    }
                }
            }
            message = socket.recv() => match message {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => {}
            },
        }
    }
}

/// Reads `?after=` or `Last-Event-ID`: `<seq>` or `<epoch>-<seq>`.
pub(crate) fn read_after(
    params: &Params,
    headers: &HeaderMap,
) -> Result<Option<(Option<i64>, i64)>, Error> {
    let resumed = headers.get("last-event-id").and_then(|v| v.to_str().ok());
    let Some(text) = resumed.or(params.get("after")) else { return Ok(None) };
    let expected = || bad("after", "<seq> or <epoch>-<seq>");
    let (epoch, seq) = match text.split_once('-') {
        Some((epoch, seq)) => (Some(epoch.parse().map_err(|_| expected())?), seq),
        None => (None, text),
    };
    let seq: i64 = seq.parse().map_err(|_| expected())?;
    if seq < 0 { Err(expected()) } else { Ok(Some((epoch, seq))) }
}

/// A subscriber's place among the bounded number of them.
struct Seat(Store);

impl Seat {
    fn take(store: &Store) -> Result<Self, Error> {
        let taken = store.inner.subscribers.fetch_add(1, Ordering::Relaxed);
        let seat = Seat(store.clone());
        if taken >= store.inner.config.max_subscribers {
            return Err(Error::overloaded("too many subscriptions"));
        }
        metrics::gauge!("forebay_subscribers").increment(1.0);
        Ok(seat)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.inner.subscribers.fetch_sub(1, Ordering::Relaxed);
        metrics::gauge!("forebay_subscribers").decrement(1.0);
    }
}
