//! The table `attempt`.

use forebay_db::log::read::cells;
use forebay_db::{Conn, DbError, Row};
use forebay_model::time::Timestamp;

/// A try as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) number: i64,
    pub(crate) at: Timestamp,
    /// Microseconds.
    pub(crate) duration: i64,
    pub(crate) outcome: String,
    /// Of the answer; 0 without one.
    pub(crate) status: i64,
    pub(crate) excerpt: String,
}

/// The tries of a delivery, the first one first.
pub(crate) async fn list(conn: &mut Conn, delivery: &str) -> Result<Vec<Kept>, DbError> {
    let sql = "SELECT number, at, duration, outcome, status, excerpt FROM attempt \
               WHERE delivery = $1 ORDER BY number LIMIT 1000";
    let rows = conn.query(sql, &[delivery.into()]).await?;
    let read = |row: Row| {
        let [number, at, duration, outcome, status, excerpt] = cells(row)?;
        Ok(Kept {
            number: number.int()?,
            at: Timestamp::from_micros(at.int()?),
            duration: duration.int()?,
            outcome: outcome.text()?,
            status: status.int()?,
            excerpt: excerpt.text()?,
        })
    };
    rows.into_iter().map(read).collect()
}
