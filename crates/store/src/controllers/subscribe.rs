//! Following a stream, by server-sent events or by WebSocket on the same path.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::body::{Body, Bytes};
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{FromRequestParts, Path, Request, State};
use axum::response::{IntoResponse, Response};
use forebay_contract::Catalog;
use forebay_db::Look;
use forebay_filter::Wish;
use forebay_http::query::{Params, bad};
use forebay_http::{Answer, Who};
use forebay_model::Error;
use forebay_model::principal::{Principal, RECORDS_READ};
use futures_util::stream;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, UPGRADE};

use crate::Store;
use crate::access::Sight;
use crate::controllers::records::positions;
use crate::follow::{Follower, Start};
use crate::query::compile;

/// Clients send small commands, if anything.
const MAX_MESSAGE_BYTES: usize = 64 << 10;

/// `GET /v1/streams/{stream}/subscribe`.
#[utoipa::path(
    get,
    path = "/v1/streams/{stream}/subscribe",
    tag = "records",
    params(
        ("stream" = String, Path, description = "The stream's name"),
        ("filter" = Option<String>, Query, description = "Only records that match"),
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
    params.only(&["filter", "after", "snapshot"])?;
    who.require_on_stream(RECORDS_READ, &name)?;
    let resumed = request.headers().get("last-event-id").and_then(|v| v.to_str().ok());
    let wanted = Wanted {
        stream: name,
        filter: params.get("filter").map(str::to_owned),
        after: read_after(resumed.or(params.get("after")))?,
        snapshot: params.flag("snapshot")?,
    };
    let follower = wanted.follow(&store, who, "?filter").await?;
    if request.headers().contains_key(UPGRADE) {
        return Ok(upgraded(request, move |socket| over_socket(socket, follower)).await);
    }
    Ok(over_sse(follower))
}

/// Answers a WebSocket handshake, and then serves the socket.
pub(crate) async fn upgraded<F, S>(request: Request, serve: F) -> Response
where
    F: FnOnce(WebSocket) -> S + Send + 'static,
    S: Future<Output = ()> + Send + 'static,
{
    let (mut parts, _) = request.into_parts();
    match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
        Ok(upgrade) => upgrade.max_message_size(MAX_MESSAGE_BYTES).on_upgrade(serve),
        Err(refused) => refused.into_response(),
    }
}

/// What somebody wants to follow.
pub(crate) struct Wanted {
    pub(crate) stream: String,
    pub(crate) filter: Option<String>,
    pub(crate) after: Option<(Option<i64>, i64)>,
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
        let Sight { mut filters, auth } = Sight::of(&who, &stream);
        filters.extend(compile(self.filter.as_deref(), &stream, path)?.map(Arc::new));
        let wish = Wish { filters, auth: Some(auth) };
        let mut conn = store.inner.db.reader(Look::Point).await?;
        let here = positions(&mut conn, &stream).await?;
        drop(conn);
        let start = Start { wish, who, after: self.after, snapshot: self.snapshot, here };
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
        let mut frames = String::new();
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

/// Ends a socket because the process stops; a client that is gone needs no word.
pub(crate) async fn say_goodbye(socket: &mut WebSocket) {
    let frame = CloseFrame { code: close_code::RESTART, reason: "stopping".into() };
    let _ = socket.send(Message::Close(Some(frame))).await;
}

async fn over_socket(mut socket: WebSocket, mut admitted: Admitted) {
    loop {
        tokio::select! {
            events = admitted.follower.next() => {
                let Some(events) = events else { return say_goodbye(&mut socket).await };
                for event in events {
                    if socket.send(Message::Text(event.frame(None).into())).await.is_err() {
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

/// Reads where to begin: `<seq>` or `<epoch>-<seq>`.
pub(crate) fn read_after(text: Option<&str>) -> Result<Option<(Option<i64>, i64)>, Error> {
    let Some(text) = text else { return Ok(None) };
    let expected = || bad("after", "<seq> or <epoch>-<seq>");
    let (epoch, seq) = match text.split_once('-') {
        Some((epoch, seq)) => (Some(epoch.parse().map_err(|_| expected())?), seq),
        None => (None, text),
    };
    let seq: i64 = seq.parse().map_err(|_| expected())?;
    if seq < 0 { Err(expected()) } else { Ok(Some((epoch, seq))) }
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
