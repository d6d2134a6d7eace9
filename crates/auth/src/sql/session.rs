//! The table `session`.

use forebay_db::log::read::cells;
use forebay_db::{Conn, DbError, Row};
use forebay_model::time::Timestamp;

use super::time;
use crate::session::{IDLE, MOST, Session};

const SELECT: &str = "SELECT id, account, counter, rotated_at, second_factor, created_at, \
                      proven_at, last_used_at, expires_at, device, address FROM session";

/// Finds a session.
pub(crate) async fn find(conn: &mut Conn, id: &str) -> Result<Option<Session>, DbError> {
    let row = conn.query_opt(&format!("{SELECT} WHERE id = $1"), &[id.into()]).await?;
    row.map(session).transpose()
}

/// An account's sessions, the last used first.
pub(crate) async fn of_account(conn: &mut Conn, account: &str) -> Result<Vec<Session>, DbError> {
    let sql = format!("{SELECT} WHERE account = $1 ORDER BY last_used_at DESC, id LIMIT 1000");
    conn.query(&sql, &[account.into()]).await?.into_iter().map(session).collect()
}

fn session(row: Row) -> Result<Session, DbError> {
    let [id, account, counter, rotated, second, created, proven, used, expires, device, address] =
        cells(row)?;
    Ok(Session {
        id: id.text()?,
        account: account.text()?,
        counter: counter.int()?,
        rotated_at: time(rotated)?,
        second_factor: second.int()? == 1,
        created_at: time(created)?,
        proven_at: time(proven)?,
        last_used_at: time(used)?,
        expires_at: time(expires)?,
        device: device.text()?,
        address: address.text()?,
    })
}

/// Writes a new session; those of the account that are over, or too many, go.
pub(crate) async fn insert(conn: &mut Conn, session: &Session) -> Result<(), DbError> {
    let now = session.created_at;
    let others = of_account(conn, &session.account).await?;
    let (good, over): (Vec<_>, Vec<_>) = others.into_iter().partition(|other| other.is_good(now));
    for gone in over.iter().chain(good.iter().skip(MOST - 1)) {
        delete(conn, &gone.id).await?;
    }
    let sql = "INSERT INTO session (id, account, counter, rotated_at, second_factor, created_at, \
               proven_at, last_used_at, expires_at, device, address) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    conn.execute(
        sql,
        &[
            session.id.as_str().into(),
            session.account.as_str().into(),
            session.counter.into(),
            session.rotated_at.micros().into(),
            i64::from(session.second_factor).into(),
            session.created_at.micros().into(),
            session.proven_at.micros().into(),
            session.last_used_at.micros().into(),
            session.expires_at.micros().into(),
            session.device.as_str().into(),
            session.address.as_str().into(),
        ],
    )
    .await
}

/// Moves a session from one counter to the next; false when it is not at this one, or over.
pub(crate) async fn rotate(
    conn: &mut Conn,
    id: &str,
    counter: i64,
    now: Timestamp,
) -> Result<bool, DbError> {
    let sql = "UPDATE session SET counter = counter + 1, rotated_at = $1, last_used_at = $1 \
               WHERE id = $2 AND counter = $3 AND expires_at > $1 AND last_used_at > $4 \
               RETURNING id";
    let idle = now.micros() - IDLE;
    let params = [now.micros().into(), id.into(), counter.into(), idle.into()];
    Ok(conn.query_opt(sql, &params).await?.is_some())
}

/// Notes that a second factor was shown in a session.
pub(crate) async fn prove(conn: &mut Conn, id: &str, now: Timestamp) -> Result<(), DbError> {
    let sql = "UPDATE session SET second_factor = 1, proven_at = $1 WHERE id = $2";
    conn.execute(sql, &[now.micros().into(), id.into()]).await
}

/// Notes when a session was used last.
pub(crate) async fn used(conn: &mut Conn, id: &str, at: Timestamp) -> Result<(), DbError> {
    let sql = "UPDATE session SET last_used_at = $1 WHERE id = $2 AND last_used_at < $1";
    conn.execute(sql, &[at.micros().into(), id.into()]).await
}

/// Ends a session.
pub(crate) async fn delete(conn: &mut Conn, id: &str) -> Result<(), DbError> {
    conn.execute("DELETE FROM session WHERE id = $1", &[id.into()]).await
}

/// Ends an account's sessions but one.
pub(crate) async fn delete_others(
    conn: &mut Conn,
    account: &str,
    but: &str,
) -> Result<(), DbError> {
    let sql = "DELETE FROM session WHERE account = $1 AND id <> $2";
    conn.execute(sql, &[account.into(), but.into()]).await
}
