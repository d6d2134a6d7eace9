//! Mail that is to be sent to people: written in the transaction of what it tells of, sealed, because
//! links in it open doors; `notify` turns it into deliveries.

use forebay_model::time::Timestamp;
use forebay_model::{Error, Result};
use serde_json::Value;

use crate::conn::Conn;
use crate::error::DbError;
use crate::log::read::cells;
use crate::seal::Master;
use crate::value::{Row, Value as Cell};

/// What mail is sealed for.
const PURPOSE: &str = "mail";
/// Mail to nobody: it costs what mail costs, so that a caller cannot tell whether there is somebody.
pub const NOBODY: &str = "none";

/// A letter that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// The notification's id.
    pub id: String,
    /// Which text: `mail.password_reset`, or [`NOBODY`].
    pub kind: String,
    /// Whose inbox it belongs to; empty where there is no account.
    pub account: String,
    /// Where it goes; empty for an inbox alone.
    pub address: String,
    /// When it was caused.
    pub time: Timestamp,
    /// What the text is made of, sealed: JSON.
    pub data: Vec<u8>,
}

/// Seals what a text is made of, for the letter with this id.
pub fn seal(master: &Master, id: &str, data: &Value) -> Result<Vec<u8>> {
    master.seal(PURPOSE, id, data.to_string().as_bytes())
}

/// Opens what was sealed for a letter.
pub fn open(master: &Master, id: &str, data: &[u8]) -> Result<Value> {
    let plain = master.open(PURPOSE, id, data)?;
    serde_json::from_slice(&plain).map_err(Error::internal)
}

/// Writes a letter in the caller's transaction.
pub async fn put(conn: &mut Conn, mail: &Mail) -> std::result::Result<(), DbError> {
    let sql = "INSERT INTO mail (id, kind, account, address, time, data) \
               VALUES ($1, $2, $3, $4, $5, $6)";
    let row: Row = vec![
        mail.id.as_str().into(),
        mail.kind.as_str().into(),
        mail.account.as_str().into(),
        mail.address.as_str().into(),
        mail.time.micros().into(),
        Cell::Blob(mail.data.clone()),
    ];
    conn.execute(sql, &row).await
}

/// Reads the oldest letters, and holds them until the transaction ends: another process takes others.
pub async fn take(conn: &mut Conn, limit: i64) -> std::result::Result<Vec<Mail>, DbError> {
    let lock = conn.dialect().skip_locked();
    let sql = format!(
        "SELECT id, kind, account, address, time, data FROM mail ORDER BY id LIMIT $1{lock}"
    );
    let rows = conn.query(&sql, &[limit.into()]).await?;
    let read = |row: Row| {
        let [id, kind, account, address, time, data] = cells(row)?;
        Ok(Mail {
            id: id.text()?,
            kind: kind.text()?,
            account: account.text()?,
            address: address.text()?,
            time: Timestamp::from_micros(time.int()?),
            data: data.blob()?,
        })
    };
    rows.into_iter().map(read).collect()
}

/// Whether anything waits.
pub async fn is_empty(conn: &mut Conn) -> std::result::Result<bool, DbError> {
    Ok(conn.query_opt("SELECT id FROM mail LIMIT 1", &[]).await?.is_none())
}

/// Strikes a letter, in the transaction that turns it into deliveries.
pub async fn strike(conn: &mut Conn, id: &str) -> std::result::Result<(), DbError> {
    conn.execute("DELETE FROM mail WHERE id = $1", &[id.into()]).await
}
