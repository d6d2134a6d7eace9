//! The table `preference`: what somebody wants to hear of, and by which way.

use std::collections::HashMap;

use forebay_db::log::read::cells;
use forebay_db::{Conn, DbError};
use forebay_model::time::Timestamp;

/// Whether something is wanted, by account, category and channel; what is not in it was never said.
pub(crate) type Wanted = HashMap<(String, String, String), bool>;

/// Accounts of one question.
const CHUNK: usize = 500;

/// What these accounts have said.
pub(crate) async fn of(conn: &mut Conn, accounts: &[&str]) -> Result<Wanted, DbError> {
    let mut wanted = Wanted::new();
    for chunk in accounts.chunks(CHUNK) {
        let places = places(1, chunk.len());
        let sql = format!(
            "SELECT account, category, channel, wanted FROM preference WHERE account IN ({places})"
        );
        let values: Vec<_> = chunk.iter().map(|account| (*account).into()).collect();
        for row in conn.query(&sql, &values).await? {
            let [account, category, channel, is] = cells(row)?;
            let key = (account.text()?, category.text()?, channel.text()?);
            wanted.insert(key, is.int()? == 1);
        }
    }
    Ok(wanted)
}

/// Places for so many values, from a number on: `$1, $2`.
pub(crate) fn places(from: usize, count: usize) -> String {
    let all: Vec<String> = (from..from + count).map(|n| format!("${n}")).collect();
    all.join(", ")
}

/// Writes down what an account wants.
pub(crate) async fn put(
    conn: &mut Conn,
    account: &str,
    (category, channel, wanted): (&str, &str, bool),
    now: Timestamp,
) -> Result<(), DbError> {
    let sql = "INSERT INTO preference (account, category, channel, wanted, updated_at) \
               VALUES ($1, $2, $3, $4, $5) ON CONFLICT (account, category, channel) \
               DO UPDATE SET wanted = $4, updated_at = $5";
    let wanted = i64::from(wanted).into();
    let values = [account.into(), category.into(), channel.into(), wanted, now.micros().into()];
    conn.execute(sql, &values).await
}
