//! The table `setting`: what a deployment decides once, the same for all of its processes.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use forebay_db::log::read::cells;
use forebay_db::{Conn, DbError, Value};
use forebay_model::time::Timestamp;

pub(crate) const ADMIN_KEY: &str = "admin_key_sha256";
pub(crate) const CURSOR_SECRET: &str = "cursor_secret";
/// Tells one master key from another.
pub(crate) const FINGERPRINT: &str = "master_key_fingerprint";
/// What the setup link's token is made of; another one once it was used.
pub(crate) const SETUP: &str = "setup_nonce";

/// Before what stands for somebody whose counts were set back; the value is when.
const UNLOCKED: &str = "unlocked/";

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

/// Notes that somebody's counts are set back; those that were set back before a time are over.
pub(crate) async fn unlock(
    conn: &mut Conn,
    name: &[u8],
    now: Timestamp,
    over: Timestamp,
) -> Result<(), DbError> {
    for (name, at) in unlocked(conn).await? {
        if at < over.micros() {
            let name = unlocked_setting(&name);
            conn.execute("DELETE FROM setting WHERE name = $1", &[name.into()]).await?;
        }
    }
    let sql = "INSERT INTO setting (name, value) VALUES ($1, $2) \
               ON CONFLICT (name) DO UPDATE SET value = $2";
    let at = Value::Blob(now.micros().to_be_bytes().to_vec());
    conn.execute(sql, &[unlocked_setting(name).into(), at]).await
}

/// Whose counts were set back, and when.
pub(crate) async fn unlocked(conn: &mut Conn) -> Result<HashMap<Vec<u8>, i64>, DbError> {
    // What begins so: `0` is the character behind `/`.
    let sql = "SELECT name, value FROM setting WHERE name > 'unlocked/' AND name < 'unlocked0' \
               LIMIT 10000";
    let mut found = HashMap::new();
    for row in conn.query(sql, &[]).await? {
        let [name, value] = cells(row)?;
        let name = name.text()?;
        let name = name.strip_prefix(UNLOCKED).and_then(|name| BASE64.decode(name).ok());
        let at = value.blob()?.try_into().ok().map(i64::from_be_bytes);
        found.extend(name.zip(at));
    }
    Ok(found)
}

fn unlocked_setting(name: &[u8]) -> String {
    format!("{UNLOCKED}{}", BASE64.encode(name))
}
