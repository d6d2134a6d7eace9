//! What a rule would have done: the same evaluation, over what is stored.

use axum::extract::{Path, Request, State};
use forebay_db::Look;
use forebay_db::Order;
use forebay_db::log::read::{Page, page, span};
use forebay_filter::View;
use forebay_http::query::Params;
use forebay_http::reply::json_text;
use forebay_http::{Answer, Who, body};
use forebay_model::principal::RULES_READ;
use forebay_model::time::Timestamp;
use forebay_model::{Code, Error, FieldError};
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::Reach;
use super::rules::{MAX_BYTES, Ready, found, object};
use crate::rule::backtest::History;
use crate::rule::evaluator::Evaluator;
use crate::watch::load::position;
use crate::{Inner, Notify};

/// The most records that are looked at.
const MOST: u64 = 2_000_000;
const PAGE: i64 = 1_000;
/// How far back it goes without `from`.
const DAY: i64 = 86_400_000_000;

/// `POST /v1/rules/{id}/backtest`: from one time to another, by when records arrived.
#[utoipa::path(
    post,
    path = "/v1/rules/{id}/backtest",
    tag = "notifications",
    params(("id" = String, Path, description = "The rule's id")),
    request_body(content = crate::api::Backtest),
    responses(
        (status = 200, body = crate::api::Backtested),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn of_rule(
    State(notify): State<Notify>,
    Who(who): Who,
    Path(id): Path<String>,
    params: Params,
    request: Request,
) -> Answer {
    params.only(&[])?;
    let reach = Reach::of(&who, RULES_READ)?;
    let (head, content) = request.into_parts();
    body::json_only(&head.headers)?;
    let members = body::members(body::document(content, 4096).await?, &["from", "to"])?;
    let inner = &notify.inner;
    let mut conn = inner.db.reader(Look::Point).await?;
    let kept = found(&mut conn, &reach, &id, None).await??;
    drop(conn);
    let definition = serde_json::from_str(&kept.definition).map_err(Error::internal)?;
    let ready = Ready::check(inner, &who, definition).await?;
    run(inner, &ready, between(inner, &members)?).await
}

/// `POST /v1/rules/backtest`: the same of a rule that is not there yet.
#[utoipa::path(
    post,
    path = "/v1/rules/backtest",
    tag = "notifications",
    request_body(content = crate::api::NewBacktest),
    responses(
        (status = 200, body = crate::api::Backtested),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn of_draft(
    State(notify): State<Notify>,
    Who(who): Who,
    params: Params,
    request: Request,
) -> Answer {
    params.only(&[])?;
    Reach::of(&who, RULES_READ)?;
    let (head, content) = request.into_parts();
    body::json_only(&head.headers)?;
    let document = body::document(content, MAX_BYTES + 4096).await?;
    let mut members = body::members(document, &["rule", "from", "to"])?;
    let rule = object(members.remove("rule").unwrap_or_default())?;
    let inner = &notify.inner;
    let ready = Ready::check(inner, &who, rule).await.map_err(|mut error| {
        error.errors.iter_mut().for_each(|field| field.path.insert_str(0, "/rule"));
        error
    })?;
    run(inner, &ready, between(inner, &members)?).await
}

fn between(inner: &Inner, members: &Map<String, Value>) -> Result<(i64, i64), Error> {
    let now = inner.clock.now().micros();
    let read = |name: &str, otherwise: i64| match body::text(members, name)? {
        None => Ok(otherwise),
        Some(text) => Timestamp::parse(&text).map(Timestamp::micros).map_err(|_| {
            let message = "a time such as 2026-03-01T12:00:00Z";
            Error::invalid(FieldError::new(format!("/{name}"), "time_invalid", message))
        }),
    };
    let (from, to) = (read("from", now - DAY)?, read("to", now)?.min(now));
    if from >= to {
        let message = "this is not before `to`";
        return Err(Error::invalid(FieldError::new("/from", "out_of_range", message)));
    }
    Ok((from, to))
}

async fn run(inner: &Inner, ready: &Ready, (from, to): (i64, i64)) -> Answer {
    let rule = ready.checked.rule.clone();
    let mut history = History::new(rule.fields().map(str::to_owned).collect());
    let mut evaluator = Evaluator::new(rule, from);
    let (mut looked_at, mut happened) = (0_u64, Vec::new());
    let stream = ready.stream.number;
    let mut conn = inner.db.reader(Look::Scan).await?;
    let Some(here) = span(&mut conn, stream).await? else {
        return Err(Error::not_found("the stream").into());
    };
    let mut after = position(&mut conn, stream, here, from).await?;
    drop(conn);
    'pages: loop {
        // A connection for each page: nobody waits for one that reads for long.
        let mut conn = inner.db.reader(Look::Scan).await?;
        let (order, up_to) = (Order::SeqAscending, here.last_seq);
        let wanted = Page { order, after: Some((after, 0)), up_to, limit: PAGE };
        let records = page(&mut conn, stream, wanted).await?;
        drop(conn);
        let Some(last) = records.last() else { break };
        after = last.seq;
        for record in &records {
            if record.received_at.micros() > to {
                break 'pages;
            }
            looked_at += 1;
            let view = View::from(record);
            if ready.sight.sees(&view, record.received_at) {
                evaluator.feed(&view, &mut happened);
            }
        }
        history.take(&mut happened);
        if looked_at > MOST {
            let detail = format!("more than {MOST} records: ask for a shorter time");
            return Err(Error::new(Code::TooLarge, detail).into());
        }
        tokio::task::yield_now().await;
    }
    evaluator.advance(to, &mut happened);
    history.take(&mut happened);
    let (late, beyond) = evaluator.left_out();
    let (fired, matched) = (history.fired, history.matched);
    let time = |at: i64| json!(Timestamp::from_micros(at));
    let episodes: Vec<Value> = history.end().iter().map(|episode| episode.to_json(time)).collect();
    let answer = json!({"episodes": episodes, "fired": fired, "matched": matched,
        "records": looked_at, "late": late, "groups_left_out": beyond});
    Ok(json_text(StatusCode::OK, answer.to_string()))
}
