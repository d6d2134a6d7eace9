//! Reading what matches a condition piece by piece along `seq`, whole or a few values of each.
//!
//! Each piece is a query of its own, so that no snapshot stays open. A piece is a window of
//! positions: whichever index an engine takes, it looks at no record twice.

use forebay_filter::lower::sql::Sql;
use forebay_filter::lower::{Bound, Condition, Place};
use forebay_model::record::Record;

use crate::conn::Conn;
use crate::error::DbError;
use crate::log::find::values as params;
use crate::log::read::{cells, record};
use crate::value::{Row, Value};

/// A window of positions.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// Begins after this seq.
    pub after: i64,
    /// Ends with this seq.
    pub up_to: i64,
    /// The most records; where there are more, the window ends earlier.
    pub limit: i64,
}

/// Reads the records of a window, in order.
pub async fn records(
    conn: &mut Conn,
    stream: i64,
    condition: &Condition,
    window: Window,
) -> Result<Vec<Record>, DbError> {
    let mut sql = Sql::default();
    sql.push("SELECT seq, id, version, time, received_at, data");
    within(&mut sql, stream, condition, window);
    conn.query(&sql.text, &params(&sql)).await?.into_iter().map(record).collect()
}

/// Reads a few values of the records of a window, in order: the seq, then each of `places`.
pub async fn values(
    conn: &mut Conn,
    stream: i64,
    places: &[Place],
    condition: &Condition,
    window: Window,
) -> Result<Vec<Row>, DbError> {
    let mut sql = Sql::default();
    sql.push("SELECT seq");
    for place in places {
        sql.push(", ");
        sql.place(*place);
    }
    within(&mut sql, stream, condition, window);
    conn.query(&sql.text, &params(&sql)).await
}

fn within(sql: &mut Sql, stream: i64, condition: &Condition, window: Window) {
    sql.push(&format!(" FROM s{stream} WHERE "));
    sql.condition(stream, condition);
    sql.push(" AND seq > ");
    sql.bind(Bound::Int(window.after));
    sql.push(" AND seq <= ");
    sql.bind(Bound::Int(window.up_to));
    sql.push(" ORDER BY seq LIMIT ");
    sql.bind(Bound::Int(window.limit));
}

/// How many records a stream should have, and how many it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// The positions from the first that is kept to the last, but for the two that each erased record
    /// leaves without one.
    pub expected: i64,
    /// The records.
    pub found: i64,
}

/// Counts the records that a stream should have and has, in one look.
pub async fn holes(conn: &mut Conn, stream: i64) -> Result<Counted, DbError> {
    let sql = format!(
        "SELECT last_seq - first_seq + 1 - 2 * erased, (SELECT count(*) FROM s{stream}) \
         FROM stream_head WHERE stream = $1"
    );
    let row = conn.query_opt(&sql, &[stream.into()]).await?;
    let row = row.ok_or_else(|| DbError::Gone(format!("stream {stream}")))?;
    let [expected, found] = cells(row)?;
    Ok(Counted { expected: expected.int()?, found: found.int()? })
}

/// The least and the greatest value of a place in the whole stream, by its index; `None` when
/// there is none.
pub async fn extremes(
    conn: &mut Conn,
    stream: i64,
    place: Place,
) -> Result<Option<(Value, Value)>, DbError> {
    let least = edge(conn, stream, place, "").await?;
    Ok(least.zip(edge(conn, stream, place, " DESC").await?))
}

async fn edge(
    conn: &mut Conn,
    stream: i64,
    place: Place,
    direction: &str,
) -> Result<Option<Value>, DbError> {
    let mut sql = Sql::default();
    sql.push("SELECT ");
    sql.place(place);
    sql.push(&format!(" FROM s{stream} WHERE "));
    sql.place(place);
    sql.push(" IS NOT NULL ORDER BY ");
    // It never runs backwards along seq, which has the index.
    sql.place(if place == Place::ReceivedAt { Place::Seq } else { place });
    sql.push(direction);
    sql.push(" LIMIT 1");
    let row = conn.query_opt(&sql.text, &[]).await?;
    row.map(|row| cells(row).map(|[value]| value)).transpose()
}
