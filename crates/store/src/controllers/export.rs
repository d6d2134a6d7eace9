//! Export: the whole stream up to the position at which the request began, page by page.

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::response::Response;
use forebay_contract::Catalog;
use forebay_db::log::find::{Find, Found, Key};
use forebay_db::{Look, Value};
use forebay_filter::lower::Place;
use forebay_http::query::{Params, bad};
use forebay_http::{Answer, Who};
use forebay_model::Error;
use forebay_model::field::FieldPath;
use forebay_model::principal::RECORDS_READ;
use forebay_model::record::Record;
use forebay_model::stream::Stream;
use futures_util::stream;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use serde_json::Value as Json;

use crate::Store;
use crate::controllers::records::positions;
use crate::query::Asked;
use crate::query::index::Reach;
use crate::query::source::{Batch, Source};

const PAGE: i64 = 500;
const ORDER: &[Key] = &[Key { place: Place::Seq, descending: false }];

/// `GET /v1/streams/{stream}/export`.
#[utoipa::path(
    get,
    path = "/v1/streams/{stream}/export",
    tag = "records",
    params(
        ("stream" = String, Path, description = "The stream's name"),
        ("format" = Option<String>, Query, description = "ndjson or csv"),
        ("filter" = Option<String>, Query, description = "Only records that match"),
        ("after" = Option<i64>, Query, description = "Begin after this position"),
    ),
    responses(
        (status = 200, description = "All records up to the head at the start", content((String = "application/x-ndjson"), (String = "text/csv"))),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn export(
    State(store): State<Store>,
    Who(who): Who,
    Path(name): Path<String>,
    params: Params,
) -> Answer {
    params.only(&["format", "filter", "after"])?;
    who.require_on_stream(RECORDS_READ, &name)?;
    let (format, media_type) = match params.get("format") {
        None | Some("ndjson") => (Format::Ndjson, "application/x-ndjson"),
        Some("csv") => (Format::Csv, "text/csv; charset=utf-8; header=present"),
        Some(_) => return Err(bad("format", "ndjson or csv").into()),
    };
    let after: i64 = params.parse("after", "a position: 0 or more")?.unwrap_or(0);
    if after < 0 {
        return Err(bad("after", "a position: 0 or more").into());
    }
    let stream = store.inner.catalog.stream(&name).await?;
    let asked = Asked::read(&params, &stream, &who, store.inner.clock.now())?;
    let mut conn = store.inner.db.reader(Look::Point).await?;
    let here = positions(&mut conn, &stream).await?;
    drop(conn);
    let reach = Reach { first: here.first_seq, up_to: here.last_seq };
    // What cannot be answered is said before the first byte.
    drop(Source::of(&store, &stream, (&asked, reach), ORDER).await?);
    let columns = stream.schema.declared().iter().filter(|d| d.scalar.is_some());
    let columns = columns.map(|d| d.path.clone()).collect();
    let state = Progress { store, stream, asked, format, columns, after, reach, begun: false };
    let pages = stream::try_unfold(state, next_page);
    let mut response = Response::new(Body::from_stream(pages));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    if let Ok(seq) = HeaderValue::try_from(reach.up_to.to_string()) {
        response.headers_mut().insert("x-as-of-seq", seq);
    }
    Ok(response)
}

#[derive(Clone, Copy, PartialEq)]
enum Format {
    Ndjson,
    Csv,
}

struct Progress {
    store: Store,
    stream: std::sync::Arc<Stream>,
    asked: Asked,
    format: Format,
    columns: Vec<FieldPath>,
    after: i64,
    reach: Reach,
    begun: bool,
}

async fn next_page(mut state: Progress) -> Result<Option<(Bytes, Progress)>, Error> {
    let mut text = String::new();
    if !state.begun && state.format == Format::Csv {
        let header = ["id", "seq", "version", "time", "received_at"].map(str::to_owned);
        let columns = state.columns.iter().map(ToString::to_string);
        let cells = header.into_iter().chain(columns).chain(["data".to_owned()]);
        write_row(&cells.collect::<Vec<_>>(), &mut text)?;
    }
    let first = !std::mem::replace(&mut state.begun, true);
    let Progress { store, stream, asked, reach, .. } = &state;
    let mut source = Source::of(store, stream, (asked, *reach), ORDER).await?;
    let mut after = state.after;
    let candidates = loop {
        let wanted = Find {
            condition: asked.condition(),
            order: ORDER,
            up_to: reach.up_to,
            after: Some(vec![after.into()]),
            limit: PAGE,
            few: false,
        };
        let Batch { mut found, last, more } = source.batch(store, stream.number, wanted).await?;
        after = match last {
            Some(last) => last.into_iter().next().map_or(Ok(after), Value::int)?,
            None => after,
        };
        found.retain(|candidate| asked.takes(candidate));
        // An empty piece would say nothing to the client: look on.
        if !found.is_empty() || !more {
            break found;
        }
    };
    drop(source);
    state.after = after;
    if candidates.is_empty() && text.is_empty() {
        return Ok(first.then(|| (Bytes::from(text), state)));
    }
    for Found { record, .. } in &candidates {
        match state.format {
            Format::Ndjson => {
                record.write_json(&state.stream.name, &mut text);
                text.push('\n');
            }
            Format::Csv => write_row(&cells_of(record, &state.columns), &mut text)?,
        }
    }
    Ok(Some((Bytes::from(text), state)))
}

fn cells_of(record: &Record, columns: &[FieldPath]) -> Vec<String> {
    let data: Json = serde_json::from_str(&record.data).unwrap_or_default();
    let mut cells = vec![
        record.id.clone(),
        record.seq.to_string(),
        record.version.to_string(),
        record.time.to_string(),
        record.received_at.to_string(),
    ];
    cells.extend(columns.iter().map(|path| match path.get(&data) {
        None | Some(Json::Null) => String::new(),
        Some(Json::String(text)) => text.clone(),
        Some(other) => forebay_model::json::to_canonical(other),
    }));
    cells.push(record.data.clone());
    cells
}

/// One row as RFC 4180 writes it.
fn write_row(cells: &[String], out: &mut String) -> Result<(), Error> {
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer(Vec::with_capacity(256));
    writer.write_record(cells).map_err(Error::internal)?;
    let bytes = writer.into_inner().map_err(Error::internal)?;
    out.push_str(&String::from_utf8(bytes).map_err(Error::internal)?);
    Ok(())
}
