//! The index of a stream: how far it is, and building it anew.

use axum::extract::{Path, State};
use forebay_contract::Catalog;
use forebay_db::log::read::span;
use forebay_db::{Lane, Look, outbox};
use forebay_http::query::Params;
use forebay_http::reply::json_text;
use forebay_http::{Answer, Caller, Who};
use forebay_model::audit::Event;
use forebay_model::principal::{STREAMS_READ, STREAMS_WRITE};
use forebay_model::stream::Stream;
use forebay_model::{Error, FieldError};
use forebay_search::{Engine, Layout};
use http::StatusCode;
use serde_json::{Value, json};

use crate::tasks::index::lag;
use crate::{Store, sql};

/// `GET /v1/streams/{stream}/search/index`: how far the stream's index is.
#[utoipa::path(
    get,
    path = "/v1/streams/{stream}/search/index",
    tag = "search",
    params(
        ("stream" = String, Path, description = "The stream's name"),
    ),
    responses(
        (status = 200, body = crate::api::IndexState),
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
    let stream = store.inner.catalog.stream(&name).await?;
    let state = state(&store, &stream).await?;
    Ok(json_text(StatusCode::OK, state.to_string()))
}

/// `POST /v1/streams/{stream}/search/rebuild`: builds a new index beside the one that answers, which it
/// then replaces. The state tells how far it is.
#[utoipa::path(
    post,
    path = "/v1/streams/{stream}/search/rebuild",
    tag = "search",
    params(
        ("stream" = String, Path, description = "The stream's name"),
    ),
    responses(
        (status = 202, body = crate::api::IndexState),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn rebuild(
    State(store): State<Store>,
    caller: Caller,
    Path(name): Path<String>,
    params: Params,
) -> Answer {
    params.only(&[])?;
    caller.who.require_on_stream(STREAMS_WRITE, &name)?;
    let stream = store.inner.catalog.stream(&name).await?;
    if Layout::of(&stream).is_none() {
        let message = "nothing of this stream is searched: `x-search` in its schema says what is";
        return Err(Error::invalid(FieldError::new("?stream", "not_searched", message)).into());
    }
    // As it was before: whoever waits sees that another one answers.
    let state = state(&store, &stream).await?;
    let event = Event { action: "search.rebuild", ..caller.event("stream", &name) };
    let (number, now) = (stream.number, store.inner.clock.now());
    let writer = store.inner.db.writer();
    writer
        .run(Lane::Interactive, move |conn| {
            Box::pin(async move {
                sql::search::ask(conn, number, now).await?;
                outbox::note(conn, &event, now).await
            })
        })
        .await?;
    store.inner.search.look.notify_one();
    Ok(json_text(StatusCode::ACCEPTED, state.to_string()))
}

/// How far a stream's index is.
async fn state(store: &Store, stream: &Stream) -> Result<Value, Error> {
    let inner = &store.inner;
    let mut conn = inner.db.reader(Look::Point).await?;
    let head = span(&mut conn, stream.number).await?.map_or(0, |span| span.last_seq);
    let refused = sql::search::refused(&mut conn, stream.number).await?.len();
    let build = sql::search::build(&mut conn, stream.number).await?;
    drop(conn);
    let engine = inner.search.engine();
    let live = match &engine {
        Some(engine) => live(engine, stream.number).await,
        None => None,
    };
    let indexed = live.as_ref().map_or(0, |(_, position)| *position);
    let searched = Layout::of(stream).is_some();
    let behind = searched && indexed < head;
    let lag = match behind {
        true => lag::seconds(&inner.db, stream.number, indexed, inner.clock.now()).await?,
        false => 0.0,
    };
    let here = inner.search.schedule().streams.get(&stream.number).and_then(|tracked| {
        let building = tracked.building.as_ref()?;
        Some((building.generation.clone(), building.position.unwrap_or(0)))
    });
    let elsewhere = build.filter(|build| !build.generation.is_empty());
    let building = here.or(elsewhere.map(|build| (build.generation, build.position)));
    let building = building.map(|(generation, position)| {
        json!({"generation": generation, "position": position, "of": head})
    });
    let live = live
        .map(|(generation, position)| json!({"generation": generation, "indexed_seq": position}));
    Ok(json!({
        "engine": engine.map(|engine| engine.name()),
        "live": live,
        "building": building,
        "lag_seconds": lag,
        "refused": refused,
    }))
}

/// The index that answers, and its position; `None` also when it cannot be asked.
async fn live(engine: &Engine, stream: i64) -> Option<(String, i64)> {
    let view = engine.view(stream).await.ok().flatten()?;
    let generations = engine.generations(stream).await.ok()?;
    let live = generations.into_iter().find(|generation| generation.live)?;
    Some((live.name, view.indexed_seq()))
}
