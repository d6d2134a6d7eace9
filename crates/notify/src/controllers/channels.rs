//! Channels: where messages can be sent to.

use axum::extract::{Path, Request, State};
use axum::response::IntoResponse;
use forebay_db::{Conn, Lane, Look, outbox};
use forebay_http::query::Params;
use forebay_http::reply::{self, json_text, versioned};
use forebay_http::{Answer, Caller, Page, Who, body};
use forebay_model::audit::Event;
use forebay_model::principal::{CHANNELS_READ, CHANNELS_WRITE};
use forebay_model::{Code, Error, FieldError};
use http::header::IF_MATCH;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Map, Value, json};

use super::{Done, Reach, owner_of};
use crate::channel::stored::{self, MAX_BYTES, Settings};
use crate::channel::{self, ChannelKind};
use crate::sql::channel::{self as table, Kept, State as Condition};
use crate::{Inner, Notify};

/// The most channels.
const MOST: i64 = 10_000;
const MAX_NAME_BYTES: usize = 200;
const LIST: &str = "channels";

/// `GET /v1/channels`: all, or one's own.
#[utoipa::path(
    get,
    path = "/v1/channels",
    tag = "notifications",
    params(
        ("limit" = Option<u32>, Query, description = "1 to 1000, 50 without it"),
        ("cursor" = Option<String>, Query, description = "Where the page before ended"),
    ),
    responses(
        (status = 200, body = crate::api::Channels),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list(State(notify): State<Notify>, Who(who): Who, params: Params) -> Answer {
    params.only(&["limit", "cursor"])?;
    let reach = Reach::of(&who, CHANNELS_READ)?;
    let page = Page::read(&params, &notify.inner.sealer, LIST)?;
    let mut conn = notify.inner.db.reader(Look::Scan).await?;
    let mut found = table::list(&mut conn, reach.owner(), page.after(), page.rows()).await?;
    let next = page.cut(&mut found, |last| last.id.clone())?;
    let items: Result<Vec<Value>, Error> =
        found.iter().map(|kept| describe(&notify.inner, kept)).collect();
    Ok(json_text(StatusCode::OK, json!({"items": items?, "next_cursor": next}).to_string()))
}

/// `POST /v1/channels`: what is secret of it is shown this once.
#[utoipa::path(
    post,
    path = "/v1/channels",
    tag = "notifications",
    request_body(content = crate::api::NewChannel),
    responses(
        (status = 201, body = crate::api::CreatedChannel),
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
    Reach::of(&caller.who, CHANNELS_WRITE)?;
    let (head, content) = request.into_parts();
    body::json_only(&head.headers)?;
    let document = body::document(content, 2 * MAX_BYTES).await?;
    let mut members = body::members(document, &["name", "kind", "config"])?;
    let kind = channel::kind(&body::required(&members, "kind")?)?;
    let inner = &notify.inner;
    let now = inner.clock.now();
    let config = stored::read(members.remove("config"))?;
    let mut settings = Settings { members: Map::new(), secrets: Value::Null };
    settings.replace(kind, config);
    let shown = settings.renew(kind, now)?;
    settings.build(kind, &inner.means(""))?;
    let mut kept = Kept {
        id: uuid::Uuid::now_v7().to_string(),
        name: read_name(body::text(&members, "name")?)?,
        kind: kind.name().to_owned(),
        owner: owner_of(&caller.who).to_owned(),
        config: String::new(),
        secrets: Vec::new(),
        state: Condition::On,
        version: 1,
        created_at: now,
        updated_at: now,
    };
    settings.store(&mut kept, &inner.master)?;
    let event = Event { action: "channel.create", ..caller.event("channel", &kept.id) };
    let new = kept.clone();
    let written = inner.db.writer().run(Lane::Interactive, move |conn| {
        Box::pin(async move {
            if table::count(conn, MOST).await? >= MOST {
                let detail = format!("there are {MOST} channels already");
                return Ok(Err(Error::new(Code::TooLarge, detail)));
            }
            table::put(conn, &new).await?;
            outbox::note(conn, &event, now).await?;
            Ok(Ok(()))
        })
    });
    written.await??;
    let mut answer = describe(inner, &kept)?;
    add(&mut answer, shown.unwrap_or_default());
    Ok(tagged(StatusCode::CREATED, &kept, &answer))
}

/// `GET /v1/channels/{id}`.
#[utoipa::path(
    get,
    path = "/v1/channels/{id}",
    tag = "notifications",
    params(("id" = String, Path, description = "The channel's id")),
    responses(
        (status = 200, body = crate::api::Channel),
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
    let reach = Reach::of(&who, CHANNELS_READ)?;
    let mut conn = notify.inner.db.reader(Look::Point).await?;
    let kept = found(&mut conn, &reach, &id, None).await??;
    let answer = describe(&notify.inner, &kept)?;
    Ok(versioned(&headers, StatusCode::OK, &kept.version.to_string(), answer.to_string()))
}

/// `PATCH /v1/channels/{id}`: its name, configuration, or state. A configuration takes the place of the
/// one before; what is sealed of that stays when it is left out, and goes when it is null.
#[utoipa::path(
    patch,
    path = "/v1/channels/{id}",
    tag = "notifications",
    params(
        ("id" = String, Path, description = "The channel's id"),
        ("If-Match" = Option<String>, Header, description = "Only this version"),
    ),
    request_body(content = crate::api::ChannelChange),
    responses(
        (status = 200, body = crate::api::Channel),
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
    let reach = Reach::of(&caller.who, CHANNELS_WRITE)?;
    let (head, content) = request.into_parts();
    body::json_only(&head.headers)?;
    let document = body::document(content, 2 * MAX_BYTES).await?;
    let mut members = body::members(document, &["name", "config", "state"])?;
    let name = body::text(&members, "name")?.map(|name| read_name(Some(name))).transpose()?;
    let state = read_state(body::text(&members, "state")?.as_deref())?;
    let config = members.remove("config").map(|config| stored::read(Some(config))).transpose()?;
    let event = Event { action: "channel.update", ..caller.event("channel", &id) };
    let asked = Asked { reach, id, if_match: head.headers.get(IF_MATCH).cloned(), event };
    let kept = change(&notify, asked, move |inner, kept| {
        if let Some(name) = name {
            kept.name = name;
        }
        if let Some(state) = state {
            kept.state = state;
        }
        if let Some(config) = config {
            let kind = channel::kind(&kept.kind)?;
            let mut settings = Settings::open(kept, &inner.master)?;
            settings.replace(kind, config);
            settings.build(kind, &inner.means(""))?;
            settings.store(kept, &inner.master)?;
        }
        Ok(())
    });
    let kept = kept.await?;
    let answer = describe(&notify.inner, &kept)?;
    Ok(tagged(StatusCode::OK, &kept, &answer))
}

/// `DELETE /v1/channels/{id}`: what waits for it is given up.
#[utoipa::path(
    delete,
    path = "/v1/channels/{id}",
    tag = "notifications",
    params(
        ("id" = String, Path, description = "The channel's id"),
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
    let reach = Reach::of(&caller.who, CHANNELS_WRITE)?;
    let event = Event { action: "channel.delete", ..caller.event("channel", &id) };
    let (if_match, now, asked) =
        (headers.get(IF_MATCH).cloned(), notify.inner.clock.now(), id.clone());
    let deleted = notify.inner.db.writer().run(Lane::Interactive, move |conn| {
        Box::pin(async move {
            if let Err(error) = found(conn, &reach, &asked, if_match.as_ref()).await? {
                return Ok(Err(error));
            }
            table::delete(conn, &asked).await?;
            outbox::note(conn, &event, now).await?;
            Ok(Ok(()))
        })
    });
    deleted.await??;
    notify.inner.engine.forget();
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// What is to be changed, and what is written down of it.
pub(super) struct Asked {
    pub(super) reach: Reach,
    pub(super) id: String,
    pub(super) if_match: Option<HeaderValue>,
    pub(super) event: Event,
}

/// Changes a channel that may be changed.
pub(super) async fn change<F>(notify: &Notify, asked: Asked, work: F) -> Result<Kept, Error>
where
    F: FnOnce(&Inner, &mut Kept) -> Result<(), Error> + Send + 'static,
{
    let inner = notify.inner.clone();
    let now = inner.clock.now();
    let changed = notify.inner.db.writer().run(Lane::Interactive, move |conn| {
        Box::pin(async move {
            let Asked { reach, id, if_match, event } = asked;
            let mut kept = match found(conn, &reach, &id, if_match.as_ref()).await? {
                Ok(kept) => kept,
                Err(error) => return Ok(Err(error)),
            };
            if let Err(error) = work(&inner, &mut kept) {
                return Ok(Err(error));
            }
            (kept.version, kept.updated_at) = (kept.version + 1, now);
            table::put(conn, &kept).await?;
            outbox::note(conn, &event, now).await?;
            Ok(Ok(kept))
        })
    });
    let kept = changed.await??;
    notify.inner.engine.forget();
    Ok(kept)
}

/// Finds a channel that somebody's right goes over; any other one is not there.
pub(super) async fn found(
    conn: &mut Conn,
    reach: &Reach,
    id: &str,
    if_match: Option<&HeaderValue>,
) -> Done<Kept> {
    let kept = table::find(conn, id).await?.filter(|kept| reach.covers(&kept.owner));
    let Some(kept) = kept else {
        return Ok(Err(Error::not_found(format!("the channel `{id}`"))));
    };
    let tag = format!("\"{}\"", kept.version);
    if if_match.is_some() && !reply::matches(if_match, &tag) {
        let detail = format!("the channel is at version {}", kept.version);
        return Ok(Err(Error::new(Code::VersionMismatch, detail)));
    }
    Ok(Ok(kept))
}

fn read_name(name: Option<String>) -> Result<String, Error> {
    let good = |name: &String| {
        !name.trim().is_empty() && name.len() <= MAX_NAME_BYTES && !name.contains('\0')
    };
    name.filter(good).ok_or_else(|| {
        let message = format!("1 to {MAX_NAME_BYTES} bytes");
        Error::invalid(FieldError::new("/name", "invalid", message))
    })
}

fn read_state(state: Option<&str>) -> Result<Option<Condition>, Error> {
    match state {
        None => Ok(None),
        Some("active") => Ok(Some(Condition::On)),
        Some("disabled") => Ok(Some(Condition::Off)),
        Some(_) => {
            let field = FieldError::new("/state", "invalid", "active or disabled");
            Err(Error::invalid(field))
        }
    }
}

/// A channel as it is shown: without what is secret.
pub(super) fn describe(inner: &Inner, kept: &Kept) -> Result<Value, Error> {
    let kind: &dyn ChannelKind = channel::kind(&kept.kind)?;
    let mut settings = Settings::open(kept, &inner.master)?;
    let hidden = |name: &String| kind.secret_members().contains(&name.as_str());
    let sealed: Vec<String> =
        settings.members.keys().filter(|name| hidden(name)).cloned().collect();
    settings.members.retain(|name, _| !hidden(name));
    let mut shown = json!({
        "id": kept.id,
        "name": kept.name,
        "kind": kept.kind,
        "config": settings.members,
        "sealed": sealed,
        "owner": kept.owner,
        "state": kept.state.name(),
        "version": kept.version,
        "created_at": kept.created_at,
        "updated_at": kept.updated_at,
    });
    add(&mut shown, kind.shown(&settings.secrets));
    Ok(shown)
}

pub(super) fn add(answer: &mut Value, more: Map<String, Value>) {
    if let Value::Object(members) = answer {
        members.extend(more);
    }
}

pub(super) fn tagged(status: StatusCode, kept: &Kept, answer: &Value) -> axum::response::Response {
    versioned(&HeaderMap::new(), status, &kept.version.to_string(), answer.to_string())
}
