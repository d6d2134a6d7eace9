//! The table `known_device`: from where accounts sign in.

use forebay_db::{Conn, DbError, Value};
use forebay_model::time::Timestamp;

/// How old the note of a sign-in may become before it is renewed, in microseconds.
const RENEW: i64 = 24 * 3600 * 1_000_000;

/// Notes a sign-in; whether the place is new to an account that has others.
pub(crate) async fn see(
    conn: &mut Conn,
    account: &str,
    hash: Vec<u8>,
    now: Timestamp,
) -> Result<bool, DbError> {
    let hash = Value::Blob(hash);
    let sql = "INSERT INTO known_device (account, hash, seen_at) VALUES ($1, $2, $3) \
               ON CONFLICT (account, hash) DO NOTHING RETURNING account";
    let values = [account.into(), hash.clone(), now.micros().into()];
    if conn.query_opt(sql, &values).await?.is_none() {
        let sql = "UPDATE known_device SET seen_at = $3 \
                   WHERE account = $1 AND hash = $2 AND seen_at < $4";
        let [account, hash, seen] = values;
        let before = (now.micros() - RENEW).into();
        conn.execute(sql, &[account, hash, seen, before]).await?;
        return Ok(false);
    }
    let sql = "SELECT seen_at FROM known_device WHERE account = $1 AND hash <> $2 LIMIT 1";
    Ok(conn.query_opt(sql, &[account.into(), hash]).await?.is_some())
}

/// Forgets places that were not seen since a time.
pub(crate) async fn sweep(conn: &mut Conn, before: Timestamp) -> Result<(), DbError> {
    let sql = "DELETE FROM known_device WHERE seen_at < $1";
    conn.execute(sql, &[before.micros().into()]).await
}
