//! The table `unsubscribed`: addresses without an account that want nothing more of a channel.

use forebay_db::{Conn, DbError};
use forebay_model::time::Timestamp;

/// Writes down that an address (as it is compared) wants nothing more.
pub(crate) async fn put(
    conn: &mut Conn,
    (channel, address): (&str, &str),
    now: Timestamp,
) -> Result<(), DbError> {
    let sql = "INSERT INTO unsubscribed (channel, address, at) VALUES ($1, $2, $3) \
               ON CONFLICT (channel, address) DO NOTHING";
    conn.execute(sql, &[channel.into(), address.into(), now.micros().into()]).await
}

/// Whether an address wants nothing more.
pub(crate) async fn holds(conn: &mut Conn, channel: &str, address: &str) -> Result<bool, DbError> {
    let sql = "SELECT at FROM unsubscribed WHERE channel = $1 AND address = $2";
    Ok(conn.query_opt(sql, &[channel.into(), address.into()]).await?.is_some())
}
