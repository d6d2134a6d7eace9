//! The table `quota`: what was handed out of each, by period.

use forebay_db::log::read::cells;
use forebay_db::{Conn, DbError, Value};
use forebay_model::time::Timestamp;

/// A row's key: what is counted, and from when on.
pub(crate) type Key = (Vec<u8>, Timestamp);

/// Locks a row, which it makes where there is none; returns how much was handed out.
pub(crate) async fn lock(
    conn: &mut Conn,
    (key, from): Key,
    until: Timestamp,
) -> Result<u64, DbError> {
    // An update of nothing is the lock that both engines know.
    let sql = "INSERT INTO quota (key, starts_at, ends_at, used) VALUES ($1, $2, $3, 0) \
               ON CONFLICT (key, starts_at) DO UPDATE SET ends_at = $3 RETURNING used";
    let params = [Value::Blob(key), from.micros().into(), until.micros().into()];
    let [used] = cells(conn.query_opt(sql, &params).await?.unwrap_or_default())?;
    Ok(u64::try_from(used.int()?).unwrap_or(0))
}

/// Hands out so many more.
pub(crate) async fn take(conn: &mut Conn, (key, from): Key, units: u64) -> Result<(), DbError> {
    let sql = "UPDATE quota SET used = used + $1 WHERE key = $2 AND starts_at = $3";
    conn.execute(sql, &[int(units), Value::Blob(key), from.micros().into()]).await
}

/// Takes so many back.
pub(crate) async fn give_back(
    conn: &mut Conn,
    (key, from): Key,
    units: u64,
) -> Result<(), DbError> {
    let sql = "UPDATE quota SET used = used - $1 \
               WHERE key = $2 AND starts_at = $3 AND used >= $1";
    conn.execute(sql, &[int(units), Value::Blob(key), from.micros().into()]).await
}

/// Deletes some of those that ended before a time; returns how many.
pub(crate) async fn sweep(conn: &mut Conn, ended: Timestamp, most: i64) -> Result<usize, DbError> {
    let sql = "DELETE FROM quota WHERE (key, starts_at) IN (SELECT key, starts_at FROM quota \
               WHERE ends_at < $1 ORDER BY ends_at LIMIT $2) RETURNING starts_at";
    Ok(conn.query(sql, &[ended.micros().into(), most.into()]).await?.len())
}

fn int(units: u64) -> Value {
    Value::Int(i64::try_from(units).unwrap_or(i64::MAX))
}
