//! What is old goes: deliveries that have ended, with their tries, and what they told.

use forebay_db::log::read::cells;
use forebay_db::{Conn, DbError};
use forebay_model::time::Timestamp;

/// Rows of a step.
const STEP: i64 = 200;

/// Clears some deliveries that ended before a time, with their tries; false when none is left.
pub(crate) async fn deliveries(conn: &mut Conn, before: Timestamp) -> Result<bool, DbError> {
    let sql = "SELECT id FROM delivery WHERE state > 1 AND done_at < $1 ORDER BY done_at LIMIT $2";
    let ended = conn.query(sql, &[before.micros().into(), STEP.into()]).await?;
    for row in &ended {
        conn.execute("DELETE FROM attempt WHERE delivery = $1", row).await?;
        conn.execute("DELETE FROM delivery WHERE id = $1", row).await?;
    }
    Ok(!ended.is_empty())
}

/// Clears some notifications that were written between two times and whose deliveries are gone. What
/// has waited since then, for a channel that is switched off, is given up. Gives where the next step
/// begins.
pub(crate) async fn notifications(
    conn: &mut Conn,
    (after, before): (Timestamp, Timestamp),
    now: Timestamp,
) -> Result<Option<Timestamp>, DbError> {
    let sql = "SELECT id, created_at FROM notification \
               WHERE created_at >= $1 AND created_at < $2 ORDER BY created_at LIMIT $3";
    let params = [after.micros().into(), before.micros().into(), STEP.into()];
    let (mut last, mut gone) = (None, false);
    for row in conn.query(sql, &params).await? {
        let [id, created_at] = cells(row)?;
        let sql = "UPDATE delivery SET state = 3, done_at = $2 \
                   WHERE notification = $1 AND state = 0";
        conn.execute(sql, &[id.clone(), now.micros().into()]).await?;
        let sql = "DELETE FROM notification WHERE id = $1 \
                   AND NOT EXISTS (SELECT 1 FROM delivery WHERE notification = $1) RETURNING id";
        gone |= conn.query_opt(sql, &[id]).await?.is_some();
        last = Some(Timestamp::from_micros(created_at.int()?));
    }
    // Where all of a step were written at once and stay, the next begins behind them.
    let behind = |last: Timestamp| Timestamp::from_micros(last.micros() + 1);
    Ok(last.map(|last| if last == after && !gone { behind(last) } else { last }))
}
