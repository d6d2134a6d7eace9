//! The groups of a rule: where each is, and who has seen that it fires.

use axum::extract::{Path, Request, State};
use forebay_db::outbox::{self, Waiting};
use forebay_db::{Lane, Look};
use forebay_filter::read_span;
use forebay_http::query::Params;
use forebay_http::reply::json_text;
use forebay_http::{Answer, Caller, Page, Who, body};
use forebay_model::json::to_canonical;
use forebay_model::principal::{RULES_READ, RULES_WRITE};
use forebay_model::time::Timestamp;
use forebay_model::{Code, Error, FieldError, alert};
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::rules::found;
use super::{Reach, owner_of};
use crate::Notify;
use crate::sql::rule::{self as table, Group, Kept};

const LIST: &str = "rule groups";
/// The longest acknowledgement.
const DAY: i64 = 86_400_000_000;

/// `GET /v1/rules/{id}/groups`.
#[utoipa::path(
    get,
    path = "/v1/rules/{id}/groups",
    tag = "notifications",
    params(
        ("id" = String, Path, description = "The rule's id"),
        ("limit" = Option<u32>, Query, description = "1 to 1000, 50 without it"),
        ("cursor" = Option<String>, Query, description = "Where the page before ended"),
    ),
    responses(
        (status = 200, body = crate::api::RuleGroups),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list(
    State(notify): State<Notify>,
    Who(who): Who,
    Path(id): Path<String>,
    params: Params,
) -> Answer {
    params.only(&["limit", "cursor"])?;
    let reach = Reach::of(&who, RULES_READ)?;
    let page = Page::read(&params, &notify.inner.sealer, format!("{LIST} {id}"))?;
    let mut conn = notify.inner.db.reader(Look::Scan).await?;
    let kept = found(&mut conn, &reach, &id, None).await??;
    let mut groups = table::groups(&mut conn, &id, page.after(), page.rows()).await?;
    let next = page.cut(&mut groups, |last| last.fingerprint.clone())?;
    let now = notify.inner.clock.now();
    let items: Vec<Value> = groups.iter().map(|group| describe(&kept, group, now)).collect();
    Ok(json_text(StatusCode::OK, json!({"items": items, "next_cursor": next}).to_string()))
}

/// `POST /v1/rules/{id}/groups/{group}/acknowledge`: somebody has seen it.
#[utoipa::path(
    post,
    path = "/v1/rules/{id}/groups/{group}/acknowledge",
    tag = "notifications",
    params(
        ("id" = String, Path, description = "The rule's id"),
        ("group" = String, Path, description = "The group's id"),
    ),
    request_body(content = crate::api::Acknowledgement),
    responses(
        (status = 200, body = crate::api::Acknowledged),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn acknowledge(
    State(notify): State<Notify>,
    caller: Caller,
    Path((id, group)): Path<(String, String)>,
    params: Params,
    request: Request,
) -> Answer {
    params.only(&[])?;
    let reach = Reach::of(&caller.who, RULES_WRITE)?;
    let (head, content) = request.into_parts();
    body::json_only(&head.headers)?;
    let members = body::members(body::document(content, 4096).await?, &["for"])?;
    let length = match body::text(&members, "for")? {
        None => DAY,
        Some(text) => {
            read_span(&text).filter(|span| (1..=7 * DAY).contains(span)).ok_or_else(|| {
                let message = "a length of time up to 7d, such as 2h";
                Error::invalid(FieldError::new("/for", "duration_invalid", message))
            })?
        }
    };
    let now = notify.inner.clock.now();
    let until = Timestamp::from_micros(now.micros().saturating_add(length));
    let by = owner_of(&caller.who).to_owned();
    let answer = json!({"acknowledged_by": by, "acknowledged_until": until}).to_string();
    let written = notify.inner.db.writer().run(Lane::Interactive, move |conn| {
        Box::pin(async move {
            let kept = match found(conn, &reach, &id, None).await? {
                Ok(kept) => kept,
                Err(error) => return Ok(Err(error)),
            };
            if !table::acknowledge(conn, (&id, &group), (&by, until.micros())).await? {
                let detail = "there is no such group, or nothing is wrong with it";
                return Ok(Err(Error::new(Code::NotFound, detail)));
            }
            let data = json!({"rule_id": kept.id, "rule": kept.name, "stream": kept.stream,
                "state": "acknowledged", "by": by, "until": until, "at": now});
            let (id, stream) = (uuid::Uuid::now_v7().to_string(), alert::STREAM.to_owned());
            outbox::put(conn, &Waiting { id, stream, time: now, data: to_canonical(&data) })
                .await?;
            Ok(Ok(()))
        })
    });
    written.await??;
    Ok(json_text(StatusCode::OK, answer))
}

fn describe(kept: &Kept, group: &Group, now: Timestamp) -> Value {
    let keys: Vec<Value> = serde_json::from_str(&group.keys).unwrap_or_default();
    let memory: Value = serde_json::from_str(&group.memory).unwrap_or_default();
    let machine = memory.get("machine").unwrap_or(&memory);
    let time = |name: &str| machine[name].as_i64().map(Timestamp::from_micros);
    let state = match group.state {
        0 => "inactive",
        1 => "pending",
        2 => "firing",
        _ => "recovering",
    };
    let acked = group.acked_until > now.micros();
    json!({
        "id": group.fingerprint,
        "group": named(kept, keys),
        "state": state,
        "since": Timestamp::from_micros(group.since),
        "pending_at": time("pending_at"),
        "firing_at": time("firing_at"),
        "value": machine["value"],
        "peak": machine["peak"],
        "episode": group.episode,
        "told": machine["told"],
        "acknowledged_by": acked.then_some(&group.acked_by),
        "acknowledged_until": acked.then(|| Timestamp::from_micros(group.acked_until)),
    })
}

fn named(kept: &Kept, keys: Vec<Value>) -> Map<String, Value> {
    let definition: Value = serde_json::from_str(&kept.definition).unwrap_or_default();
    let field = definition["keys"]["field"].as_str().map(str::to_owned);
    let fields = definition["group_by"].as_array().into_iter().flatten();
    let fields = fields.filter_map(|field| field.as_str().map(str::to_owned));
    fields.chain(field).zip(keys).collect()
}
