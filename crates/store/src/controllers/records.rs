//! Reading records: one by its id, or a list by position or time.

use axum::extract::{Path, State};
use forebay_contract::Catalog;
use forebay_db::log::read::{Page, Span, by_id, page, span};
use forebay_db::{Conn, Look, Order};
use forebay_http::query::{Params, bad};
use forebay_http::reply::{json_text, versioned};
use forebay_http::{Answer, Who};
use forebay_model::field::FieldPath;
use forebay_model::principal::RECORDS_READ;
use forebay_model::record::Record;
use forebay_model::stream::Stream;
use forebay_model::{Code, Error};
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value};

use crate::Store;

const LIST: &[&str] = &["sort", "limit", "cursor", "fields", "count", "min_seq"];
const MIN_SEQ_WAIT: std::time::Duration = std::time::Duration::from_secs(5);

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
    let record = record.ok_or_else(|| Error::not_found(format!("the record `{id}`")))?;
    let mut body = String::new();
    fields.write(&record, &name, &mut body);
    Ok(versioned(&headers, StatusCode::OK, &record.version.to_string(), body))
}

/// `GET /v1/streams/{stream}/records`.
#[utoipa::path(
    get,
    path = "/v1/streams/{stream}/records",
    tag = "records",
    params(
        ("stream" = String, Path, description = "The stream's name"),
        ("sort" = Option<String>, Query, description = "seq, -seq, time or -time"),
        ("limit" = Option<u32>, Query, description = "1 to 1000, 50 without it"),
        ("cursor" = Option<String>, Query, description = "Where the page before ended"),
        ("fields" = Option<String>, Query, description = "Only these parts: id, data.mag, …"),
        ("count" = Option<String>, Query, description = "none, estimated or exact"),
        ("min_seq" = Option<i64>, Query, description = "Wait until the stream has reached this position, 5 s at most"),
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
    let fields = Fields::read(&params)?;
    let (sort, order) = read_sort(params.get("sort").unwrap_or("seq"))?;
    let limit: i64 = params.parse("limit", "a number from 1 to 1000")?.unwrap_or(50);
    if !(1..=1000).contains(&limit) {
        return Err(bad("limit", "a number from 1 to 1000").into());
    }
    let count = match params.get("count") {
        None | Some("none") => false,
        Some("exact" | "estimated") => true,
        Some(_) => return Err(bad("count", "none, estimated or exact").into()),
    };
    let stream = store.inner.catalog.stream(&name).await?;
    let scope = format!("{}-{}/{sort}", stream.number, stream.epoch);
    let cursor = params.get("cursor").map(|c| store.inner.signer.open(&scope, c)).transpose()?;
    let cursor = cursor.as_deref().map(Position::read).transpose()?;
    wait_for(&store, &stream, &params).await?;
    let mut conn = store.inner.db.reader(Look::Scan).await?;
    let here = positions(&mut conn, &stream).await?;
    let up_to = cursor.map_or(here.last_seq, |c| c.up_to);
    let after = cursor.map(|c| (c.seq, c.time));
    let wanted = Page { order, after, up_to, limit: limit + 1 };
    let mut records = page(&mut conn, stream.number, wanted).await?;
    let keep = usize::try_from(limit).unwrap_or(1000);
    let more = records.len() > keep;
    records.truncate(keep);
    let next = records.last().filter(|_| more).map(|last| {
        let at = Position { seq: last.seq, time: last.time.micros(), up_to };
        store.inner.signer.sign(&scope, &at.write())
    });
    let mut body = String::from("{\"items\":[");
    for (at, record) in records.iter().enumerate() {
        if at > 0 {
            body.push(',');
        }
        fields.write(record, &name, &mut body);
    }
    let next = next.map_or(Value::Null, Value::String);
    body.push_str(&format!("],\"next_cursor\":{next},\"as_of_seq\":{up_to}"));
    if count {
        // Every position up to the head holds one record: the log has no gaps.
        body.push_str(&format!(",\"count\":{}", up_to - here.first_seq + 1));
    }
    body.push('}');
    Ok(json_text(StatusCode::OK, body))
}

