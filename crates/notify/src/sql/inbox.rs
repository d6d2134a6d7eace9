//! The tables `inbox` and `inbox_head`.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

use forebay_db::log::read::cells;
use forebay_db::{Conn, DbError, Dialect, Each, Insert, Kind, Row, Value};
use forebay_model::time::Timestamp;

use super::preference::places;

const COLUMNS: [(&str, Kind); 9] = [
    ("account", Kind::Text),
    ("seq", Kind::Int),
    ("notification", Kind::Text),
    ("category", Kind::Text),
    ("title", Kind::Text),
    ("body", Kind::Text),
    ("link", Kind::Text),
    ("read_at", Kind::Int),
    ("created_at", Kind::Int),
];
const HEAD: [(&str, Kind); 3] =
    [("account", Kind::Text), ("seq", Kind::Int), ("changes", Kind::Int)];
const ADVANCE: Each = Each {
    one: "UPDATE inbox_head SET seq = $2, changes = changes + 1 WHERE account = $1",
    many: "UPDATE inbox_head SET seq = n.seq, changes = changes + 1 \
           FROM UNNEST($1::text[], $2::bigint[]) AS n (account, seq) \
           WHERE inbox_head.account = n.account",
    kinds: &[Kind::Text, Kind::Int],
};
/// Accounts of one question.
const CHUNK: usize = 400;

/// An item that is to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct New {
    pub(crate) account: String,
    pub(crate) notification: String,
    pub(crate) category: String,
    pub(crate) title: String,
    pub(crate) body: String,
    pub(crate) link: String,
}

/// An item as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) seq: i64,
    pub(crate) category: String,
    pub(crate) title: String,
    pub(crate) body: String,
    pub(crate) link: String,
    pub(crate) read: bool,
    pub(crate) created_at: Timestamp,
}

/// Writes items in the caller's transaction; what is there already stays. All of a transaction are
/// written at once: accounts are locked in their order, so that two never wait for each other.
pub(crate) async fn insert(conn: &mut Conn, new: Vec<New>, now: Timestamp) -> Result<(), DbError> {
    let mut by_account: BTreeMap<String, Vec<New>> = BTreeMap::new();
    for one in new {
        by_account.entry(one.account.clone()).or_default().push(one);
    }
    let accounts: Vec<String> = by_account.keys().cloned().collect();
    for chunk in accounts.chunks(CHUNK) {
        let mut heads = lock(conn, chunk).await?;
        let there = there(conn, chunk, &by_account).await?;
        let mut rows = Vec::new();
        let mut moved = BTreeMap::new();
        for account in chunk {
            for one in by_account.remove(account).unwrap_or_default() {
                if there.contains(&(account.clone(), one.notification.clone())) {
                    continue;
                }
                let head = heads.entry(account.clone()).or_default();
                *head += 1;
                moved.insert(account.clone(), *head);
                rows.push(row(one, *head, now));
            }
        }
        let columns = COLUMNS.iter().map(|(name, kind)| (Cow::Borrowed(*name), *kind)).collect();
        conn.insert(Insert { table: Cow::Borrowed("inbox"), columns, rows }).await?;
        let moved = moved.into_iter().map(|(account, seq)| vec![account.into(), seq.into()]);
        conn.each(ADVANCE, moved.collect()).await?;
    }
    Ok(())
}

fn row(new: New, seq: i64, now: Timestamp) -> Row {
    vec![
        new.account.into(),
        seq.into(),
        new.notification.into(),
        new.category.into(),
        new.title.into(),
        new.body.into(),
        new.link.into(),
        0.into(),
        now.micros().into(),
    ]
}

/// Holds the heads of accounts until the transaction ends.
async fn lock(conn: &mut Conn, accounts: &[String]) -> Result<BTreeMap<String, i64>, DbError> {
    let rows = accounts.iter().map(|a| vec![a.as_str().into(), 0.into(), 0.into()]).collect();
    let columns = HEAD.iter().map(|(name, kind)| (Cow::Borrowed(*name), *kind)).collect();
    conn.insert_new(Insert { table: Cow::Borrowed("inbox_head"), columns, rows }).await?;
    let lock = if conn.dialect() == Dialect::Sqlite { "" } else { " FOR UPDATE" };
    let places = places(1, accounts.len());
    let sql = format!(
        "SELECT account, seq FROM inbox_head WHERE account IN ({places}) ORDER BY account{lock}"
    );
    let values: Vec<Value> = accounts.iter().map(|account| account.as_str().into()).collect();
    let rows = conn.query(&sql, &values).await?;
    let read = |row| cells(row).and_then(|[account, seq]| Ok((account.text()?, seq.int()?)));
    rows.into_iter().map(read).collect()
}

/// Which of what is to be told is there already.
async fn there(
    conn: &mut Conn,
    accounts: &[String],
    new: &BTreeMap<String, Vec<New>>,
) -> Result<HashSet<(String, String)>, DbError> {
    let wanted = accounts.iter().filter_map(|account| new.get(account)).flatten();
    let ids: HashSet<&str> = wanted.map(|one| one.notification.as_str()).collect();
    let ids: Vec<&str> = ids.into_iter().collect();
    let mut there = HashSet::new();
    for some in ids.chunks(CHUNK) {
        let sql = format!(
            "SELECT account, notification FROM inbox WHERE account IN ({}) \
             AND notification IN ({})",
            places(1, accounts.len()),
            places(accounts.len() + 1, some.len()),
        );
        let values = accounts.iter().map(String::as_str).chain(some.iter().copied());
        let values: Vec<Value> = values.map(Value::from).collect();
        for row in conn.query(&sql, &values).await? {
            let [account, notification] = cells(row)?;
            there.insert((account.text()?, notification.text()?));
        }
    }
    Ok(there)
}

