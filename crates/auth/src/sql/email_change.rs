//! The table `email_change`: another address that somebody wants to have, until both say yes.

use forebay_db::log::read::cells;
use forebay_db::{Conn, DbError, Value};
use forebay_model::time::Timestamp;

/// A change that both addresses are asked about.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) account: String,
    pub(crate) email: String,
    pub(crate) email_key: String,
    /// Of the links; empty once shown.
    pub(crate) old_hash: Vec<u8>,
    pub(crate) new_hash: Vec<u8>,
    pub(crate) expires_at: Timestamp,
}

/// Writes a change; one before it of the same account goes, and so do those that are over.
pub(crate) async fn put(conn: &mut Conn, wanted: &Wanted, now: Timestamp) -> Result<(), DbError> {
    let over = "DELETE FROM email_change WHERE expires_at <= $1 OR account = $2";
    conn.execute(over, &[now.micros().into(), wanted.account.as_str().into()]).await?;
    let sql = "INSERT INTO email_change (account, email, email_key, old_hash, new_hash, expires_at) \
               VALUES ($1, $2, $3, $4, $5, $6)";
    let values = [
        wanted.account.as_str().into(),
        wanted.email.as_str().into(),
        wanted.email_key.as_str().into(),
        Value::Blob(wanted.old_hash.clone()),
        Value::Blob(wanted.new_hash.clone()),
        wanted.expires_at.micros().into(),
    ];
    conn.execute(sql, &values).await
}

/// Finds the change that a link belongs to.
pub(crate) async fn find(conn: &mut Conn, hash: &[u8]) -> Result<Option<Wanted>, DbError> {
    let sql = "SELECT account, email, email_key, old_hash, new_hash, expires_at FROM email_change \
               WHERE old_hash = $1 OR new_hash = $1 LIMIT 1";
    let Some(row) = conn.query_opt(sql, &[Value::Blob(hash.to_vec())]).await? else {
        return Ok(None);
    };
    let [account, email, email_key, old_hash, new_hash, expires_at] = cells(row)?;
    Ok(Some(Wanted {
        account: account.text()?,
        email: email.text()?,
        email_key: email_key.text()?,
        old_hash: old_hash.blob()?,
        new_hash: new_hash.blob()?,
        expires_at: super::time(expires_at)?,
    }))
}

/// Writes which side has said yes.
pub(crate) async fn agree(conn: &mut Conn, wanted: &Wanted) -> Result<(), DbError> {
    let sql = "UPDATE email_change SET old_hash = $1, new_hash = $2 WHERE account = $3";
    let hashes = [&wanted.old_hash, &wanted.new_hash].map(|hash| Value::Blob(hash.clone()));
    let [old, new] = hashes;
    conn.execute(sql, &[old, new, wanted.account.as_str().into()]).await
}

/// Takes a change away.
pub(crate) async fn delete(conn: &mut Conn, account: &str) -> Result<(), DbError> {
    conn.execute("DELETE FROM email_change WHERE account = $1", &[account.into()]).await
}
