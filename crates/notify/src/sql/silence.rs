//! The table `silence`, and the silences that hold now.

use forebay_db::log::read::cells;
use forebay_db::{Conn, DbError, Row};
use forebay_filter::{Env, Filter, Scope, View};
use forebay_model::time::Timestamp;
use serde_json::{Value, json};

const COLUMNS: &str = "id, owner, matcher, comment, starts_at, ends_at, created_at";
/// The most that are looked at for each alert.
pub(crate) const MOST: i64 = 1_000;

/// A silence as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) id: String,
    pub(crate) owner: String,
    /// A filter over an alert: `data.rule == "cpu"`.
    pub(crate) matcher: String,
    pub(crate) comment: String,
    pub(crate) starts_at: Timestamp,
    pub(crate) ends_at: Timestamp,
    pub(crate) created_at: Timestamp,
}

pub(crate) async fn insert(conn: &mut Conn, silence: &Kept) -> Result<(), DbError> {
    let sql = "INSERT INTO silence (id, owner, matcher, comment, starts_at, ends_at, created_at) \
               VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let parameters = [
        silence.id.as_str().into(),
        silence.owner.as_str().into(),
        silence.matcher.as_str().into(),
        silence.comment.as_str().into(),
        silence.starts_at.micros().into(),
        silence.ends_at.micros().into(),
        silence.created_at.micros().into(),
    ];
    conn.execute(sql, &parameters).await
}

/// Ends a silence now.
pub(crate) async fn end(conn: &mut Conn, id: &str, now: Timestamp) -> Result<(), DbError> {
    let sql = "UPDATE silence SET ends_at = $2 WHERE id = $1 AND ends_at > $2";
    conn.execute(sql, &[id.into(), now.micros().into()]).await
}

pub(crate) async fn find(conn: &mut Conn, id: &str) -> Result<Option<Kept>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM silence WHERE id = $1");
    conn.query_opt(&sql, &[id.into()]).await?.map(read).transpose()
}

/// Silences after an id: all, or those of an owner; those that are over too where `ended`.
pub(crate) async fn list(
    conn: &mut Conn,
    owner: Option<&str>,
    (after, limit): (&str, i64),
    not_ended_at: Timestamp,
) -> Result<Vec<Kept>, DbError> {
    let mut sql = format!("SELECT {COLUMNS} FROM silence WHERE id > $1 AND ends_at > $2");
    let mut parameters = vec![after.into(), not_ended_at.micros().into(), limit.into()];
    if let Some(owner) = owner {
        sql.push_str(" AND owner = $4");
        parameters.push(owner.into());
    }
    sql.push_str(" ORDER BY id LIMIT $3");
    conn.query(&sql, &parameters).await?.into_iter().map(read).collect()
}

fn read(row: Row) -> Result<Kept, DbError> {
    let [id, owner, matcher, comment, starts_at, ends_at, created_at] = cells(row)?;
    Ok(Kept {
        id: id.text()?,
        owner: owner.text()?,
        matcher: matcher.text()?,
        comment: comment.text()?,
        starts_at: Timestamp::from_micros(starts_at.int()?),
        ends_at: Timestamp::from_micros(ends_at.int()?),
        created_at: Timestamp::from_micros(created_at.int()?),
    })
}

/// The silences that hold at a time.
#[derive(Debug, Default)]
pub(crate) struct Active(Vec<Filter>);

/// Finds them.
pub(crate) async fn active(conn: &mut Conn, now: Timestamp) -> Result<Active, DbError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM silence WHERE starts_at <= $1 AND ends_at > $1 ORDER BY id LIMIT $2"
    );
    let rows = conn.query(&sql, &[now.micros().into(), MOST.into()]).await?;
    let kept = rows.into_iter().map(read).collect::<Result<Vec<Kept>, _>>()?;
    Ok(Active(kept.iter().filter_map(|silence| compile(&silence.matcher).ok()).collect()))
}

/// Reads a matcher: a filter that sees an alert as `data`.
///
/// # Errors
/// Everything that is wrong with it.
pub(crate) fn compile(matcher: &str) -> Result<Filter, forebay_filter::Mistakes> {
    let open = json!({"type": "object"});
    Filter::compile(matcher, Scope::record(&open))
}

impl Active {
    /// Whether nobody is to be told of an alert.
    pub(crate) fn hold(&self, alert: &Value) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let data = alert.to_string();
        let view = View { id: "", seq: 0, version: 0, time: 0, received_at: 0, data: &data };
        let env = Env::at(Timestamp::from_micros(0));
        self.0.iter().any(|filter| filter.matches(&view, &env))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silence_holds_what_it_matches() {
        let matcher = r#"data.rule == "cpu" && data.group["data.host"] == "a""#;
        let active = Active(vec![compile(matcher).unwrap()]);
        assert!(active.hold(&json!({"rule": "cpu", "group": {"data.host": "a"}})));
        assert!(!active.hold(&json!({"rule": "cpu", "group": {"data.host": "b"}})));
        assert!(!active.hold(&json!({"rule": "cpu"})));
        assert!(compile("data.rule ==").is_err());
    }
}
