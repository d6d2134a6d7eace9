//! Silences: of which alerts nobody is told for a while.

use axum::extract::{Path, Request, State};
use axum::response::IntoResponse;
use forebay_db::{Lane, Look, outbox};
use forebay_http::query::Params;
use forebay_http::reply::json_text;
use forebay_http::{Answer, Caller, Page, Who, body};
use forebay_model::audit::Event;
use forebay_model::principal::{SILENCES_READ, SILENCES_WRITE};
use forebay_model::time::Timestamp;
use forebay_model::{Error, FieldError};
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::{Reach, owner_of};
use crate::Notify;
use crate::sql::silence::{self as table, Kept};

const LIST: &str = "silences";
/// The longest silence.
const YEAR: i64 = 366 * 86_400_000_000;

/// `GET /v1/silences`: those that are not over.
#[utoipa::path(
    get,
    path = "/v1/silences",
    tag = "notifications",
    params(
        ("limit" = Option<u32>, Query, description = "1 to 1000, 50 without it"),
        ("cursor" = Option<String>, Query, description = "Where the page before ended"),
    ),
    responses(
        (status = 200, body = crate::api::Silences),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list(State(notify): State<Notify>, Who(who): Who, params: Params) -> Answer {
    params.only(&["limit", "cursor"])?;
    let reach = Reach::of(&who, SILENCES_READ)?;
    let page = Page::read(&params, &notify.inner.sealer, LIST)?;
    let now = notify.inner.clock.now();
    let mut conn = notify.inner.db.reader(Look::Scan).await?;
    let asked = (page.after(), page.rows());
    let mut found = table::list(&mut conn, reach.owner(), asked, now).await?;
    let next = page.cut(&mut found, |last| last.id.clone())?;
    let items: Vec<Value> = found.iter().map(describe).collect();
    Ok(json_text(StatusCode::OK, json!({"items": items, "next_cursor": next}).to_string()))
}

/// `POST /v1/silences`.
#[utoipa::path(
    post,
    path = "/v1/silences",
    tag = "notifications",
    request_body(content = crate::api::NewSilence),
    responses(
        (status = 201, body = crate::api::Silence),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn create(
    State(notify): State<Notify>,
    caller: Caller,
    params: Params,
    request: Request,
) -> Answer {
    params.only(&[])?;
    // A silence reaches alerts of everybody.
    caller.who.require(SILENCES_WRITE)?;
    let (head, content) = request.into_parts();
    body::json_only(&head.headers)?;
    let known = ["matcher", "comment", "starts_at", "ends_at"];
    let members = body::members(body::document(content, 16 << 10).await?, &known)?;
    let now = notify.inner.clock.now();
    let matcher = body::required(&members, "matcher")?;
    table::compile(&matcher).map_err(|mistakes| mistakes.into_error("/matcher"))?;
    let starts_at = time(&members, "starts_at")?.unwrap_or(now);
    let ends_at = time(&members, "ends_at")?;
    let missing = || Error::invalid(FieldError::new("/ends_at", "required", "is needed"));
    let ends_at = ends_at.ok_or_else(missing)?;
    let length = ends_at.micros().saturating_sub(starts_at.micros());
    if ends_at <= now || !(1..=YEAR).contains(&length) {
        let message = "after its start and from now on, within a year";
        return Err(Error::invalid(FieldError::new("/ends_at", "out_of_range", message)).into());
    }
    let comment = body::text(&members, "comment")?.unwrap_or_default();
    if comment.len() > 1_000 || comment.contains('\0') {
        return Err(
            Error::invalid(FieldError::new("/comment", "too_long", "at most 1000 bytes")).into()
        );
    }
    let kept = Kept {
        id: uuid::Uuid::now_v7().to_string(),
        owner: owner_of(&caller.who).to_owned(),
        matcher,
        comment,
        starts_at,
        ends_at,
        created_at: now,
    };
    let event = Event { action: "silence.create", ..caller.event("silence", &kept.id) };
    let new = kept.clone();
    let written = notify.inner.db.writer().run(Lane::Interactive, move |conn| {
        Box::pin(async move {
            let most = table::MOST;
            if table::list(conn, None, ("", most), now).await?.len()
                >= usize::try_from(most).unwrap_or(0)
            {
                let detail = format!("there are {most} silences already");
                return Ok(Err(Error::new(forebay_model::Code::TooLarge, detail)));
            }
            table::insert(conn, &new).await?;
            outbox::note(conn, &event, now).await?;
            Ok(Ok(()))
        })
    });
    written.await??;
    Ok(json_text(StatusCode::CREATED, describe(&kept).to_string()))
}

/// `DELETE /v1/silences/{id}`: it ends now.
#[utoipa::path(
    delete,
    path = "/v1/silences/{id}",
    tag = "notifications",
    params(("id" = String, Path, description = "The silence's id")),
    responses(
        (status = 204),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn delete(
    State(notify): State<Notify>,
    caller: Caller,
    Path(id): Path<String>,
    params: Params,
) -> Answer {
    params.only(&[])?;
    caller.who.require(SILENCES_WRITE)?;
    let now = notify.inner.clock.now();
    let event = Event { action: "silence.end", ..caller.event("silence", &id) };
    let ended = notify.inner.db.writer().run(Lane::Interactive, move |conn| {
        Box::pin(async move {
            if table::find(conn, &id).await?.is_none() {
                return Ok(Err(Error::not_found(format!("the silence `{id}`"))));
            }
            table::end(conn, &id, now).await?;
            outbox::note(conn, &event, now).await?;
            Ok(Ok(()))
        })
    });
    ended.await??;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn time(members: &Map<String, Value>, name: &str) -> Result<Option<Timestamp>, Error> {
    let Some(text) = body::text(members, name)? else { return Ok(None) };
    let wrong = |_| {
        let message = "a time such as 2026-03-01T12:00:00Z";
        Error::invalid(FieldError::new(format!("/{name}"), "time_invalid", message))
    };
    Timestamp::parse(&text).map(Some).map_err(wrong)
}

fn describe(kept: &Kept) -> Value {
    json!({
        "id": kept.id,
        "owner": kept.owner,
        "matcher": kept.matcher,
        "comment": kept.comment,
        "starts_at": kept.starts_at,
        "ends_at": kept.ends_at,
        "created_at": kept.created_at,
    })
}
