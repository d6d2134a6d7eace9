//! Reading the log: one record by id, or a page of records in an order.

use forebay_model::record::Record;
use forebay_model::time::Timestamp;

use crate::conn::Conn;
use crate::dialect::Order;
use crate::error::DbError;
use crate::value::{Row, Value};

/// A stream's positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first position that is still kept; `last_seq + 1` when there is none.
    pub first_seq: i64,
    /// The head.
    pub last_seq: i64,
    /// How many records were erased. Each leaves two positions without one: where it was, and its
    /// tombstone's.
    pub erased: i64,
}

impl Span {
    /// How many records there are.
    pub fn records(&self) -> i64 {
        self.last_seq - self.first_seq + 1 - 2 * self.erased
    }
}

/// A page to read.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    /// The order.
    pub order: Order,
    /// Begin after this position: seq, and time in the orders by time.
    pub after: Option<(i64, i64)>,
    /// Nothing beyond this seq: the head when the first page was read.
    pub up_to: i64,
    /// The most records.
    pub limit: i64,
}

/// Reads a stream's positions; `None` when it is not there.
pub async fn span(conn: &mut Conn, stream: i64) -> Result<Option<Span>, DbError> {
    let sql = "SELECT first_seq, last_seq, erased FROM stream_head WHERE stream = $1";
    let Some(row) = conn.query_opt(sql, &[stream.into()]).await? else { return Ok(None) };
    let [first_seq, last_seq, erased] = cells(row)?;
    let (first_seq, last_seq, erased) = (first_seq.int()?, last_seq.int()?, erased.int()?);
    Ok(Some(Span { first_seq, last_seq, erased }))
}

/// Up to where a page of records reaches that holds at most so many records, and about so many bytes
/// of their data; the first record always fits. `None` when there is no record.
pub async fn reach(
    conn: &mut Conn,
    stream: i64,
    (after, up_to): (i64, i64),
    (records, bytes): (i64, i64),
) -> Result<Option<i64>, DbError> {
    let sql = format!(
        "SELECT min(seq), max(CASE WHEN total <= $4 THEN seq END) FROM \
         (SELECT seq, sum(octet_length(data)) OVER (ORDER BY seq) AS total FROM \
         (SELECT seq, data FROM s{stream} WHERE seq > $1 AND seq <= $2 ORDER BY seq LIMIT $3) AS p) AS q"
    );
    let params = [after.into(), up_to.into(), records.into(), bytes.into()];
    let Some(row) = conn.query_opt(&sql, &params).await? else { return Ok(None) };
    let [first, last] = cells(row)?;
    Ok(match (first, last) {
        (Value::Null(_), _) => None,
        (first, Value::Null(_)) => Some(first.int()?),
        (_, last) => Some(last.int()?),
    })
}

/// Finds a record by its id.
pub async fn by_id(conn: &mut Conn, stream: i64, id: &str) -> Result<Option<Record>, DbError> {
    let sql = conn.dialect().select_by_id(stream);
    let row = conn.query_opt(&sql, &[stream.into(), id.into()]).await?;
    row.map(record).transpose()
}

/// Reads a page.
pub async fn page(conn: &mut Conn, stream: i64, page: Page) -> Result<Vec<Record>, DbError> {
    let sql = conn.dialect().select_log(stream, page.order);
    let (start_seq, start_time) = match page.order {
        Order::SeqAscending | Order::TimeAscending => (0, i64::MIN),
        Order::SeqDescending | Order::TimeDescending => (i64::MAX, i64::MAX),
    };
    let (seq, time) = page.after.unwrap_or((start_seq, start_time));
    let mut params: Vec<Value> = vec![seq.into(), page.up_to.into(), page.limit.into()];
    if matches!(page.order, Order::TimeAscending | Order::TimeDescending) {
        params.push(time.into());
    }
    conn.query(&sql, &params).await?.into_iter().map(record).collect()
}

pub(crate) fn record(row: Row) -> Result<Record, DbError> {
    let [seq, id, version, time, received_at, data] = cells(row)?;
    Ok(Record {
        seq: seq.int()?,
        id: id.text()?,
        version: version.int()?,
        time: Timestamp::from_micros(time.int()?),
        received_at: Timestamp::from_micros(received_at.int()?),
        data: data.text()?,
    })
}

/// Takes a row apart into as many cells as were asked for.
pub fn cells<const N: usize>(row: Row) -> Result<[Value; N], DbError> {
    <[Value; N]>::try_from(row)
        .map_err(|row| DbError::Internal(format!("{N} cells were asked for, {} came", row.len())))
}
