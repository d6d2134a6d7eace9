//! Deliveries: what became of each notification on its way to each receiver.

use axum::extract::{Path, Request, State};
use forebay_db::{Conn, Lane, Look, outbox};
use forebay_http::query::{Params, bad};
use forebay_http::reply::json_text;
use forebay_http::{Answer, Caller, Page, Who, body};
use forebay_model::audit::Event;
use forebay_model::principal::{DELIVERIES_READ, DELIVERIES_WRITE};
use forebay_model::time::Timestamp;
use forebay_model::{Error, FieldError};
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::{Done, Reach};
use crate::sql::delivery::{self as table, Kept, State as Condition, Wanted};
use crate::sql::{attempt, channel};
use crate::{Inner, Notify};

/// Deliveries of one step of a replay, and of all of it.
const STEP: i64 = 500;
const MOST: usize = 100_000;
/// The most ids of one request.
const MOST_IDS: usize = 1000;
const MAX_BYTES: usize = 128 << 10;
const STATES: &str = "waiting, sending, delivered or failed";

/// `GET /v1/deliveries`: the newest first.
#[utoipa::path(
    get,
    path = "/v1/deliveries",
    tag = "notifications",
    params(
        ("state" = Option<String>, Query, description = "waiting, sending, delivered or failed"),
        ("channel" = Option<String>, Query, description = "A channel's id"),
        ("rule" = Option<String>, Query, description = "A rule's id"),
        ("limit" = Option<u32>, Query, description = "1 to 1000, 50 without it"),
        ("cursor" = Option<String>, Query, description = "Where the page before ended"),
    ),
    responses(
        (status = 200, body = crate::api::Deliveries),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list(State(notify): State<Notify>, Who(who): Who, params: Params) -> Answer {
    params.only(&["state", "channel", "rule", "limit", "cursor"])?;
    let reach = Reach::of(&who, DELIVERIES_READ)?;
    let state = match params.get("state") {
        None => None,
        Some(name) => Some(Condition::parse(name).ok_or_else(|| bad("state", STATES))?),
    };
    let id = |name: &'static str| match params.get(name) {
        Some(text) if text.contains('\0') => Err(bad(name, "an id")),
        text => Ok(text.map(str::to_owned)),
    };
    let wanted = Wanted {
        state,
        channel: id("channel")?,
        rule: id("rule")?,
        owner: reach.owner().map(str::to_owned),
        ..Wanted::default()
    };
    let scope = format!("deliveries {wanted:?}");
    let page = Page::read(&params, &notify.inner.sealer, scope)?;
    let mut conn = notify.inner.db.reader(Look::Scan).await?;
    let mut found = table::list(&mut conn, &wanted, page.position(), page.rows()).await?;
    let next = page.cut(&mut found, |last| last.id.clone())?;
    let items: Vec<Value> = found.iter().map(describe).collect();
    Ok(json_text(StatusCode::OK, json!({"items": items, "next_cursor": next}).to_string()))
}

