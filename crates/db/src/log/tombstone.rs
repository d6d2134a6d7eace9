//! Erasing a record: its content goes, and a tombstone takes a position of its own, so that whoever
//! reads the log hears of it.

use forebay_model::time::Timestamp;

use crate::conn::Conn;
use crate::dialect::Dialect;
use crate::error::DbError;
use crate::log::append::{ERASED, lock_head};
use crate::log::read::{Span, cells};
use crate::value::{Row, Value};

/// What is left of a record that was erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tombstone {
    /// Its own position in the log.
    pub seq: i64,
    /// The position that the record had; nothing is there any more.
    pub erased_seq: i64,
    /// The record's id, which is never given again.
    pub id: String,
    /// When; never before the record that was received last.
    pub erased_at: Timestamp,
}

/// A record to erase.
#[derive(Debug, Clone)]
pub struct Erase {
    /// The stream's number.
    pub stream: i64,
    /// The version of the definition by whose rules it may be erased.
    pub version: i64,
    /// The record's id.
    pub id: String,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Erased {
    /// It is gone as of now.
    Now(Tombstone),
    /// It was erased before.
    Before(Tombstone),
    /// There never was such a record.
    Missing,
    /// The stream's definition has changed since the right to erase was checked.
    Stale,
}

/// Erases a record in the caller's transaction, under the lock of the stream's head as an append.
///
/// No row is at either position afterwards, so that nobody who reads records needs to know of this. Its
/// id stays taken: a sender that repeats itself does not bring the content back.
pub async fn erase(conn: &mut Conn, wanted: &Erase, now: Timestamp) -> Result<Erased, DbError> {
    let Erase { stream, version, id } = wanted;
    let stand = match lock_head(conn, *stream).await? {
        Some(stand) if stand.version == *version => stand,
        _ => return Ok(Erased::Stale),
    };
    if let Some(before) = by_id(conn, *stream, id).await? {
        return Ok(Erased::Before(before));
    }
    let key: [Value; 2] = [(*stream).into(), id.as_str().into()];
    let sql = "SELECT seq FROM record_id WHERE stream = $1 AND id = $2";
    let Some(row) = conn.query_opt(sql, &key).await? else { return Ok(Erased::Missing) };
    let [erased_seq] = cells(row)?;
    let tombstone = Tombstone {
        seq: stand.last_seq + 1,
        erased_seq: erased_seq.int()?,
        id: id.clone(),
        erased_at: Timestamp::from_micros(stand.last_received_at.max(now.micros())),
    };
    wipe(conn, *stream, &tombstone).await?;
    note(conn, *stream, &tombstone).await?;
    Ok(Erased::Now(tombstone))
}

/// Takes the content away: the record with its columns, and the hash of what was sent.
async fn wipe(conn: &mut Conn, stream: i64, tombstone: &Tombstone) -> Result<(), DbError> {
    if conn.dialect() == Dialect::Sqlite {
        // Zeros go where it was, also into pages that become free by it.
        conn.batch("PRAGMA secure_delete = ON").await?;
    }
    let sql = format!("DELETE FROM s{stream} WHERE seq = $1");
    conn.execute(&sql, &[tombstone.erased_seq.into()]).await?;
    let sql = "UPDATE record_id SET input_hash = $1 WHERE stream = $2 AND id = $3";
    let hash = Value::Blob(ERASED.to_vec());
    conn.execute(sql, &[hash, stream.into(), tombstone.id.as_str().into()]).await
}

/// Writes the tombstone down, and moves the head to it.
async fn note(conn: &mut Conn, stream: i64, tombstone: &Tombstone) -> Result<(), DbError> {
    let Tombstone { seq, erased_seq, id, erased_at } = tombstone;
    let sql = "INSERT INTO tombstone (stream, seq, erased_seq, id, erased_at) \
               VALUES ($1, $2, $3, $4, $5)";
    let (seq, erased_at): (Value, Value) = ((*seq).into(), erased_at.micros().into());
    let row =
        [stream.into(), seq.clone(), (*erased_seq).into(), id.as_str().into(), erased_at.clone()];
    conn.execute(sql, &row).await?;
    let sql = "INSERT INTO erasing (stream, seq) VALUES ($1, $2)";
    conn.execute(sql, &[stream.into(), seq.clone()]).await?;
    let sql = "UPDATE stream_head SET last_seq = $1, last_received_at = $2, erased = erased + 1 \
               WHERE stream = $3";
    conn.execute(sql, &[seq, erased_at, stream.into()]).await
}

const SELECT: &str = "SELECT seq, erased_seq, id, erased_at FROM tombstone WHERE stream = $1";

/// Finds what is left of a record by its id.
pub async fn by_id(conn: &mut Conn, stream: i64, id: &str) -> Result<Option<Tombstone>, DbError> {
    let sql = format!("{SELECT} AND id = $2");
    conn.query_opt(&sql, &[stream.into(), id.into()]).await?.map(read).transpose()
}

/// Reads the tombstones after one position and up to another, in order.
pub async fn tombstones(
    conn: &mut Conn,
    stream: i64,
    (after, up_to): (i64, i64),
    limit: i64,
) -> Result<Vec<Tombstone>, DbError> {
    let sql = format!("{SELECT} AND seq > $2 AND seq <= $3 ORDER BY seq LIMIT $4");
    let bounds = [stream.into(), after.into(), up_to.into(), limit.into()];
    conn.query(&sql, &bounds).await?.into_iter().map(read).collect()
}

fn read(row: Row) -> Result<Tombstone, DbError> {
    let [seq, erased_seq, id, erased_at] = cells(row)?;
    Ok(Tombstone {
        seq: seq.int()?,
        erased_seq: erased_seq.int()?,
        id: id.text()?,
        erased_at: Timestamp::from_micros(erased_at.int()?),
    })
}

/// How many records are there now up to a position: that costs what came behind it, not what is before.
pub async fn records_up_to(
    conn: &mut Conn,
    stream: i64,
    here: Span,
    up_to: i64,
) -> Result<i64, DbError> {
    if here.erased == 0 {
        return Ok((up_to.min(here.last_seq) - here.first_seq + 1).max(0));
    }
    if up_to >= here.last_seq {
        return Ok(here.records());
    }
    let sql = "SELECT (SELECT count(*) FROM tombstone \
               WHERE stream = $1 AND seq > $2 AND seq <= $3) + (SELECT count(*) FROM tombstone \
               WHERE stream = $1 AND erased_seq > $2 AND erased_seq <= $3)";
    let bounds = [stream.into(), up_to.into(), here.last_seq.into()];
    let [empty] = cells(conn.query_opt(sql, &bounds).await?.unwrap_or_default())?;
    let behind = here.last_seq - up_to - empty.int()?;
    Ok((here.records() - behind).max(0))
}
