//! The append. The order of its steps is what makes it right (ARCHITECTURE.md, "The append").

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use forebay_model::schema::ScalarType;
use forebay_model::stream::Column;
use forebay_model::time::Timestamp;

use crate::conn::{Conn, Insert};
use crate::dialect::Dialect;
use crate::error::DbError;
use crate::log::idempotency::{Idempotency, recall, remember};
use crate::log::read::cells;
use crate::value::{Kind, Row, Value};

/// One request: its records are one transaction.
pub struct Append {
    /// Its records, by stream; each stream stands once.
    pub parts: Vec<Part>,
    /// All or none: a conflict drops the whole request.
    pub atomic: bool,
    /// What makes a repeat of the request harmless.
    pub idempotency: Option<Idempotency>,
}

/// A request's records of one stream.
pub struct Part {
    /// The stream's number.
    pub stream: i64,
    /// The version of the definition that the records were checked against.
    pub version: i64,
    /// The numbered columns of that version.
    pub columns: Arc<[Column]>,
    /// The records.
    pub rows: Vec<NewRow>,
}

/// A record before it has a position.
#[derive(Debug, Clone)]
pub struct NewRow {
    /// Its id.
    pub id: String,
    /// Hash of the content as it was sent; `None` for an id that was made here just now, which
    /// nothing can clash with.
    pub input_hash: Option<[u8; 16]>,
    /// Microseconds; when it is stored, where the sender says nothing.
    pub time: Option<i64>,
    /// Canonical JSON.
    pub data: String,
    /// The values of the part's `columns`, in their order.
    pub values: Row,
}

/// What became of a request.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// It was carried out, or dropped whole because it is atomic (`applied` is false).
    Done(Done),
    /// The same request was carried out before; this was its answer.
    Replayed(u16, String),
    /// The key was used before for another request.
    IdempotencyMismatch,
    /// A stream's definition has changed since the records were checked.
    Stale,
}

/// What became of each record.
#[derive(Debug, Clone)]
pub struct Done {
    /// False when an atomic request was dropped.
    pub applied: bool,
    /// By part, in the request's order.
    pub parts: Vec<PartDone>,
}

/// What became of a part's records.
#[derive(Debug, Clone)]
pub struct PartDone {
    /// By record, in the part's order.
    pub rows: Vec<RowDone>,
    /// The stream's head after the request.
    pub last_seq: i64,
}

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowDone {
    /// It got this position.
    Appended(i64),
    /// The same content is at this position already.
    Duplicate(i64),
    /// Its id is taken by other content.
    Conflict(i64),
    /// Its id was that of a record that is erased; the tombstone is behind this position.
    Erased(i64),
}

/// In place of the hash of an erased record's content: no hash is so short.
pub(super) const ERASED: &[u8] = &[0];

/// What a head says of its stream.
pub(crate) struct Stand {
    pub(crate) version: i64,
    pub(crate) last_seq: i64,
    pub(crate) last_received_at: i64,
}

pub(crate) struct Head {
    version: i64,
    last_seq: i64,
    last_received_at: i64,
    columns: Arc<[Column]>,
    log: Vec<Row>,
    ids: Vec<Row>,
}

type Taken = HashMap<(i64, String), (i64, Vec<u8>)>;

/// Appends a group of requests in the caller's transaction; one outcome for each.
pub async fn append(
    conn: &mut Conn,
    requests: &[&Append],
    now: Timestamp,
) -> Result<Vec<Outcome>, DbError> {
    let mut heads = lock_heads(conn, requests).await?;
    let mut taken = resolve_ids(conn, requests).await?;
    let mut keys = HashMap::new();
    let mut outcomes = Vec::with_capacity(requests.len());
    for request in requests {
        let streams: Vec<i64> = request.parts.iter().map(|part| part.stream).collect();
        let known = match &request.idempotency {
            // A definition that is not the newest any more may be one of another stream.
            Some(_) if !is_current(request, &heads) => Some(Outcome::Stale),
            Some(key) => recall(conn, (key, &streams), &mut keys, now).await?,
            None => None,
        };
        outcomes.push(match known {
            Some(outcome) => outcome,
            None => {
                let outcome = place(request, &mut heads, &mut taken, now);
                if let (Outcome::Done(done), Some(key)) = (&outcome, &request.idempotency)
                    && done.applied
                {
                    remember(conn, (key, &streams), done, &mut keys, now).await?;
                }
                outcome
            }
        });
    }
    write(conn, heads).await?;
    Ok(outcomes)
}