/// A stream's positions; it may have gone meanwhile.
pub(crate) async fn positions(conn: &mut Conn, stream: &Stream) -> Result<Span, Error> {
    let found = span(conn, stream.number).await?;
    found.ok_or_else(|| Error::not_found(format!("the stream `{}`", stream.name)))
}

/// Waits until the stream has reached `min_seq`, for five seconds at most.
async fn wait_for(store: &Store, stream: &Stream, params: &Params) -> Result<(), Error> {
    let Some(min_seq) = params.parse::<i64>("min_seq", "a position")? else { return Ok(()) };
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

fn read_sort(sort: &str) -> Result<(&'static str, Order), Error> {
    Ok(match sort {
        "seq" => ("seq", Order::SeqAscending),
        "-seq" => ("-seq", Order::SeqDescending),
        "time" => ("time", Order::TimeAscending),
        "-time" => ("-time", Order::TimeDescending),
        _ => return Err(bad("sort", "seq, -seq, time or -time")),
    })
}

#[derive(Clone, Copy)]
struct Position {
    seq: i64,
    time: i64,
    up_to: i64,
}

impl Position {
    fn write(self) -> String {
        format!("{} {} {}", self.seq, self.time, self.up_to)
    }

    fn read(text: &str) -> Result<Self, Error> {
        let mut numbers = text.split(' ').map(str::parse);
        match (numbers.next(), numbers.next(), numbers.next()) {
            (Some(Ok(seq)), Some(Ok(time)), Some(Ok(up_to))) => Ok(Position { seq, time, up_to }),
            _ => Err(bad("cursor", "a cursor of this list")),
        }
    }
}

/// Which parts of a record are shown.
pub(crate) struct Fields(Option<Vec<Shown>>);

enum Shown {
    Envelope(&'static str),
    Data,
    Field(FieldPath),
}

const ENVELOPE: &[&str] = &["id", "stream", "seq", "version", "time", "received_at"];

impl Fields {
    pub(crate) fn read(params: &Params) -> Result<Self, Error> {
        let Some(list) = params.get("fields") else { return Ok(Fields(None)) };
        let shown = list.split(',').map(|name| {
            if name == "data" {
                return Ok(Shown::Data);
            }
            if let Some(name) = ENVELOPE.iter().find(|n| **n == name) {
                return Ok(Shown::Envelope(name));
            }
            FieldPath::parse(name).map(Shown::Field).map_err(|message| bad("fields", message))
        });
        Ok(Fields(Some(shown.collect::<Result<_, Error>>()?)))
    }

    pub(crate) fn write(&self, record: &Record, stream: &str, out: &mut String) {
        let Some(shown) = &self.0 else { return record.write_json(stream, out) };
        let mut whole = String::new();
        record.write_json(stream, &mut whole);
        let whole: Value = serde_json::from_str(&whole).unwrap_or_default();
        let mut kept = Map::new();
        for part in shown {
            match part {
                Shown::Envelope(name) => {
                    kept.insert((*name).to_owned(), whole[*name].clone());
                }
                Shown::Data => {
                    kept.insert("data".to_owned(), whole["data"].clone());
                }
                Shown::Field(path) => keep(path, &whole["data"], &mut kept),
            }
        }
        out.push_str(&forebay_model::json::to_canonical(&Value::Object(kept)));
    }
}

/// Copies one field with the objects that it stands in.
fn keep(path: &FieldPath, data: &Value, kept: &mut Map<String, Value>) {
    let Some(value) = path.get(data) else { return };
    let mut at = kept.entry("data").or_insert_with(|| Value::Object(Map::new()));
    for name in path.segments() {
        let Value::Object(members) = at else { return };
        at = members.entry(name.clone()).or_insert_with(|| Value::Object(Map::new()));
    }
    *at = value.clone();
}
