//! Stream definitions: create, read, list, update, delete.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::IntoResponse;
use forebay_contract::Catalog;
use forebay_db::log::read::span;
use forebay_db::{Conn, DbError, Lane, Look, outbox};
use forebay_http::query::Params;
use forebay_http::reply::{json_text, matches, versioned};
use forebay_http::{Answer, Caller, Who, body, page};
use forebay_model::audit::Event;
use forebay_model::principal::{STREAMS_READ, STREAMS_WRITE, is_system_stream};
use forebay_model::schema::Schema;
use forebay_model::stream::{Definition, Stream, check_stream_name};
use forebay_model::{Code, Error, FieldError, compat};
use http::header::{IF_MATCH, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Value, json};

use crate::{Store, access, sql};

const MAX_DEFINITION_BYTES: usize = 256 << 10;

/// `GET /v1/streams`: the streams that the caller may see, by name.
#[utoipa::path(
    get,
    path = "/v1/streams",
    tag = "streams",
    params(
        ("limit" = Option<u32>, Query, description = "1 to 1000, 50 without it"),
        ("cursor" = Option<String>, Query, description = "Where the page before ended"),
        ("system" = Option<bool>, Query, description = "The system's own streams too"),
    ),
    responses(
        (status = 200, body = crate::api::StreamPage),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list(State(store): State<Store>, Who(who): Who, params: Params) -> Answer {
    params.only(&["limit", "cursor", "system"])?;
    let system = params.flag("system")?;
    let limit = page::limit(&params)?;
    let sealer = &store.inner.sealer;
    let mut after = match params.get("cursor") {
        Some(cursor) => sealer.open("streams", cursor)?,
        None => String::new(),
    };
    let mut conn = store.inner.db.reader(Look::Scan).await?;
    let mut items = Vec::new();
    let mut next = None;
    'pages: loop {
        let names = sql::stream::names(&mut conn, &after, limit + 1).await?;
        let Some(last) = names.last() else { break };
        after.clone_from(last);
        for name in names {
            let shown = system || !is_system_stream(&name);
            if !shown || !who.may_on_stream(STREAMS_READ, &name) {
                continue;
            }
            if i64::try_from(items.len()).is_ok_and(|n| n == limit) {
                let last: Option<&Value> = items.last();
                let name = last.and_then(|i| i["name"].as_str()).unwrap_or_default();
                next = Some(sealer.seal("streams", name)?);
                break 'pages;
            }
            let Ok(stream) = store.inner.catalog.stream(&name).await else { continue };
            items.extend(describe(&mut conn, &stream).await?);
        }
    }
    Ok(json_text(StatusCode::OK, json!({"items": items, "next_cursor": next}).to_string()))
}

