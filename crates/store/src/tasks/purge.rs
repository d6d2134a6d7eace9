//! Clears, in short steps, what nobody can reach any more: ids and tombstones of deleted streams, old
//! keys.

use std::time::Duration;

use forebay_db::log::read::cells;
use forebay_db::{Conn, DbError, Lane, Value};

use crate::Inner;

/// Runs until it is dropped.
pub(crate) async fn run(inner: &Inner) {
    let mut every = tokio::time::interval(Duration::from_secs(5));
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let ttl = i64::try_from(inner.config.idempotency_ttl.as_micros()).unwrap_or(i64::MAX);
    loop {
        every.tick().await;
        let before = inner.clock.now().micros().saturating_sub(ttl);
        loop {
            let writer = inner.db.writer();
            match writer.run(Lane::Maintenance, move |conn| Box::pin(step(conn, before))).await {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    tracing::warn!(error = %error, "clearing up failed, will try again");
                    break;
                }
            }
        }
    }
}

/// Clears a little; false when nothing is left.
async fn step(conn: &mut Conn, before: i64) -> Result<bool, DbError> {
    let old = "SELECT principal, key FROM idempotency WHERE created_at < $1 LIMIT 500";
    let rows = conn.query(old, &[before.into()]).await?;
    let more = !rows.is_empty();
    for row in rows {
        let sql = "DELETE FROM idempotency WHERE principal = $1 AND key = $2";
        conn.execute(sql, &row).await?;
    }
    let sql = "SELECT number FROM dropped_stream ORDER BY number LIMIT 1";
    let Some(row) = conn.query_opt(sql, &[]).await? else { return Ok(more) };
    let [stream] = cells(row)?;
    let sql = "SELECT id FROM record_id WHERE stream = $1 LIMIT 1000";
    let ids = conn.query(sql, std::slice::from_ref(&stream)).await?;
    if ids.is_empty() {
        if clear_tombstones(conn, &stream).await? {
            return Ok(true);
        }
        conn.execute("DELETE FROM dropped_stream WHERE number = $1", &[stream]).await?;
        return Ok(true);
    }
    for row in ids {
        let [id] = cells(row)?;
        let sql = "DELETE FROM record_id WHERE stream = $1 AND id = $2";
        conn.execute(sql, &[stream.clone(), id]).await?;
    }
    Ok(true)
}

/// Clears some tombstones of a deleted stream; false when none is left.
async fn clear_tombstones(conn: &mut Conn, stream: &Value) -> Result<bool, DbError> {
    let sql = "SELECT seq FROM tombstone WHERE stream = $1 LIMIT 1000";
    let seqs = conn.query(sql, std::slice::from_ref(stream)).await?;
    let some = !seqs.is_empty();
    for row in seqs {
        let [seq] = cells(row)?;
        let sql = "DELETE FROM tombstone WHERE stream = $1 AND seq = $2";
        conn.execute(sql, &[stream.clone(), seq]).await?;
    }
    Ok(some)
}