const SELECT: &str =
    "SELECT seq, category, title, body, link, read_at, created_at FROM inbox WHERE account = $1";

/// Which items are meant.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wanted<'w> {
    pub(crate) unread: bool,
    pub(crate) category: Option<&'w str>,
}

/// Items before a number, the newest first.
pub(crate) async fn list(
    conn: &mut Conn,
    account: &str,
    wanted: Wanted<'_>,
    (before, limit): (i64, i64),
) -> Result<Vec<Kept>, DbError> {
    let mut sql = format!("{SELECT} AND seq < $2");
    let mut values: Vec<Value> = vec![account.into(), before.into(), limit.into()];
    if wanted.unread {
        sql.push_str(" AND read_at = 0");
    }
    if let Some(category) = wanted.category {
        sql.push_str(" AND category = $4");
        values.push(category.into());
    }
    sql.push_str(" ORDER BY seq DESC LIMIT $3");
    conn.query(&sql, &values).await?.into_iter().map(read).collect()
}

/// Items after a number, the oldest first.
pub(crate) async fn after(
    conn: &mut Conn,
    account: &str,
    after: i64,
    limit: i64,
) -> Result<Vec<Kept>, DbError> {
    let sql = format!("{SELECT} AND seq > $2 ORDER BY seq LIMIT $3");
    let rows = conn.query(&sql, &[account.into(), after.into(), limit.into()]).await?;
    rows.into_iter().map(read).collect()
}

fn read(row: Row) -> Result<Kept, DbError> {
    let [seq, category, title, body, link, read_at, created_at] = cells(row)?;
    Ok(Kept {
        seq: seq.int()?,
        category: category.text()?,
        title: title.text()?,
        body: body.text()?,
        link: link.text()?,
        read: read_at.int()? > 0,
        created_at: Timestamp::from_micros(created_at.int()?),
    })
}

/// How many items of each category are unread.
pub(crate) async fn unread(conn: &mut Conn, account: &str) -> Result<Vec<(String, i64)>, DbError> {
    let sql = "SELECT category, count(*) FROM inbox WHERE account = $1 AND read_at = 0 \
               GROUP BY category ORDER BY category";
    let rows = conn.query(sql, &[account.into()]).await?;
    let read = |row| cells(row).and_then(|[category, n]| Ok((category.text()?, n.int()?)));
    rows.into_iter().map(read).collect()
}

/// Marks one item; false when there is none.
pub(crate) async fn mark(
    conn: &mut Conn,
    account: &str,
    seq: i64,
    now: Timestamp,
) -> Result<bool, DbError> {
    changed(conn, account).await?;
    let sql = "UPDATE inbox SET read_at = CASE read_at WHEN 0 THEN $3 ELSE read_at END \
               WHERE account = $1 AND seq = $2 RETURNING seq";
    let values = [account.into(), seq.into(), now.micros().into()];
    Ok(conn.query_opt(sql, &values).await?.is_some())
}

/// Marks items, of a category or all; how many were unread.
pub(crate) async fn mark_all(
    conn: &mut Conn,
    account: &str,
    category: Option<&str>,
    now: Timestamp,
) -> Result<usize, DbError> {
    changed(conn, account).await?;
    let mut sql = String::from("UPDATE inbox SET read_at = $2 WHERE account = $1 AND read_at = 0");
    let mut values: Vec<Value> = vec![account.into(), now.micros().into()];
    if let Some(category) = category {
        sql.push_str(" AND category = $3");
        values.push(category.into());
    }
    sql.push_str(" RETURNING seq");
    Ok(conn.query(&sql, &values).await?.len())
}

/// Lets whoever follows look again. First: so that all lock in the same order.
async fn changed(conn: &mut Conn, account: &str) -> Result<(), DbError> {
    let sql = "UPDATE inbox_head SET changes = changes + 1 WHERE account = $1";
    conn.execute(sql, &[account.into()]).await
}

/// How far some inboxes are: the last number, and how often something has changed.
pub(crate) async fn heads(
    conn: &mut Conn,
    accounts: &[String],
) -> Result<Vec<(String, i64, i64)>, DbError> {
    let mut found = Vec::new();
    for chunk in accounts.chunks(CHUNK) {
        let sql = format!(
            "SELECT account, seq, changes FROM inbox_head WHERE account IN ({})",
            places(1, chunk.len())
        );
        let values: Vec<Value> = chunk.iter().map(|account| account.as_str().into()).collect();
        for row in conn.query(&sql, &values).await? {
            let [account, seq, changes] = cells(row)?;
            found.push((account.text()?, seq.int()?, changes.int()?));
        }
    }
    Ok(found)
}

/// Deletes some items that are older than a time; whether there may be more.
pub(crate) async fn sweep(conn: &mut Conn, before: Timestamp) -> Result<bool, DbError> {
    const STEP: usize = 500;
    let sql = "SELECT account, seq FROM inbox WHERE created_at < $1 ORDER BY created_at LIMIT 500";
    let rows = conn.query(sql, &[before.micros().into()]).await?;
    let more = rows.len() == STEP;
    let delete = Each {
        one: "DELETE FROM inbox WHERE account = $1 AND seq = $2",
        many: "DELETE FROM inbox USING UNNEST($1::text[], $2::bigint[]) AS n (account, seq) \
               WHERE inbox.account = n.account AND inbox.seq = n.seq",
        kinds: &[Kind::Text, Kind::Int],
    };
    conn.each(delete, rows).await?;
    Ok(more)
}
