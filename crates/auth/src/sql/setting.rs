//! The table `setting`: what a deployment decides once, the same for all of its processes.

use forebay_db::log::read::cells;
use forebay_db::{Conn, DbError, Value};

pub(crate) const ADMIN_KEY: &str = "admin_key_sha256";
pub(crate) const CURSOR_SECRET: &str = "cursor_secret";
/// Tells one master key from another.
pub(crate) const FINGERPRINT: &str = "master_key_fingerprint";
/// What the setup link's token is made of; another one once it was used.
pub(crate) const SETUP: &str = "setup_nonce";

/// Reads a setting.
pub(crate) async fn find(conn: &mut Conn, name: &str) -> Result<Option<Vec<u8>>, DbError> {
    let row = conn.query_opt("SELECT value FROM setting WHERE name = $1", &[name.into()]).await?;
    row.map(|row| cells(row).and_then(|[value]| value.blob())).transpose()
}

/// Stores a setting unless it is there; returns what is there then.
pub(crate) async fn keep(conn: &mut Conn, name: &str, value: Vec<u8>) -> Result<Vec<u8>, DbError> {
    let insert = "INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
    conn.execute(insert, &[name.into(), Value::Blob(value)]).await?;
    Ok(find(conn, name).await?.unwrap_or_default())
}

/// Changes a setting that is there.
pub(crate) async fn set(conn: &mut Conn, name: &str, value: Vec<u8>) -> Result<(), DbError> {
    let sql = "UPDATE setting SET value = $1 WHERE name = $2";
    conn.execute(sql, &[Value::Blob(value), name.into()]).await
}
