//! The outbox: what is to become a record of a system stream, written in the transaction of what it
//! tells of.

use forebay_model::audit::{self, Event};
use forebay_model::json::to_canonical;
use forebay_model::time::Timestamp;

use crate::conn::Conn;
use crate::dialect::Dialect;
use crate::error::DbError;
use crate::log::read::cells;
use crate::value::Row;

/// What waits to be appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The record's id, by which it is appended once.
    pub id: String,
    /// The system stream.
    pub stream: String,
    /// When it happened.
    pub time: Timestamp,
    /// Canonical JSON.
    pub data: String,
}

/// Writes down a security event, in the transaction of what it tells of.
pub async fn note(conn: &mut Conn, event: &Event, now: Timestamp) -> Result<(), DbError> {
    let id = uuid::Uuid::now_v7().to_string();
    let data = to_canonical(&event.to_json());
    put(conn, &Waiting { id, stream: audit::STREAM.to_owned(), time: now, data }).await
}

/// Writes an entry in the caller's transaction.
pub async fn put(conn: &mut Conn, entry: &Waiting) -> Result<(), DbError> {
    let sql = "INSERT INTO outbox (id, stream, time, data) VALUES ($1, $2, $3, $4)";
    let Waiting { id, stream, time, data } = entry;
    let time = time.micros().into();
    conn.execute(sql, &[id.as_str().into(), stream.as_str().into(), time, data.as_str().into()])
        .await
}

/// Reads the oldest entries, and holds them until the transaction ends: another process takes others.
pub async fn take(conn: &mut Conn, limit: i64) -> Result<Vec<Waiting>, DbError> {
    let sql = match conn.dialect() {
        Dialect::Sqlite => "SELECT id, stream, time, data FROM outbox ORDER BY id LIMIT $1",
        Dialect::Postgres => {
            "SELECT id, stream, time, data FROM outbox ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED"
        }
    };
    let rows = conn.query(sql, &[limit.into()]).await?;
    let read = |row: Row| {
        let [id, stream, time, data] = cells(row)?;
        let time = Timestamp::from_micros(time.int()?);
        Ok(Waiting { id: id.text()?, stream: stream.text()?, time, data: data.text()? })
    };
    rows.into_iter().map(read).collect()
}

/// Whether anything waits.
pub async fn is_empty(conn: &mut Conn) -> Result<bool, DbError> {
    Ok(conn.query_opt("SELECT id FROM outbox LIMIT 1", &[]).await?.is_none())
}

/// Strikes an entry, in the transaction that appends it.
pub async fn strike(conn: &mut Conn, id: &str) -> Result<(), DbError> {
    conn.execute("DELETE FROM outbox WHERE id = $1", &[id.into()]).await
}
