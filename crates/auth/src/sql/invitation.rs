//! The table `invitation`.

use forebay_db::log::read::cells;
use forebay_db::{Conn, DbError, Value};
use forebay_model::time::Timestamp;

/// An invitation; who has its token may make the account.
#[derive(Debug, Clone)]
pub(crate) struct Invitation {
    pub(crate) email: String,
    pub(crate) roles: Vec<String>,
    pub(crate) invited_by: String,
    pub(crate) expires_at: Timestamp,
}

/// Writes an invitation; those that are over go.
pub(crate) async fn insert(
    conn: &mut Conn,
    hash: Vec<u8>,
    invitation: &Invitation,
    now: Timestamp,
) -> Result<(), DbError> {
    let over = "DELETE FROM invitation WHERE expires_at <= $1";
    conn.execute(over, &[now.micros().into()]).await?;
    let sql = "INSERT INTO invitation (hash, email, roles, invited_by, expires_at) \
               VALUES ($1, $2, $3, $4, $5)";
    conn.execute(
        sql,
        &[
            Value::Blob(hash),
            invitation.email.as_str().into(),
            serde_json::Value::from(invitation.roles.clone()).to_string().into(),
            invitation.invited_by.as_str().into(),
            invitation.expires_at.micros().into(),
        ],
    )
    .await
}

/// Finds an invitation.
pub(crate) async fn find(conn: &mut Conn, hash: &[u8]) -> Result<Option<Invitation>, DbError> {
    let sql = "SELECT email, roles, invited_by, expires_at FROM invitation WHERE hash = $1";
    let Some(row) = conn.query_opt(sql, &[Value::Blob(hash.to_vec())]).await? else {
        return Ok(None);
    };
    let [email, roles, invited_by, expires_at] = cells(row)?;
    Ok(Some(Invitation {
        email: email.text()?,
        roles: serde_json::from_str(&roles.text()?).unwrap_or_default(),
        invited_by: invited_by.text()?,
        expires_at: super::time(expires_at)?,
    }))
}

/// Takes an invitation; false when it was taken before.
pub(crate) async fn take(conn: &mut Conn, hash: Vec<u8>) -> Result<bool, DbError> {
    let sql = "DELETE FROM invitation WHERE hash = $1 RETURNING email";
    Ok(conn.query_opt(sql, &[Value::Blob(hash)]).await?.is_some())
}
