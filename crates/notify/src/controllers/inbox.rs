//! The inbox of whoever asks, and of nobody else.

use std::convert::Infallible;

use axum::body::{Body, Bytes};
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use forebay_db::{Conn, Lane, Look};
use forebay_http::query::{Params, bad};
use forebay_http::reply::json_text;
use forebay_http::{Answer, Page, Who, body};
use forebay_model::principal::Principal;
use forebay_model::{Code, Error, FieldError};
use futures_util::stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Map, Value, json};

use super::owner_of;
use crate::Notify;
use crate::inbox::follow::Follower;
use crate::sql::inbox::{self as table, Kept, Wanted};

/// The most bytes of a body here.
const MAX_BYTES: usize = 4 << 10;

/// `GET /v1/inbox`: the newest first, and how many are unread.
#[utoipa::path(
    get,
    path = "/v1/inbox",
    tag = "notifications",
    params(
        ("unread" = Option<bool>, Query, description = "Only what is unread"),
        ("category" = Option<String>, Query, description = "account, alert, event, …"),
        ("limit" = Option<u32>, Query, description = "1 to 1000, 50 without it"),
        ("cursor" = Option<String>, Query, description = "Where the page before ended"),
    ),
    responses(
        (status = 200, body = crate::api::Inbox),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list(State(notify): State<Notify>, Who(who): Who, params: Params) -> Answer {
    params.only(&["unread", "category", "limit", "cursor"])?;
    let account = own(&who)?;
    let wanted = Wanted { unread: params.flag("unread")?, category: params.get("category") };
    let page = Page::read(&params, &notify.inner.sealer, format!("inbox {account}"))?;
    let before = page.position().map(|text| text.parse().map_err(Error::internal)).transpose()?;
    let mut conn = notify.inner.db.reader(Look::Scan).await?;
    let before = before.unwrap_or(i64::MAX);
    let mut found = table::list(&mut conn, account, wanted, (before, page.rows())).await?;
    let counts = unread(&mut conn, account).await?;
    drop(conn);
    let next = page.cut(&mut found, |last| last.seq.to_string())?;
    let items: Vec<Value> = found.iter().map(describe).collect();
    let answer = json!({"items": items, "next_cursor": next, "unread": counts});
    Ok(json_text(StatusCode::OK, answer.to_string()))
}

/// `POST /v1/inbox/{id}/read`.
#[utoipa::path(
    post,
    path = "/v1/inbox/{id}/read",
    tag = "notifications",
    params(("id" = String, Path, description = "The item's id")),
    responses(
        (status = 204),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn read(
    State(notify): State<Notify>,
    Who(who): Who,
    Path(id): Path<String>,
    params: Params,
) -> Answer {
    params.only(&[])?;
    let account = own(&who)?.to_owned();
    let none = || Error::not_found(format!("the item `{id}`"));
    let seq: i64 = id.parse().map_err(|_| none())?;
    let now = notify.inner.clock.now();
    let marked = notify.inner.db.writer().run(Lane::Interactive, move |conn| {
        Box::pin(async move { table::mark(conn, &account, seq, now).await })
    });
    if !marked.await? {
        return Err(none().into());
    }
    notify.inner.hub.wake();
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `POST /v1/inbox/read-all`: of one category, or everything.
#[utoipa::path(
    post,
    path = "/v1/inbox/read-all",
    tag = "notifications",
    request_body(content = crate::api::ReadAll),
    responses(
        (status = 200, body = crate::api::ReadCount),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn read_all(
    State(notify): State<Notify>,
    Who(who): Who,
    params: Params,
    request: Request,
) -> Answer {
    params.only(&[])?;
    let account = own(&who)?.to_owned();
    let (head, content) = request.into_parts();
    body::json_only(&head.headers)?;
    let members = if axum::body::HttpBody::is_end_stream(&content) {
        Map::new()
    } else {
        body::members(body::document(content, MAX_BYTES).await?, &["category"])?
    };
    let category = body::text(&members, "category")?;
    let now = notify.inner.clock.now();
    let marked = notify.inner.db.writer().run(Lane::Interactive, move |conn| {
        Box::pin(async move { table::mark_all(conn, &account, category.as_deref(), now).await })
    });
    let marked = marked.await?;
    notify.inner.hub.wake();
    Ok(json_text(StatusCode::OK, json!({"read": marked}).to_string()))
}

/// `GET /v1/inbox/subscribe`: items as they come, and how much is unread.
#[utoipa::path(
    get,
    path = "/v1/inbox/subscribe",
    tag = "notifications",
    params(
        ("after" = Option<String>, Query, description = "An item's id; from now on without it"),
        ("Last-Event-ID" = Option<String>, Header, description = "As after, when a connection is taken up again"),
    ),
    responses(
        (status = 200, description = "Events: item, unread, heartbeat, error", body = String, content_type = "text/event-stream"),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn subscribe(
    State(notify): State<Notify>,
    Who(who): Who,
    params: Params,
    headers: HeaderMap,
) -> Answer {
    params.only(&["after"])?;
    let account = own(&who)?.to_owned();
    let after = match last_event_id(&headers)? {
        Some(last) => Some(last),
        None => {
            let asked = params.get("after");
            asked.map(|text| place(text).ok_or_else(|| bad("after", ID))).transpose()?
        }
    };
    let follower = Follower::begin(notify, who, account, after).await?;
    let frames = stream::unfold(follower, |mut follower| async move {
        let events = follower.next().await?;
        Some((Ok::<_, Infallible>(Bytes::from(events)), follower))
    });
    let mut response = Response::new(Body::from_stream(frames));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

/// What an id looks like.
const ID: &str = "an item's id";

fn place(text: &str) -> Option<i64> {
    text.parse().ok().filter(|seq| *seq >= 0)
}

/// Reads `Last-Event-ID`, as a client sends it that takes its connection up again.
fn last_event_id(headers: &HeaderMap) -> Result<Option<i64>, Error> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    let place = value.to_str().ok().and_then(place);
    let wrong =
        || Error::invalid(FieldError::new("Last-Event-ID", "invalid", format!("takes {ID}")));
    place.map(Some).ok_or_else(wrong)
}

/// Whose inbox it is; whoever sees what somebody else sees does not see what that one is told.
pub(super) fn own(who: &Principal) -> Result<&str, Error> {
    if who.viewer.is_some() {
        let detail = "an inbox and preferences are seen by their owner alone";
        return Err(Error::new(Code::Forbidden, detail));
    }
    Ok(owner_of(who))
}

/// An item as it is shown.
pub(crate) fn describe(kept: &Kept) -> Value {
    json!({
        "id": kept.seq.to_string(),
        "category": kept.category,
        "title": kept.title,
        "body": kept.body,
        "link": kept.link,
        "read": kept.read,
        "created_at": kept.created_at,
    })
}

/// How much is unread, in all and of each category.
pub(crate) async fn unread(conn: &mut Conn, account: &str) -> Result<Value, Error> {
    let counts = table::unread(conn, account).await?;
    let total: i64 = counts.iter().map(|(_, n)| n).sum();
    let categories: Map<String, Value> =
        counts.into_iter().map(|(category, n)| (category, n.into())).collect();
    Ok(json!({"total": total, "categories": categories}))
}