const SELECT_HEAD: &str =
    "SELECT version, last_seq, last_received_at FROM stream_head WHERE stream = $1";
const LOCK_HEAD: &str =
    "SELECT version, last_seq, last_received_at FROM stream_head WHERE stream = $1 FOR UPDATE";

/// Locks the head rows of all streams of the batch, sorted, before any other row: two batches
/// can then never wait for each other in a circle.
pub(crate) async fn lock_heads(
    conn: &mut Conn,
    requests: &[&Append],
) -> Result<BTreeMap<i64, Head>, DbError> {
    let mut parts: BTreeMap<i64, Vec<&Part>> = BTreeMap::new();
    for part in requests.iter().flat_map(|r| &r.parts) {
        parts.entry(part.stream).or_default().push(part);
    }
    let mut heads = BTreeMap::new();
    for (stream, parts) in parts {
        let Some(stand) = lock_head(conn, stream).await? else { continue };
        let Stand { version, last_seq, last_received_at } = stand;
        let current = parts.iter().find(|part| part.version == version);
        let columns = current.map_or_else(|| Arc::from([]), |part| part.columns.clone());
        heads.insert(
            stream,
            Head { version, last_seq, last_received_at, columns, log: vec![], ids: vec![] },
        );
    }
    Ok(heads)
}

/// Locks the head of one stream; `None` when it is gone.
pub(crate) async fn lock_head(conn: &mut Conn, stream: i64) -> Result<Option<Stand>, DbError> {
    let sql = match conn.dialect() {
        Dialect::Sqlite => SELECT_HEAD,
        Dialect::Postgres => LOCK_HEAD,
    };
    let Some(row) = conn.query_opt(sql, &[stream.into()]).await? else { return Ok(None) };
    let [version, last_seq, last_received_at] = cells(row)?;
    let (version, last_seq) = (version.int()?, last_seq.int()?);
    Ok(Some(Stand { version, last_seq, last_received_at: last_received_at.int()? }))
}

/// Finds which of the senders' ids are taken, under the lock.
async fn resolve_ids(conn: &mut Conn, requests: &[&Append]) -> Result<Taken, DbError> {
    let mut asked: BTreeMap<i64, Vec<&str>> = BTreeMap::new();
    for part in requests.iter().flat_map(|r| &r.parts) {
        let given = part.rows.iter().filter(|r| r.input_hash.is_some()).map(|r| r.id.as_str());
        asked.entry(part.stream).or_default().extend(given);
    }
    let mut taken = Taken::new();
    for (stream, ids) in asked {
        for (id, seq, hash) in conn.find_ids(stream, &ids).await? {
            taken.insert((stream, id), (seq, hash));
        }
    }
    Ok(taken)
}

/// Numbers the records that survive; a request that does not leaves no trace.
fn place(
    request: &Append,
    heads: &mut BTreeMap<i64, Head>,
    taken: &mut Taken,
    now: Timestamp,
) -> Outcome {
    if !is_current(request, heads) {
        return Outcome::Stale;
    }
    if request.atomic && clashes(request, taken) {
        return Outcome::Done(dropped(request, heads, taken));
    }
    let parts = request.parts.iter().map(|part| {
        let Some(head) = heads.get_mut(&part.stream) else {
            return PartDone { rows: Vec::new(), last_seq: 0 };
        };
        let rows = part.rows.iter().map(|row| head.take(part.stream, row, taken, now)).collect();
        PartDone { rows, last_seq: head.last_seq }
    });
    Outcome::Done(Done { applied: true, parts: parts.collect() })
}

/// Whether the streams are there, with the definitions that the records were checked against.
fn is_current(request: &Append, heads: &BTreeMap<i64, Head>) -> bool {
    let current = |part: &Part| heads.get(&part.stream).is_some_and(|h| h.version == part.version);
    request.parts.iter().all(current)
}

fn clashes(request: &Append, taken: &Taken) -> bool {
    let mut own: HashMap<(i64, &str), &[u8; 16]> = HashMap::new();
    request.parts.iter().any(|part| {
        part.rows.iter().any(|row| {
            let Some(hash) = &row.input_hash else { return false };
            let stored = taken.get(&(part.stream, row.id.clone()));
            stored.is_some_and(|(_, stored)| stored != hash)
                || own.insert((part.stream, &row.id), hash).is_some_and(|first| first != hash)
        })
    })
}

