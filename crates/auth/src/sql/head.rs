//! The table `identity_head`: how often anything about anybody has changed.

use forebay_db::log::read::cells;
use forebay_db::{Conn, DbError, Dialect};

/// Reads the number.
pub(crate) async fn number(conn: &mut Conn) -> Result<i64, DbError> {
    let row = conn.query_opt("SELECT number FROM identity_head WHERE one = 1", &[]).await?;
    let [number] = cells(row.unwrap_or_default())?;
    number.int()
}

/// Locks the number, first of all in a change's transaction: changes of identity are made one after
/// the other, so that what each looked at still holds when it commits.
pub(crate) async fn lock(conn: &mut Conn) -> Result<(), DbError> {
    let sql = match conn.dialect() {
        // Whoever writes to SQLite is alone anyway.
        Dialect::Sqlite => return Ok(()),
        Dialect::Postgres => "SELECT number FROM identity_head WHERE one = 1 FOR UPDATE",
    };
    conn.query_opt(sql, &[]).await.map(drop)
}

/// Moves the number, because something has changed.
pub(crate) async fn bump(conn: &mut Conn) -> Result<(), DbError> {
    conn.execute("UPDATE identity_head SET number = number + 1 WHERE one = 1", &[]).await
}
