//! Reading records: one by its id, or a list by a filter in an order.

use axum::extract::{Path, State};
use forebay_contract::Catalog;
use forebay_db::log::read::{Span, by_id, span};
use forebay_db::{Conn, Look};
use forebay_filter::View;
use forebay_http::query::{Params, bad};
use forebay_http::reply::{json_text, versioned};
use forebay_http::{Answer, Problem, Who};
use forebay_model::principal::{Principal, RECORDS_READ};
use forebay_model::stream::Stream;
use forebay_model::{Code, Error, audit};
use http::{HeaderMap, StatusCode};
use serde_json::Value;

use crate::Store;
use crate::query::count::{self, Counting, Reckoning};
use crate::query::fields::Fields;
use crate::query::index::{Reach, is_overtaken};
use crate::query::list::{Wanted, page};
use crate::query::position::Position;
use crate::query::source::Source;
use crate::query::{Asked, explain, sort};

const LIST: &[&str] =
    &["filter", "sort", "limit", "cursor", "fields", "count", "min_seq", "explain"];
pub(crate) const MIN_SEQ_WAIT: std::time::Duration = std::time::Duration::from_secs(5);

/// `GET /v1/streams/{stream}/records/{id}`.
#[utoipa::path(
    get,
    path = "/v1/streams/{stream}/records/{id}",
    tag = "records",
    params(
        ("stream" = String, Path, description = "The stream's name"),
        ("id" = String, Path, description = "The record's id"),
        ("fields" = Option<String>, Query, description = "Only these parts: id, data.mag, …"),
        ("min_seq" = Option<i64>, Query, description = "Wait until the stream has reached this position, 5 s at most"),
        ("If-None-Match" = Option<String>, Header, description = "The version that is known"),
    ),
    responses(
        (status = 200, body = forebay_http::api::Record),
        (status = 304, description = "The known version holds"),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn show(
    State(store): State<Store>,
    Who(who): Who,
    Path((name, id)): Path<(String, String)>,
    params: Params,
    headers: HeaderMap,
) -> Answer {
    params.only(&["fields", "min_seq"])?;
    who.require_on_stream(RECORDS_READ, &name)?;
    let fields = Fields::read(&params)?;
    let stream = store.inner.catalog.stream(&name).await?;
    wait_for(&store, &stream, &params).await?;
    let mut conn = store.inner.db.reader(Look::Point).await?;
    let record = by_id(&mut conn, stream.number, &id).await?;
    let asked = Asked::of((None, ""), &stream, &who, store.inner.clock.now())?;
    // What may not be seen is not there.
    let record = record.filter(|record| asked.matches(&View::from(record)));
    let record = record.ok_or_else(|| Error::not_found(format!("the record `{id}`")))?;
    let mut body = String::new();
    fields.write(&record, &name, &mut body);
    Ok(versioned(&headers, StatusCode::OK, &stream.tag(record.version), body))
}

/// `GET /v1/streams/{stream}/records`.
#[utoipa::path(
    get,
    path = "/v1/streams/{stream}/records",
    tag = "records",
    params(
        ("stream" = String, Path, description = "The stream's name"),
        ("filter" = Option<String>, Query, description = "Only records that match, e.g. data.mag >= 4.5 && time > now() - duration(\"7d\")"),
        ("sort" = Option<String>, Query, description = "seq, time, id, received_at or indexed fields; - before a name runs downwards; missing values last"),
        ("limit" = Option<u32>, Query, description = "1 to 1000, 50 without it"),
        ("cursor" = Option<String>, Query, description = "Where the page before ended; a page may be short and still have one"),
        ("fields" = Option<String>, Query, description = "Only these parts: id, data.mag, …"),
        ("count" = Option<String>, Query, description = "none, estimated or exact"),
        ("min_seq" = Option<i64>, Query, description = "Wait until the stream has reached this position, 5 s at most"),
        ("explain" = Option<bool>, Query, description = "Also say how the question is answered"),
    ),
    responses(
        (status = 200, body = crate::api::RecordPage),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list(
    State(store): State<Store>,
    Who(who): Who,
    Path(name): Path<String>,
    params: Params,
) -> Answer {
    params.only(LIST)?;
    who.require_on_stream(RECORDS_READ, &name)?;
    match listed(&store, &who, &name, &params).await {
        // A definition that changed meanwhile took a column away: ask with the new one.
        Err(Problem(error)) if error.code == Code::NotFound => {
            store.inner.catalog.forget(&name);
            listed(&store, &who, &name, &params).await
        }
        Err(Problem(error)) if is_overtaken(&error) => listed(&store, &who, &name, &params).await,
        answer => answer,
    }
}

/// `GET /v1/audit`: the security events, which are the records of the stream `_audit`.
#[utoipa::path(
    get,
    path = "/v1/audit",
    tag = "identity",
    params(
        ("filter" = Option<String>, Query, description = "Only events that match, e.g. data.action == \"login\" && data.outcome == \"failure\""),
        ("sort" = Option<String>, Query, description = "As for any list of records; -time shows the latest first"),
        ("limit" = Option<u32>, Query, description = "1 to 1000, 50 without it"),
        ("cursor" = Option<String>, Query, description = "Where the page before ended"),
        ("fields" = Option<String>, Query, description = "Only these parts"),
        ("count" = Option<String>, Query, description = "none, estimated or exact"),
        ("min_seq" = Option<i64>, Query, description = "Wait until the stream has reached this position, 5 s at most"),
        ("explain" = Option<bool>, Query, description = "Also say how the question is answered"),
    ),
    responses(
        (status = 200, body = crate::api::RecordPage),
        (status = "default", description = "What went wrong", body = forebay_http::api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn audit(state: State<Store>, who: Who, params: Params) -> Answer {
    list(state, who, Path(audit::STREAM.to_owned()), params).await
}

async fn listed(store: &Store, who: &Principal, name: &str, params: &Params) -> Answer {
    let fields = Fields::read(params)?;
    let limit = read_limit(params)?;
    let counting = read_counting(params)?;
    let explained = params.flag("explain")?;
    let stream = store.inner.catalog.stream(name).await?;
    let sort = params.get("sort").filter(|text| !text.is_empty()).unwrap_or("seq");
    let order = sort::read(sort, &stream)?;
    let scope = scope(&stream, sort, params);
    let cursor = params.get("cursor").map(|c| store.inner.sealer.open(&scope, c)).transpose()?;
    let cursor = cursor.map(|text| Position::read(&text, order.len())).transpose()?;
    let now = cursor.as_ref().map_or_else(|| store.inner.clock.now(), |c| c.now);
    let asked = Asked::read(params, &stream, who, now)?;
    wait_for(store, &stream, params).await?;
    let mut conn = store.inner.db.reader(Look::Scan).await?;
    let here = positions(&mut conn, &stream).await?;
    drop(conn);
    let up_to = cursor.as_ref().map_or(here.last_seq, |cursor| cursor.up_to);
    let wanted = Wanted {
        stream: stream.number,
        asked: &asked,
        order: &order,
        up_to,
        after: cursor.map(|c| c.keys),
        limit,
    };
    let reach = Reach { first: here.first_seq, up_to };
    let mut source = Source::of(store, &stream, (&asked, reach), &order).await?;
    let mut tail = String::new();
    if explained {
        let find = wanted.first();
        let explain = explain::explain(&mut source, &stream, &asked, &find).await?;
        tail.push_str(&format!(",\"explain\":{explain}"));
    }
    let page = page(store, &mut source, wanted).await?;
    if counting != Counting::None {
        let from = (stream.number, &mut source);
        let reckoning = Reckoning { here, up_to, how: counting };
        let count = count::matches(store, from, &asked, reckoning).await?;
        tail.push_str(&format!(",\"count\":{count}"));
    }
    drop(source);
    let next =
        page.next.map(|position| store.inner.sealer.seal(&scope, &position.write())).transpose()?;
    let mut body = String::from("{\"items\":[");
    for (at, found) in page.found.iter().enumerate() {
        if at > 0 {
            body.push(',');
        }
        fields.write(&found.record, name, &mut body);
    }
    let next = next.map_or(Value::Null, Value::String);
    body.push_str(&format!("],\"next_cursor\":{next},\"as_of_seq\":{up_to}{tail}}}"));
    Ok(json_text(StatusCode::OK, body))
}

/// What a cursor belongs to: one stream, one order, one filter.
fn scope(stream: &Stream, sort: &str, params: &Params) -> String {
    let filter = params.get("filter").unwrap_or_default();
    format!("{}-{}/{sort}/{filter}", stream.number, stream.epoch)
}

pub(crate) fn read_limit(params: &Params) -> Result<usize, Error> {
    Ok(usize::try_from(forebay_http::page::limit(params)?).unwrap_or(usize::MAX))
}

fn read_counting(params: &Params) -> Result<Counting, Error> {
    match params.get("count") {
        None | Some("none") => Ok(Counting::None),
        Some("estimated") => Ok(Counting::Estimated),
        Some("exact") => Ok(Counting::Exact),
        Some(_) => Err(bad("count", "none, estimated or exact")),
    }
}

/// A stream's positions; it may have gone meanwhile.
pub(crate) async fn positions(conn: &mut Conn, stream: &Stream) -> Result<Span, Error> {
    let found = span(conn, stream.number).await?;
    found.ok_or_else(|| Error::not_found(format!("the stream `{}`", stream.name)))
}

/// Waits until the stream has reached `min_seq`, for five seconds at most.
async fn wait_for(store: &Store, stream: &Stream, params: &Params) -> Result<(), Error> {
    const EXPECTED: &str = "a position: 0 or more";
    let Some(min_seq) = params.parse::<i64>("min_seq", EXPECTED)? else { return Ok(()) };
    if min_seq < 0 {
        return Err(bad("min_seq", EXPECTED));
    }
    let mut head = store.inner.db.heads().follow(stream.number);
    let reached = async {
        loop {
            let mut conn = store.inner.db.reader(Look::Point).await?;
            if positions(&mut conn, stream).await?.last_seq >= min_seq {
                return Ok(());
            }
            drop(conn);
            head.changed().await.map_err(Error::internal)?;
        }
    };
    tokio::time::timeout(MIN_SEQ_WAIT, reached).await.unwrap_or_else(|_| {
        Err(Error::new(Code::IndexBehind, format!("the stream has not reached seq {min_seq}")))
    })
}