/// What a dropped request is told: its conflicts; nothing got a position.
fn dropped(request: &Append, heads: &BTreeMap<i64, Head>, taken: &Taken) -> Done {
    let parts = request.parts.iter().map(|part| {
        let mut own: HashMap<&str, &[u8; 16]> = HashMap::new();
        let rows = part.rows.iter().map(|row| {
            let Some(hash) = &row.input_hash else { return RowDone::Appended(0) };
            match (taken.get(&(part.stream, row.id.clone())), own.insert(&row.id, hash)) {
                (Some((seq, stored)), _) => met(*seq, stored, hash),
                (None, Some(first)) if first != hash => RowDone::Conflict(0),
                (None, Some(_)) => RowDone::Duplicate(0),
                (None, None) => RowDone::Appended(0),
            }
        });
        let last_seq = heads.get(&part.stream).map_or(0, |h| h.last_seq);
        PartDone { rows: rows.collect(), last_seq }
    });
    Done { applied: false, parts: parts.collect() }
}

/// What a record is told whose id is taken.
fn met(seq: i64, stored: &[u8], sent: &[u8]) -> RowDone {
    match stored {
        ERASED => RowDone::Erased(seq),
        stored if stored == sent => RowDone::Duplicate(seq),
        _ => RowDone::Conflict(seq),
    }
}

impl Head {
    fn take(&mut self, stream: i64, row: &NewRow, taken: &mut Taken, now: Timestamp) -> RowDone {
        if let Some(hash) = &row.input_hash {
            let key = (stream, row.id.clone());
            if let Some((seq, stored)) = taken.get(&key) {
                return met(*seq, stored, hash);
            }
            taken.insert(key, (self.last_seq + 1, hash.to_vec()));
        }
        self.last_seq += 1;
        self.last_received_at = self.last_received_at.max(now.micros());
        let seq = self.last_seq;
        let hash = row.input_hash.map_or(Value::Null(Kind::Blob), |h| Value::Blob(h.to_vec()));
        self.ids.push(vec![stream.into(), row.id.clone().into(), seq.into(), hash]);
        let mut log: Row = vec![
            seq.into(),
            row.id.clone().into(),
            1.into(),
            0.into(),
            row.time.unwrap_or(self.last_received_at).into(),
            self.last_received_at.into(),
            row.data.clone().into(),
        ];
        log.extend(row.values.iter().cloned());
        self.log.push(log);
        RowDone::Appended(seq)
    }
}

/// The engine's type of a numbered column.
pub fn kind_of(scalar: ScalarType) -> Kind {
    match scalar {
        ScalarType::String => Kind::Text,
        ScalarType::Number => Kind::Real,
        ScalarType::Integer | ScalarType::Boolean => Kind::Int,
    }
}

async fn write(conn: &mut Conn, heads: BTreeMap<i64, Head>) -> Result<(), DbError> {
    for (stream, head) in heads {
        if head.log.is_empty() {
            continue;
        }
        let mut columns: Vec<(Cow<'static, str>, Kind)> = vec![
            ("seq".into(), Kind::Int),
            ("id".into(), Kind::Text),
            ("version".into(), Kind::Int),
            ("op".into(), Kind::Int),
            ("time".into(), Kind::Int),
            ("received_at".into(), Kind::Int),
            ("data".into(), Kind::Text),
        ];
        let numbered = head.columns.iter();
        columns.extend(numbered.map(|c| (format!("c{}", c.number).into(), kind_of(c.scalar))));
        let table = format!("s{stream}").into();
        let log = Insert { table, columns, rows: head.log };
        let columns = vec![
            ("stream".into(), Kind::Int),
            ("id".into(), Kind::Text),
            ("seq".into(), Kind::Int),
            ("input_hash".into(), Kind::Blob),
        ];
        let ids = Insert { table: "record_id".into(), columns, rows: head.ids };
        let sql = "UPDATE stream_head SET last_seq = $1, last_received_at = $2 WHERE stream = $3";
        let head = [head.last_seq.into(), head.last_received_at.into(), stream.into()];
        conn.insert_both((log, ids), (sql, &head)).await?;
    }
    Ok(())
}
