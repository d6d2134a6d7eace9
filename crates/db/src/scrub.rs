//! What an engine's files still have of erased records, and how it is cleared away (`docs/adr/0017`).
//!
//! SQLite writes zeros where a record was, but its write-ahead log has the page as it was before, until
//! it is emptied. PostgreSQL keeps what was deleted in its table until that is vacuumed, and the bytes
//! then lie in free space until something is written over them: only a table that is written anew
//! has nothing of them.

use std::time::Instant;

use crate::conn::Conn;
use crate::error::DbError;
use crate::log::append::lock_head;
use crate::log::read::cells;
use crate::postgres::PgConn;
use crate::value::Row;

/// Tables up to here are written anew: nobody writes to or reads from the stream meanwhile, for about
/// as long as it takes to read and write so much.
const MOST_REWRITTEN: i64 = 64 << 20;

/// The streams of which something is to be cleared away, each with its last tombstone that is.
pub async fn pending(conn: &mut Conn) -> Result<Vec<(i64, i64)>, DbError> {
    let sql = "SELECT stream, max(seq) FROM erasing GROUP BY stream ORDER BY stream";
    let read = |row: Row| {
        let [stream, seq] = cells(row)?;
        Ok((stream.int()?, seq.int()?))
    };
    conn.query(sql, &[]).await?.into_iter().map(read).collect()
}

/// Says that it is cleared away, up to a tombstone.
pub async fn settle(conn: &mut Conn, stream: i64, up_to: i64) -> Result<(), DbError> {
    let sql = "DELETE FROM erasing WHERE stream = $1 AND seq <= $2";
    conn.execute(sql, &[stream.into(), up_to.into()]).await
}

/// Clears a stream's table on PostgreSQL; false while a transaction is open that began before a moment,
/// which would have the engine keep what was deleted since.
pub(crate) async fn postgres(
    session: PgConn,
    stream: i64,
    before: Instant,
) -> Result<bool, DbError> {
    let mut conn = Conn::Postgres(session);
    // As a length of time: the server has a clock of its own.
    let sql = "SELECT count(*) FROM pg_stat_activity \
               WHERE datname = current_database() AND pid <> pg_backend_pid() \
               AND backend_type IS DISTINCT FROM 'autovacuum worker' \
               AND xact_start < clock_timestamp() - make_interval(secs => $1)";
    let row = conn.query_opt(sql, &[before.elapsed().as_secs_f64().into()]).await?;
    let [open] = cells(row.unwrap_or_default())?;
    if open.int()? > 0 {
        return Ok(false);
    }
    let sql = "SELECT coalesce(pg_total_relation_size(to_regclass($1)), -1)";
    let row = conn.query_opt(sql, &[format!("s{stream}").into()]).await?;
    let [bytes] = cells(row.unwrap_or_default())?;
    match bytes.int()? {
        // The stream is gone, and its files with it.
        ..0 => {}
        small if small <= MOST_REWRITTEN => rewrite(&mut conn, stream).await?,
        _ => conn.upkeep(&format!("VACUUM (ANALYZE) s{stream}")).await?,
    }
    // The hash of what was sent.
    conn.upkeep("VACUUM record_id").await?;
    Ok(true)
}

/// Writes a stream's table anew, with its indexes; what is known of the spread of its values too.
async fn rewrite(conn: &mut Conn, stream: i64) -> Result<(), DbError> {
    conn.begin().await?;
    let rewritten = try_rewrite(conn, stream).await;
    match rewritten {
        Ok(()) => conn.commit().await,
        Err(error) => {
            conn.rollback().await;
            Err(error)
        }
    }
}

async fn try_rewrite(conn: &mut Conn, stream: i64) -> Result<(), DbError> {
    // Whoever comes later waits behind this: so it waits for a moment only, and is tried again.
    conn.batch("SET LOCAL lock_timeout = '300ms'").await?;
    // As everybody who writes to the table does first.
    if lock_head(conn, stream).await?.is_none() {
        return Ok(());
    }
    conn.batch(&format!("CLUSTER s{stream} USING s{stream}_pkey; ANALYZE s{stream}")).await
}