/// `GET /v1/deliveries/{id}`.
#[utoipa::path(
    get,
    path = "/v1/deliveries/{id}",
    tag = "notifications",
    params(("id" = String, Path, description = "The delivery's id")),
    responses(
        (status = 200, body = crate::api::Delivery),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn show(
    State(notify): State<Notify>,
    Who(who): Who,
    Path(id): Path<String>,
    params: Params,
) -> Answer {
    params.only(&[])?;
    let reach = Reach::of(&who, DELIVERIES_READ)?;
    let mut conn = notify.inner.db.reader(Look::Point).await?;
    let found = found(&mut conn, &reach, &id).await??;
    Ok(json_text(StatusCode::OK, describe(&found).to_string()))
}

/// `GET /v1/deliveries/{id}/attempts`: each try, and what came of it.
#[utoipa::path(
    get,
    path = "/v1/deliveries/{id}/attempts",
    tag = "notifications",
    params(("id" = String, Path, description = "The delivery's id")),
    responses(
        (status = 200, body = crate::api::Attempts),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn attempts(
    State(notify): State<Notify>,
    Who(who): Who,
    Path(id): Path<String>,
    params: Params,
) -> Answer {
    params.only(&[])?;
    let reach = Reach::of(&who, DELIVERIES_READ)?;
    let mut conn = notify.inner.db.reader(Look::Point).await?;
    found(&mut conn, &reach, &id).await??;
    let tries = attempt::list(&mut conn, &id).await?;
    // What somebody else's machine has answered may come from within a network: administrators see it.
    let whole = matches!(reach, Reach::All);
    let items: Vec<Value> = tries.iter().map(|kept| describe_try(kept, whole)).collect();
    Ok(json_text(StatusCode::OK, json!({"items": items, "next_cursor": null}).to_string()))
}

/// `POST /v1/deliveries/replay`: puts deliveries in line again that have ended: those with these ids, or
/// all that are meant, failed ones unless another state is named.
#[utoipa::path(
    post,
    path = "/v1/deliveries/replay",
    tag = "notifications",
    request_body(content = crate::api::Replay),
    responses(
        (status = 200, body = crate::api::Replayed),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn replay(
    State(notify): State<Notify>,
    caller: Caller,
    params: Params,
    request: Request,
) -> Answer {
    params.only(&[])?;
    let reach = Reach::of(&caller.who, DELIVERIES_WRITE)?;
    let (head, content) = request.into_parts();
    body::json_only(&head.headers)?;
    let document = body::document(content, MAX_BYTES).await?;
    const KNOWN: &[&str] = &["ids", "state", "channel", "rule", "from", "to"];
    let members = body::members(document, KNOWN)?;
    let ids = body::texts(&members, "ids")?;
    let (replayed, more) = match ids {
        Some(_) if members.len() > 1 => {
            let message = "ids stand alone, without any other condition";
            return Err(Error::invalid(FieldError::new("/ids", "invalid", message)).into());
        }
        Some(ids) if ids.len() > MOST_IDS => {
            let message = format!("at most {MOST_IDS}");
            return Err(Error::invalid(FieldError::new("/ids", "too_long", message)).into());
        }
        Some(ids) => (replay_ids(&notify.inner, &caller, &reach, ids).await?, false),
        None => replay_wanted(&notify.inner, &caller, read_wanted(&members, &reach)?).await?,
    };
    notify.inner.engine.wake();
    let answer = json!({"replayed": replayed, "more": more});
    Ok(json_text(StatusCode::OK, answer.to_string()))
}

fn read_wanted(members: &Map<String, Value>, reach: &Reach) -> Result<Wanted, Error> {
    let state = match body::text(members, "state")?.as_deref() {
        None | Some("failed") => Condition::Failed,
        Some("delivered") => Condition::Delivered,
        Some(_) => return Err(body::mismatch("state", "failed or delivered")),
    };
    let time = |name: &str| -> Result<Option<Timestamp>, Error> {
        let wrong = |what: &'static str| {
            Error::invalid(FieldError::new(format!("/{name}"), "invalid", what))
        };
        body::text(members, name)?.map(|text| Timestamp::parse(&text).map_err(wrong)).transpose()
    };
    Ok(Wanted {
        state: Some(state),
        channel: body::text(members, "channel")?,
        rule: body::text(members, "rule")?,
        owner: reach.owner().map(str::to_owned),
        from: time("from")?,
        to: time("to")?,
    })
}

async fn replay_ids(
    inner: &Inner,
    caller: &Caller,
    reach: &Reach,
    ids: Vec<String>,
) -> Result<usize, Error> {
    let (now, reach) = (inner.clock.now(), reach.clone());
    let event = event(caller, json!({"ids": ids.len()}));
    let run = inner.db.writer().run(Lane::Interactive, move |conn| {
        Box::pin(async move {
            let mut replayed = 0;
            for id in ids {
                if let Err(error) = found(conn, &reach, &id).await? {
                    return Ok(Err(error));
                }
                replayed += usize::from(table::replay_one(conn, &id, now).await?);
            }
            outbox::note(conn, &event, now).await?;
            Ok(Ok(replayed))
        })
    });
    run.await?
}

/// In steps, so that nobody waits for long; whether there are more than one request replays.
async fn replay_wanted(
    inner: &Inner,
    caller: &Caller,
    wanted: Wanted,
) -> Result<(usize, bool), Error> {
    let now = inner.clock.now();
    // What is written or ends while this runs is not meant.
    let to = wanted.to.map_or(now, |to| to.min(now));
    let wanted = Wanted { to: Some(to), ..wanted };
    let details = json!({"channel": wanted.channel, "rule": wanted.rule,
        "state": wanted.state.map(Condition::name), "from": wanted.from, "to": wanted.to});
    let mut note = Some(event(caller, details));
    let (mut replayed, mut after) = (0, String::new());
    loop {
        let (step, from, note) = (wanted.clone(), after, note.take());
        let run = inner.db.writer().run(Lane::Batch, move |conn| {
            Box::pin(async move {
                if let Some(event) = note {
                    outbox::note(conn, &event, now).await?;
                }
                table::replay(conn, &step, &from, (STEP, now)).await
            })
        });
        let ids = run.await?;
        replayed += ids.len();
        match ids.into_iter().max() {
            None => return Ok((replayed, false)),
            Some(_) if replayed >= MOST => return Ok((replayed, true)),
            Some(last) => after = last,
        }
    }
}

fn event(caller: &Caller, details: Value) -> Event {
    let mut event =
        Event { action: "delivery.replay", target: None, ..caller.event("delivery", "") };
    if let Value::Object(details) = details {
        event.details = details.into_iter().filter(|(_, value)| !value.is_null()).collect();
    }
    event
}

/// Finds a delivery to a channel that somebody's right goes over; any other one is not there.
async fn found(conn: &mut Conn, reach: &Reach, id: &str) -> Done<Kept> {
    let missing = || Error::not_found(format!("the delivery `{id}`"));
    let Some(kept) = table::find(conn, id).await? else { return Ok(Err(missing())) };
    if *reach == Reach::All {
        return Ok(Ok(kept));
    }
    let channel = channel::find(conn, &kept.channel).await?;
    let own = channel.is_some_and(|channel| reach.covers(&channel.owner));
    Ok(if own { Ok(kept) } else { Err(missing()) })
}

fn describe(kept: &Kept) -> Value {
    let waits = matches!(kept.state, Condition::Waiting);
    json!({
        "id": kept.id,
        "notification": kept.notification,
        "type": kept.kind,
        "channel": kept.channel,
        "address": (!kept.address.is_empty()).then_some(&kept.address),
        "rule": (!kept.rule.is_empty()).then_some(&kept.rule),
        "state": kept.state.name(),
        "tries": kept.tries,
        "next_try_at": waits.then_some(kept.due_at),
        "created_at": kept.created_at,
        "done_at": kept.done_at,
    })
}

fn describe_try(kept: &attempt::Kept, whole: bool) -> Value {
    json!({
        "number": kept.number,
        "at": kept.at,
        "duration_ms": kept.duration / 1000,
        "outcome": kept.outcome,
        "status": (kept.status > 0).then_some(kept.status),
        "excerpt": whole.then_some(&kept.excerpt),
    })
}
