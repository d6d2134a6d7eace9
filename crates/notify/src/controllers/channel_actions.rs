//! What is done with a channel: its secrets are renewed, and it is tried.

use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Path, State};
use forebay_db::Look;
use forebay_http::query::Params;
use forebay_http::reply::json_text;
use forebay_http::{Answer, Caller};
use forebay_model::audit::Event;
use forebay_model::principal::CHANNELS_WRITE;
use forebay_model::{Code, Error};
use http::StatusCode;
use serde_json::{Map, json};

use super::Reach;
use super::channels::{Asked, add, change, describe, found, tagged};
use crate::Notify;
use crate::channel;
use crate::channel::stored::Settings;
use crate::message::Message;

/// `POST /v1/channels/{id}/rotate`: new secrets, beside which the old ones stay good for a day.
#[utoipa::path(
    post,
    path = "/v1/channels/{id}/rotate",
    tag = "notifications",
    params(("id" = String, Path, description = "The channel's id")),
    responses(
        (status = 200, body = crate::api::CreatedChannel),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn rotate(
    State(notify): State<Notify>,
    caller: Caller,
    Path(id): Path<String>,
    params: Params,
) -> Answer {
    params.only(&[])?;
    let reach = Reach::of(&caller.who, CHANNELS_WRITE)?;
    let event = Event { action: "channel.rotate", ..caller.event("channel", &id) };
    let shown = Arc::new(Mutex::new(Map::new()));
    let (made, now) = (shown.clone(), notify.inner.clock.now());
    let kept = change(&notify, Asked { reach, id, if_match: None, event }, move |inner, kept| {
        let kind = channel::kind(&kept.kind)?;
        let mut settings = Settings::open(kept, &inner.master)?;
        let none = || Error::new(Code::Conflict, "channels of this kind have no secret to renew");
        let new = settings.renew(kind, now)?.ok_or_else(none)?;
        *made.lock().unwrap_or_else(PoisonError::into_inner) = new;
        settings.store(kept, &inner.master)
    });
    let kept = kept.await?;
    let mut answer = describe(&notify.inner, &kept)?;
    add(&mut answer, shown.lock().unwrap_or_else(PoisonError::into_inner).clone());
    Ok(tagged(StatusCode::OK, &kept, &answer))
}

/// `POST /v1/channels/{id}/test`: sends a message now, once, and says what came of it.
#[utoipa::path(
    post,
    path = "/v1/channels/{id}/test",
    tag = "notifications",
    params(("id" = String, Path, description = "The channel's id")),
    responses(
        (status = 200, body = crate::api::Tested),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn test(
    State(notify): State<Notify>,
    caller: Caller,
    Path(id): Path<String>,
    params: Params,
) -> Answer {
    params.only(&[])?;
    let reach = Reach::of(&caller.who, CHANNELS_WRITE)?;
    let inner = &notify.inner;
    let mut conn = inner.db.reader(Look::Point).await?;
    let kept = found(&mut conn, &reach, &id, None).await??;
    drop(conn);
    let kind = channel::kind(&kept.kind)?;
    let ready = Settings::open(&kept, &inner.master)?.build(kind, &inner.means(&kept.id))?;
    let now = inner.clock.now();
    let message = Message {
        id: uuid::Uuid::now_v7().to_string(),
        kind: "channel.test".to_owned(),
        time: now,
        data: json!({"channel": {"id": kept.id, "name": kept.name}}).to_string(),
        address: String::new(),
    };
    let _turn = inner.engine.test_turn()?;
    let began = std::time::Instant::now();
    let outcome = ready.send(&message, now).await;
    let answer = json!({
        "outcome": outcome.name,
        "status": (outcome.status > 0).then_some(outcome.status),
        "duration_ms": u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        // Of somebody else's answer only an administrator sees more: it may come from within.
        "excerpt": matches!(reach, Reach::All).then_some(outcome.excerpt),
        "message_id": message.id,
    });
    Ok(json_text(StatusCode::OK, answer.to_string()))
}