/// `GET /v1/streams/{stream}`.
#[utoipa::path(
    get,
    path = "/v1/streams/{stream}",
    tag = "streams",
    params(
        ("stream" = String, Path, description = "The stream's name"),
    ),
    responses(
        (status = 200, body = crate::api::StreamDocument),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn show(
    State(store): State<Store>,
    Who(who): Who,
    Path(name): Path<String>,
    params: Params,
) -> Answer {
    params.only(&[])?;
    who.require_on_stream(STREAMS_READ, &name)?;
    answer(&store, &name, StatusCode::OK).await
}

/// `PUT /v1/streams/{stream}`: 201 for a new one, 200 for a changed or equal one.
#[utoipa::path(
    put,
    path = "/v1/streams/{stream}",
    tag = "streams",
    params(
        ("stream" = String, Path, description = "The stream's name"),
        ("force" = Option<bool>, Query, description = "Also when the schema refuses what it took before"),
        ("If-Match" = Option<String>, Header, description = "Only this version"),
        ("If-None-Match" = Option<String>, Header, description = "* makes, and never changes"),
    ),
    request_body(content = crate::api::Definition),
    responses(
        (status = 201, body = crate::api::StreamDocument),
        (status = 200, body = crate::api::StreamDocument),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn put(
    State(store): State<Store>,
    caller: Caller,
    Path(name): Path<String>,
    params: Params,
    request: Request,
) -> Answer {
    params.only(&["force"])?;
    caller.who.require_on_stream(STREAMS_WRITE, &name)?;
    check_stream_name(&name)
        .map_err(|m| Error::invalid(FieldError::new("?stream", "name_invalid", m)))?;
    let (head, body) = request.into_parts();
    body::json_only(&head.headers)?;
    let document = body::document(body, MAX_DEFINITION_BYTES).await?;
    let (definition, schema) = Definition::read(&document).map_err(Error::invalid_all)?;
    access::check(&definition)?;
    let change = Change {
        name: name.clone(),
        definition,
        schema,
        force: params.flag("force")?,
        if_match: head.headers.get(IF_MATCH).cloned(),
        if_none_match: head.headers.get(IF_NONE_MATCH).cloned(),
        now: store.inner.clock.now(),
        event: caller.event("stream", &name),
    };
    let change = Arc::new(change);
    let writer = store.inner.db.writer();
    let created = writer
        .run(Lane::Interactive, |conn| Box::pin(async move { apply(conn, &change).await }))
        .await??;
    store.inner.catalog.forget(&name);
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    answer(&store, &name, status).await
}

/// `DELETE /v1/streams/{stream}`: the stream with all its records.
#[utoipa::path(
    delete,
    path = "/v1/streams/{stream}",
    tag = "streams",
    params(
        ("stream" = String, Path, description = "The stream's name"),
        ("If-Match" = Option<String>, Header, description = "Only this version"),
    ),
    responses(
        (status = 204),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn delete(
    State(store): State<Store>,
    caller: Caller,
    Path(name): Path<String>,
    params: Params,
    headers: HeaderMap,
) -> Answer {
    params.only(&[])?;
    caller.who.require_on_stream(STREAMS_WRITE, &name)?;
    let if_match = headers.get(IF_MATCH).cloned();
    let asked = name.clone();
    let event = Event { action: "stream.delete", ..caller.event("stream", &name) };
    let now = store.inner.clock.now();
    let writer = store.inner.db.writer();
    writer
        .run(Lane::Interactive, move |conn| {
            Box::pin(async move {
                let removed = remove(conn, &asked, if_match.as_ref()).await?;
                if removed.is_ok() {
                    outbox::note(conn, &event, now).await?;
                }
                Ok(removed)
            })
        })
        .await??;
    store.inner.catalog.forget(&name);
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn remove(conn: &mut Conn, name: &str, if_match: Option<&HeaderValue>) -> Done {
    sql::stream::lock_catalog(conn).await?;
    let Some(stream) = sql::stream::find(conn, name).await? else {
        return Ok(Err(Error::not_found(format!("the stream `{name}`"))));
    };
    if let Err(error) = check_match(if_match, &stream) {
        return Ok(Err(error));
    }
    sql::stream::delete(conn, stream.number).await?;
    Ok(Ok(true))
}

/// The inner result is the client's, the outer one the engine's.
type Done = Result<Result<bool, Error>, DbError>;

struct Change {
    name: String,
    definition: Definition,
    schema: Schema,
    force: bool,
    if_match: Option<HeaderValue>,
    if_none_match: Option<HeaderValue>,
    now: forebay_model::time::Timestamp,
    /// What is written down of it, but for what it is.
    event: Event,
}

async fn apply(conn: &mut Conn, change: &Change) -> Done {
    let number = sql::stream::lock_catalog(conn).await?;
    let Some(stream) = sql::stream::find(conn, &change.name).await? else {
        if change.if_match.is_some() {
            return Ok(Err(Error::new(Code::VersionMismatch, "the stream does not exist")));
        }
        let new = sql::stream::New {
            name: &change.name,
            number,
            now: change.now,
            definition: &change.definition,
            schema: &change.schema,
        };
        sql::stream::create(conn, &new).await?;
        change.note(conn, "stream.create").await?;
        return Ok(Ok(true));
    };
    if change.if_none_match.is_some() {
        return Ok(Err(Error::new(Code::VersionMismatch, "the stream exists")));
    }
    if let Err(error) = check_match(change.if_match.as_ref(), &stream) {
        return Ok(Err(error));
    }
    if stream.definition == change.definition {
        return Ok(Ok(false));
    }
    let breaches = compat::breaches(&stream.definition.schema, &change.definition.schema);
    if !breaches.is_empty() && !change.force {
        let mut error = Error::new(
            Code::Conflict,
            "the schema would refuse what it took before, or drop a field; repeat with ?force=true to change it",
        );
        error.errors = breaches;
        return Ok(Err(error));
    }
    sql::stream::update(conn, &stream, &change.definition, &change.schema).await?;
    change.note(conn, "stream.update").await?;
    Ok(Ok(false))
}

impl Change {
    /// Writes down that a definition was changed: its rules say who sees what.
    async fn note(&self, conn: &mut Conn, action: &'static str) -> Result<(), DbError> {
        let mut event = Event { action, ..self.event.clone() };
        let access = self.definition.to_json().remove("access");
        event.details.extend(access.map(|access| ("access".to_owned(), access)));
        outbox::note(conn, &event, self.now).await
    }
}

fn check_match(if_match: Option<&HeaderValue>, stream: &Stream) -> Result<(), Error> {
    let tag = stream.tag(stream.version);
    if if_match.is_some() && !matches(if_match, &format!("\"{tag}\"")) {
        let detail = format!("the stream is at version {tag}");
        return Err(Error::new(Code::VersionMismatch, detail));
    }
    Ok(())
}

async fn answer(store: &Store, name: &str, status: StatusCode) -> Answer {
    let stream = store.inner.catalog.stream(name).await?;
    let mut conn = store.inner.db.reader(Look::Point).await?;
    let described = describe(&mut conn, &stream).await?;
    let described = described.ok_or_else(|| Error::not_found(format!("the stream `{name}`")))?;
    // No 304 here: the positions move without a new version.
    let tag = stream.tag(stream.version);
    Ok(versioned(&HeaderMap::new(), status, &tag, described.to_string()))
}

/// A stream as it is shown; `None` when it went away meanwhile.
async fn describe(conn: &mut Conn, stream: &Stream) -> Result<Option<Value>, DbError> {
    let Some(span) = span(conn, stream.number).await? else { return Ok(None) };
    let mut out = stream.definition.to_json();
    out.insert("on_reject".into(), "reject".into());
    out.insert("name".into(), stream.name.clone().into());
    out.insert("version".into(), stream.version.into());
    out.insert("epoch".into(), stream.epoch.into());
    out.insert("created_at".into(), stream.created_at.to_string().into());
    out.insert("first_seq".into(), span.first_seq.into());
    out.insert("last_seq".into(), span.last_seq.into());
    out.insert("records".into(), span.records().into());
    let indexes = stream.columns.iter().map(|column| {
        let field = column.path.to_string();
        json!({"field": field, "type": column.scalar.name(), "state": column.state.name()})
    });
    out.insert("indexes".into(), indexes.collect());
    Ok(Some(Value::Object(out)))
}
