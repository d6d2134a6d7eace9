//! Rules: what of a stream somebody wants to be told.

use axum::extract::{Path, Request, State};
use axum::response::IntoResponse;
use forebay_db::log::read::span;
use forebay_db::{Conn, Lane, Look, outbox};
use forebay_filter::Sight;
use forebay_http::query::Params;
use forebay_http::reply::{self, json_text, versioned};
use forebay_http::{Answer, Caller, Page, Who, body};
use forebay_model::audit::Event;
use forebay_model::principal::{Principal, RULES_READ, RULES_WRITE};
use forebay_model::stream::Stream;
use forebay_model::time::Timestamp;
use forebay_model::{Code, Error, FieldError};
use http::header::IF_MATCH;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Map, Value, json};

use super::{Done, Reach, owner_of};
use crate::rule::receivers::Receiver;
use crate::sql::channel;
use crate::sql::rule::{self as table, Kept};
use crate::watch::run::Checked;
use crate::{Inner, Notify};

/// The most rules.
const MOST: i64 = 10_000;
/// The most bytes of a rule.
pub(crate) const MAX_BYTES: usize = 64 << 10;
const MAX_NAME_BYTES: usize = 200;
const LIST: &str = "rules";

/// `GET /v1/rules`: all, or one's own.
#[utoipa::path(
    get,
    path = "/v1/rules",
    tag = "notifications",
    params(
        ("limit" = Option<u32>, Query, description = "1 to 1000, 50 without it"),
        ("cursor" = Option<String>, Query, description = "Where the page before ended"),
    ),
    responses(
        (status = 200, body = crate::api::Rules),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list(State(notify): State<Notify>, Who(who): Who, params: Params) -> Answer {
    params.only(&["limit", "cursor"])?;
    let reach = Reach::of(&who, RULES_READ)?;
    let page = Page::read(&params, &notify.inner.sealer, LIST)?;
    let mut conn = notify.inner.db.reader(Look::Scan).await?;
    let mut found = table::list(&mut conn, reach.owner(), page.after(), page.rows()).await?;
    let next = page.cut(&mut found, |last| last.id.clone())?;
    let items: Vec<Value> = found.iter().map(describe).collect();
    Ok(json_text(StatusCode::OK, json!({"items": items, "next_cursor": next}).to_string()))
}

/// `POST /v1/rules`: it looks at what comes from now on, as whoever has made it.
#[utoipa::path(
    post,
    path = "/v1/rules",
    tag = "notifications",
    request_body(content = crate::api::NewRule),
    responses(
        (status = 201, body = crate::api::Rule),
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
    let reach = Reach::of(&caller.who, RULES_WRITE)?;
    let (head, content) = request.into_parts();
    body::json_only(&head.headers)?;
    let definition = object(body::document(content, MAX_BYTES).await?)?;
    let inner = &notify.inner;
    let ready = Ready::check(inner, &caller.who, definition).await?;
    let now = inner.clock.now();
    let kept = ready.kept(&caller.who, (uuid::Uuid::now_v7().to_string(), 1), (now, now));
    let event = Event { action: "rule.create", ..caller.event("rule", &kept.id) };
    let (new, receivers, stream) = (kept.clone(), ready.checked.receivers, ready.stream.number);
    let written = inner.db.writer().run(Lane::Interactive, move |conn| {
        Box::pin(async move {
            if table::count(conn, MOST).await? >= MOST {
                let detail = format!("there are {MOST} rules already");
                return Ok(Err(Error::new(Code::TooLarge, detail)));
            }
            if let Err(error) = reachable(conn, &reach, &receivers).await? {
                return Ok(Err(error));
            }
            let seq = span(conn, stream).await?.map_or(0, |span| span.last_seq);
            table::insert(conn, &new, (stream, seq)).await?;
            outbox::note(conn, &event, now).await?;
            Ok(Ok(()))
        })
    });
    written.await??;
    Ok(tagged(StatusCode::CREATED, &kept))
}

/// `GET /v1/rules/{id}`.
#[utoipa::path(
    get,
    path = "/v1/rules/{id}",
    tag = "notifications",
    params(("id" = String, Path, description = "The rule's id")),
    responses(
        (status = 200, body = crate::api::Rule),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn show(
    State(notify): State<Notify>,
    Who(who): Who,
    Path(id): Path<String>,
    params: Params,
    headers: HeaderMap,
) -> Answer {
    params.only(&[])?;
    let reach = Reach::of(&who, RULES_READ)?;
    let mut conn = notify.inner.db.reader(Look::Point).await?;
    let kept = found(&mut conn, &reach, &id, None).await??;
    Ok(versioned(&headers, StatusCode::OK, &kept.version.to_string(), describe(&kept).to_string()))
}

/// `PATCH /v1/rules/{id}`: members of its text, merged as RFC 7396 says. A rule that says something
/// else begins anew.
#[utoipa::path(
    patch,
    path = "/v1/rules/{id}",
    tag = "notifications",
    params(
        ("id" = String, Path, description = "The rule's id"),
        ("If-Match" = Option<String>, Header, description = "Only this version"),
    ),
    request_body(content = crate::api::RuleChange),
    responses(
        (status = 200, body = crate::api::Rule),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn patch(
    State(notify): State<Notify>,
    caller: Caller,
    Path(id): Path<String>,
    params: Params,
    request: Request,
) -> Answer {
    params.only(&[])?;
    let reach = Reach::of(&caller.who, RULES_WRITE)?;
    let (head, content) = request.into_parts();
    body::json_only(&head.headers)?;
    let change = object(body::document(content, MAX_BYTES).await?)?;
    let inner = &notify.inner;
    let if_match = head.headers.get(IF_MATCH).cloned();
    let mut conn = inner.db.reader(Look::Point).await?;
    let old = found(&mut conn, &reach, &id, if_match.as_ref()).await??;
    drop(conn);
    let mut definition: Map<String, Value> =
        serde_json::from_str(&old.definition).map_err(Error::internal)?;
    for (name, value) in change {
        match value {
            Value::Null => definition.remove(&name),
            value => definition.insert(name, value),
        };
    }
    let ready = Ready::check(inner, &caller.who, definition).await?;
    let now = inner.clock.now();
    let kept = ready.kept(&caller.who, (old.id.clone(), old.version + 1), (old.created_at, now));
    let kept = Kept { owner: old.owner.clone(), ..kept };
    let anew = says_another(&old, &kept).then_some(ready.stream.number);
    let event = Event { action: "rule.update", ..caller.event("rule", &kept.id) };
    let (new, receivers) = (kept.clone(), ready.checked.receivers);
    let tag = HeaderValue::from_str(&format!("\"{}\"", old.version)).map_err(Error::internal)?;
    let written = inner.db.writer().run(Lane::Interactive, move |conn| {
        Box::pin(async move {
            // Somebody else may have changed it meanwhile.
            if let Err(error) = found(conn, &reach, &new.id, Some(&tag)).await? {
                return Ok(Err(error));
            }
            if let Err(error) = reachable(conn, &reach, &receivers).await? {
                return Ok(Err(error));
            }
            let anew = match anew {
                Some(stream) => {
                    Some((stream, span(conn, stream).await?.map_or(0, |span| span.last_seq)))
                }
                None => None,
            };
            table::update(conn, &new, anew).await?;
            outbox::note(conn, &event, now).await?;
            Ok(Ok(()))
        })
    });
    written.await??;
    Ok(tagged(StatusCode::OK, &kept))
}

/// `DELETE /v1/rules/{id}`: what it has told stays.
#[utoipa::path(
    delete,
    path = "/v1/rules/{id}",
    tag = "notifications",
    params(
        ("id" = String, Path, description = "The rule's id"),
        ("If-Match" = Option<String>, Header, description = "Only this version"),
    ),
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
    headers: HeaderMap,
) -> Answer {
    params.only(&[])?;
    let reach = Reach::of(&caller.who, RULES_WRITE)?;
    let event = Event { action: "rule.delete", ..caller.event("rule", &id) };
    let (if_match, now) = (headers.get(IF_MATCH).cloned(), notify.inner.clock.now());
    let deleted = notify.inner.db.writer().run(Lane::Interactive, move |conn| {
        Box::pin(async move {
            if let Err(error) = found(conn, &reach, &id, if_match.as_ref()).await? {
                return Ok(Err(error));
            }
            table::delete(conn, &id).await?;
            outbox::note(conn, &event, now).await?;
            Ok(Ok(()))
        })
    });
    deleted.await??;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// A rule that may be written.
pub(crate) struct Ready {
    definition: Map<String, Value>,
    pub(crate) stream: std::sync::Arc<Stream>,
    pub(crate) checked: Checked,
    pub(crate) sight: Sight,
}

impl Ready {
    /// Checks a rule's text, and whether somebody may see its stream.
    pub(crate) async fn check(
        inner: &Inner,
        who: &Principal,
        definition: Map<String, Value>,
    ) -> Result<Ready, Error> {
        read_name(&definition)?;
        body::flag(&definition, "enabled")?;
        body::text(&definition, "description")?;
        let name = body::required(&definition, "stream")?;
        let unknown = |error: Error| match error.code {
            Code::NotFound | Code::Forbidden => {
                let message = format!("there is no stream `{name}` that you may read");
                Error::invalid(FieldError::new("/stream", "unknown", message))
            }
            _ => error,
        };
        who.require_on_stream(forebay_model::principal::RECORDS_READ, &name).map_err(unknown)?;
        let stream = inner.catalog.stream(&name).await.map_err(unknown)?;
        let sight = Sight::of(who, &stream, |_| {});
        let checked = Checked::read(&definition, &stream)?;
        Ok(Ready { definition, stream, checked, sight })
    }

    fn kept(
        &self,
        who: &Principal,
        (id, version): (String, i64),
        (created_at, updated_at): (Timestamp, Timestamp),
    ) -> Kept {
        let text = |name: &str| {
            self.definition.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        // What a key may see is less than what its owner may: it runs as that key.
        let runs_as = match &who.key_id {
            Some(_) => who.id.clone(),
            None => who.user_id.as_ref().map_or(who.id.clone(), |id| format!("account:{id}")),
        };
        Kept {
            id,
            name: text("name"),
            owner: owner_of(who).to_owned(),
            runs_as,
            stream: text("stream"),
            kind: text("kind"),
            definition: Value::Object(self.definition.clone()).to_string(),
            on: self.definition.get("enabled").and_then(Value::as_bool).unwrap_or(true),
            error: String::new(),
            error_at: 0,
            version,
            created_at,
            updated_at,
        }
    }
}

/// Whether what it looks at, or as whom, is not what it was; names and receivers are no part of that.
fn says_another(old: &Kept, new: &Kept) -> bool {
    const APART: [&str; 4] = ["name", "description", "receivers", "enabled"];
    let essence = |text: &str| {
        let mut members: Map<String, Value> = serde_json::from_str(text).unwrap_or_default();
        APART.iter().for_each(|name| {
            members.remove(*name);
        });
        members
    };
    old.runs_as != new.runs_as || essence(&old.definition) != essence(&new.definition)
}

/// Whether somebody may send to the channels among receivers.
async fn reachable(conn: &mut Conn, reach: &Reach, receivers: &[Receiver]) -> Done<()> {
    let mut errors = Vec::new();
    for (at, receiver) in receivers.iter().enumerate() {
        let Receiver::Channel(id) = receiver else { continue };
        let found = channel::find(conn, id).await?;
        if !found.is_some_and(|kept| reach.covers(&kept.owner)) {
            let message = format!("there is no channel `{id}`");
            errors.push(FieldError::new(format!("/receivers/{at}/channel"), "unknown", message));
        }
    }
    Ok(if errors.is_empty() { Ok(()) } else { Err(Error::invalid_all(errors)) })
}

/// Finds a rule that somebody's right goes over; any other one is not there.
pub(crate) async fn found(
    conn: &mut Conn,
    reach: &Reach,
    id: &str,
    if_match: Option<&HeaderValue>,
) -> Done<Kept> {
    let kept = table::find(conn, id).await?.filter(|kept| reach.covers(&kept.owner));
    let Some(kept) = kept else {
        return Ok(Err(Error::not_found(format!("the rule `{id}`"))));
    };
    let tag = format!("\"{}\"", kept.version);
    if if_match.is_some() && !reply::matches(if_match, &tag) {
        let detail = format!("the rule is at version {}", kept.version);
        return Ok(Err(Error::new(Code::VersionMismatch, detail)));
    }
    Ok(Ok(kept))
}

pub(crate) fn object(document: Value) -> Result<Map<String, Value>, Error> {
    match document {
        Value::Object(members) => Ok(members),
        _ => {
            let message = "an object is expected";
            Err(Error::invalid(FieldError::new("", "type_mismatch", message)))
        }
    }
}

fn read_name(definition: &Map<String, Value>) -> Result<(), Error> {
    let name = body::required(definition, "name")?;
    if !name.trim().is_empty() && name.len() <= MAX_NAME_BYTES && !name.contains('\0') {
        return Ok(());
    }
    let message = format!("1 to {MAX_NAME_BYTES} bytes");
    Err(Error::invalid(FieldError::new("/name", "invalid", message)))
}

/// A rule as it is shown: what was sent, and what became of it.
fn describe(kept: &Kept) -> Value {
    let mut shown = json!({"id": kept.id});
    let definition: Map<String, Value> = serde_json::from_str(&kept.definition).unwrap_or_default();
    let more = json!({
        "enabled": kept.on,
        "owner": kept.owner,
        "error": (!kept.error.is_empty()).then_some(&kept.error),
        "error_at": (!kept.error.is_empty()).then(|| Timestamp::from_micros(kept.error_at)),
        "version": kept.version,
        "created_at": kept.created_at,
        "updated_at": kept.updated_at,
    });
    if let (Value::Object(shown), Value::Object(more)) = (&mut shown, more) {
        shown.extend(definition);
        shown.extend(more);
    }
    shown
}

fn tagged(status: StatusCode, kept: &Kept) -> axum::response::Response {
    let text = describe(kept).to_string();
    versioned(&HeaderMap::new(), status, &kept.version.to_string(), text)
}
