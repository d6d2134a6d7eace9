//! The table `signing_key`.

use forebay_db::log::read::cells;
use forebay_db::{Conn, DbError, Value};
use forebay_model::time::Timestamp;

use super::time;
use crate::token::keyring::Times;

/// A key as it is kept.
pub(crate) struct Kept {
    pub(crate) kid: String,
    pub(crate) sealed: Vec<u8>,
    pub(crate) times: Times,
}

/// All keys; there are a few.
pub(crate) async fn all(conn: &mut Conn) -> Result<Vec<Kept>, DbError> {
    let sql = "SELECT kid, sealed, active_at, retiring_at, gone_at FROM signing_key \
               ORDER BY active_at DESC LIMIT 100";
    let rows = conn.query(sql, &[]).await?;
    let kept = rows.into_iter().map(|row| {
        let [kid, sealed, active_at, retiring_at, gone_at] = cells(row)?;
        let times = Times {
            active_at: time(active_at)?,
            retiring_at: time(retiring_at)?,
            gone_at: time(gone_at)?,
        };
        Ok(Kept { kid: kid.text()?, sealed: sealed.blob()?, times })
    });
    kept.collect()
}

/// Writes a new key.
pub(crate) async fn insert(conn: &mut Conn, key: &Kept) -> Result<(), DbError> {
    let sql = "INSERT INTO signing_key (kid, sealed, active_at, retiring_at, gone_at) \
               VALUES ($1, $2, $3, $4, $5)";
    conn.execute(
        sql,
        &[
            key.kid.as_str().into(),
            Value::Blob(key.sealed.clone()),
            key.times.active_at.micros().into(),
            key.times.retiring_at.micros().into(),
            key.times.gone_at.micros().into(),
        ],
    )
    .await
}

/// Strikes out the keys that are gone.
pub(crate) async fn strike(conn: &mut Conn, now: Timestamp) -> Result<(), DbError> {
    let sql = "DELETE FROM signing_key WHERE gone_at <= $1";
    conn.execute(sql, &[now.micros().into()]).await
}
