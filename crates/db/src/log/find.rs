//! Finding records: a condition, an order, and a place to go on from.

mod way;

use forebay_filter::lower::sql::Sql;
use forebay_filter::lower::{Bound, Condition, Place};
use forebay_model::record::Record;

use crate::conn::Conn;
use crate::dialect::Dialect;
use crate::error::DbError;
use crate::log::read::record;
use crate::value::{Row, Value};
use way::{Way, near, reach, way};

/// One key of an order. Missing values come last, whichever way it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// What is ordered by.
    pub place: Place,
    /// Greatest first.
    pub descending: bool,
}

impl Key {
    /// Whether records may lack it.
    fn is_nullable(self) -> bool {
        matches!(self.place, Place::Column(_))
    }

    /// Writes its expression. Ids that come first are ordered as in their own table (`listed`).
    fn write(self, listed: bool, sql: &mut Sql) {
        match self.place {
            Place::Id if listed => sql.push("listed_id"),
            place => sql.place(place),
        }
    }
}

/// What to find.
#[derive(Debug, Clone)]
pub struct Find<'f> {
    /// What engines narrow by.
    pub condition: &'f Condition,
    /// The order; its last key is `seq` or `id`, so that no two records share a position.
    pub order: &'f [Key],
    /// Nothing beyond this seq.
    pub up_to: i64,
    /// The keys of the record to go on behind; NULL for a missing one.
    pub after: Option<Vec<Value>>,
    /// The most records.
    pub limit: i64,
    /// Whether the condition is known to leave few, so that they are sorted rather than sought along
    /// the order.
    pub few: bool,
}

/// A record with its position in the order.
#[derive(Debug, Clone)]
pub struct Found {
    /// The record.
    pub record: Record,
    /// Its keys.
    pub keys: Vec<Value>,
}

/// Finds records of a stream's table, in order.
///
/// An index leaves out the records that lack its field. So an order that begins with such a field
/// is read in two parts: those that have it, by the index, then those that lack it.
pub async fn find(conn: &mut Conn, stream: i64, find: Find<'_>) -> Result<Vec<Found>, DbError> {
    let Some(first) = find.order.first().filter(|key| key.is_nullable()) else {
        return part(conn, stream, &find, None).await;
    };
    let mut found = Vec::new();
    let among_missing =
        find.after.as_ref().is_some_and(|keys| matches!(keys.first(), Some(Value::Null(_))));
    if !among_missing {
        found = part(conn, stream, &find, Some((first.place, true))).await?;
    }
    let left = find.limit - i64::try_from(found.len()).unwrap_or(find.limit);
    if left > 0 {
        let after = if among_missing { find.after.clone() } else { None };
        let rest = Find { after, limit: left, ..find };
        found.extend(part(conn, stream, &rest, Some((first.place, false))).await?);
    }
    Ok(found)
}

/// How the engine would find them: its plan, a line each.
pub async fn plan(conn: &mut Conn, stream: i64, find: &Find<'_>) -> Result<Vec<String>, DbError> {
    let present = find.order.first().filter(|key| key.is_nullable()).map(|key| (key.place, true));
    let way = way(conn, stream, find).await?;
    let sql = select(stream, find, present, way);
    let mut lines = conn.explain(&sql.text, &values(&sql)).await?;
    if let Some(far) = reach(conn.dialect(), find) {
        lines.insert(0, format!("FIRST AS FAR AS seq {far}, ALONG THE ORDER; THEN"));
    }
    Ok(lines)
}

/// Counts the candidates of a condition, up to a bound.
pub async fn count(
    conn: &mut Conn,
    stream: i64,
    condition: &Condition,
    (up_to, most): (i64, Option<i64>),
) -> Result<i64, DbError> {
    let mut sql = Sql::default();
    sql.push("SELECT count(*) FROM ");
    match most {
        None => sql.push(&format!("s{stream} WHERE ")),
        Some(_) => sql.push(&format!("(SELECT 1 AS one FROM s{stream} WHERE ")),
    }
    sql.condition(stream, condition);
    sql.push(" AND seq <= ");
    sql.bind(Bound::Int(up_to));
    if let Some(most) = most {
        sql.push(" LIMIT ");
        sql.bind(Bound::Int(most));
        sql.push(") AS counted");
    }
    let row = conn.query_opt(&sql.text, &values(&sql)).await?.unwrap_or_default();
    let [count] = crate::log::read::cells(row)?;
    count.int()
}

async fn part(
    conn: &mut Conn,
    stream: i64,
    find: &Find<'_>,
    present: Option<(Place, bool)>,
) -> Result<Vec<Found>, DbError> {
    if let Some(found) = near(conn, stream, find).await? {
        return Ok(found);
    }
    let way = way(conn, stream, find).await?;
    let sql = select(stream, find, present, way);
    let rows = conn.query(&sql.text, &values(&sql)).await?;
    rows.into_iter().map(found).collect()
}

fn found(mut row: Row) -> Result<Found, DbError> {
    let keys = row.split_off(RECORD_CELLS.min(row.len()));
    Ok(Found { record: record(row)?, keys })
}

const RECORD_CELLS: usize = 6;

fn select(stream: i64, find: &Find<'_>, present: Option<(Place, bool)>, way: Way) -> Sql {
    // A unary plus keeps an index from being used for a place.
    let plain = if way == Way::Sorted { "+" } else { "" };
    let mut sql = Sql::default();
    sql.push("SELECT seq, id, version, time, received_at, data");
    let listed = !find.few && find.order.first().is_some_and(|key| key.place == Place::Id);
    for key in find.order {
        sql.push(", ");
        key.write(listed, &mut sql);
    }
    from((stream, way), listed, &mut sql);
    sql.condition(stream, find.condition);
    sql.push(&format!(" AND {plain}seq <= "));
    sql.bind(Bound::Int(find.up_to));
    way.bound(find.order.first().is_some_and(|key| key.descending), &mut sql);
    if let Some((place, is_there)) = present {
        sql.push(" AND ");
        sql.place(place);
        sql.push(if is_there { " IS NOT NULL" } else { " IS NULL" });
    }
    // Among those that lack the first key it orders nothing.
    let skipped = usize::from(matches!(present, Some((_, false))));
    let keys = &find.order[skipped.min(find.order.len())..];
    let first_is_there = matches!(present, Some((_, true)));
    if let Some(after) = &find.after {
        sql.push(" AND ");
        let after = &after[skipped.min(after.len())..];
        behind(&mut sql, keys, after, (first_is_there, listed));
    }
    order_by(&mut sql, keys, first_is_there, (listed, plain));
    sql.push(" LIMIT ");
    sql.bind(Bound::Int(find.limit));
    sql
}

fn from((stream, way): (i64, Way), listed: bool, sql: &mut Sql) {
    if !listed {
        sql.push(&format!(" FROM s{stream}{} WHERE ", way.table()));
        return;
    }
    // Only the table of ids is ordered by them; CROSS JOIN keeps it the outer one on SQLite.
    sql.push(" FROM (SELECT id AS listed_id, seq AS listed_seq FROM record_id WHERE stream = ");
    sql.bind(Bound::Int(stream));
    sql.push(&format!(") AS listed CROSS JOIN s{stream} WHERE seq = listed_seq AND "));
}

/// Writes the order; the first key needs no word about missing values when all have it.
fn order_by(sql: &mut Sql, keys: &[Key], first_is_there: bool, (listed, plain): (bool, &str)) {
    for (at, key) in keys.iter().enumerate() {
        sql.push(if at == 0 { " ORDER BY " } else { ", " });
        if key.is_nullable() && !(at == 0 && first_is_there) {
            sql.push("(");
            sql.place(key.place);
            sql.push(" IS NULL), ");
        }
        sql.push(plain);
        key.write(listed, sql);
        if key.descending {
            sql.push(" DESC");
        }
    }
}

/// Writes the condition of standing behind a position.
fn behind(sql: &mut Sql, keys: &[Key], after: &[Value], (first_is_there, listed): (bool, bool)) {
    let one_way = keys.iter().all(|k| k.descending == keys[0].descending);
    let all_there = after.iter().all(|value| !matches!(value, Value::Null(_)));
    // What is missing stands behind everything, and compares with nothing.
    let may_lack = keys.iter().skip(usize::from(first_is_there)).any(|key| key.is_nullable());
    if one_way && all_there && !may_lack && !keys.is_empty() {
        // What an index on these keys answers by one seek.
        sql.push("(");
        list(sql, keys, |sql, key, _| key.write(listed, sql));
        sql.push(if keys[0].descending { ") < (" } else { ") > (" });
        list(sql, keys, |sql, _, at| bind(sql, &after[at]));
        sql.push(")");
        return;
    }
    sql.push("(");
    for at in 0..keys.len() {
        if at > 0 {
            sql.push(" OR ");
        }
        sql.push("(");
        for (key, value) in keys.iter().zip(after).take(at) {
            same(sql, *key, value);
            sql.push(" AND ");
        }
        beyond(sql, keys[at], &after[at]);
        sql.push(")");
    }
    sql.push(")");
}

fn list(sql: &mut Sql, keys: &[Key], write: impl Fn(&mut Sql, &Key, usize)) {
    for (at, key) in keys.iter().enumerate() {
        if at > 0 {
            sql.push(", ");
        }
        write(sql, key, at);
    }
}

fn same(sql: &mut Sql, key: Key, value: &Value) {
    sql.place(key.place);
    if matches!(value, Value::Null(_)) {
        sql.push(" IS NULL");
        return;
    }
    sql.push(" = ");
    bind(sql, value);
}

fn beyond(sql: &mut Sql, key: Key, value: &Value) {
    if matches!(value, Value::Null(_)) {
        // Missing values are the last ones.
        sql.push("1 = 0");
        return;
    }
    sql.push("(");
    sql.place(key.place);
    sql.push(if key.descending { " < " } else { " > " });
    bind(sql, value);
    if key.is_nullable() {
        sql.push(" OR ");
        sql.place(key.place);
        sql.push(" IS NULL");
    }
    sql.push(")");
}

fn bind(sql: &mut Sql, value: &Value) {
    match value {
        Value::Int(value) => sql.bind(Bound::Int(*value)),
        Value::Real(value) => sql.bind(Bound::Real(*value)),
        Value::Text(text) => sql.bind(Bound::Text(text.clone())),
        // A position holds scalars; these two are written without a parameter.
        Value::Null(_) | Value::Blob(_) => sql.push("NULL"),
    }
}

/// The values of a statement's parameters.
pub fn values(sql: &Sql) -> Vec<Value> {
    sql.bounds.iter().map(Value::from).collect()
}

impl From<Bound> for Value {
    fn from(bound: Bound) -> Value {
        match bound {
            Bound::Int(value) => Value::Int(value),
            Bound::Real(value) => Value::Real(value),
            Bound::Text(text) => Value::Text(text),
        }
    }
}

impl From<&Bound> for Value {
    fn from(bound: &Bound) -> Value {
        bound.clone().into()
    }
}

impl Conn {
    /// The engine's plan for a query, a line each.
    pub async fn explain(&mut self, sql: &str, params: &[Value]) -> Result<Vec<String>, DbError> {
        let (sql, column) = match self.dialect() {
            Dialect::Sqlite => (format!("EXPLAIN QUERY PLAN {sql}"), 3),
            Dialect::Postgres => (format!("EXPLAIN {sql}"), 0),
        };
        let rows = self.query(&sql, params).await?;
        let line = |mut row: Row| (row.len() > column).then(|| row.swap_remove(column).text());
        rows.into_iter().filter_map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Kind;

    fn key(place: Place, descending: bool) -> Key {
        Key { place, descending }
    }

    fn text(order: &[Key], after: Option<Vec<Value>>, present: Option<(Place, bool)>) -> String {
        let find =
            Find { condition: &Condition::All, order, up_to: 9, after, limit: 5, few: false };
        let sql = select(1, &find, present, Way::Free).text;
        sql.split_once("seq <= $1").unwrap().1.to_owned()
    }

    #[test]
    fn positions_in_every_kind_of_order() {
        let (seq, c1, c2) = (Place::Seq, Place::Column(1), Place::Column(2));
        let null = || Value::Null(Kind::Int);
        assert_eq!(
            text(&[key(seq, true)], Some(vec![4.into()]), None),
            " AND (seq) < ($2) ORDER BY seq DESC LIMIT $3"
        );
        let by_one = [key(c1, true), key(seq, true)];
        assert_eq!(
            text(&by_one, Some(vec![Value::Real(1.5), 4.into()]), Some((c1, true))),
            " AND c1 IS NOT NULL AND (c1, seq) < ($2, $3) ORDER BY c1 DESC, seq DESC LIMIT $4"
        );
        assert_eq!(
            text(&by_one, Some(vec![null(), 4.into()]), Some((c1, false))),
            " AND c1 IS NULL AND (seq) < ($2) ORDER BY seq DESC LIMIT $3"
        );
        let by_two = [key(c1, false), key(c2, true), key(seq, false)];
        assert_eq!(
            text(&by_two, Some(vec![1.into(), null(), 4.into()]), Some((c1, true))),
            " AND c1 IS NOT NULL AND (((c1 > $2 OR c1 IS NULL)) OR (c1 = $3 AND 1 = 0) OR \
             (c1 = $4 AND c2 IS NULL AND (seq > $5))) \
             ORDER BY c1, (c2 IS NULL), c2 DESC, seq LIMIT $6"
        );
        let by_id = [key(c1, false), key(Place::Id, false)];
        assert_eq!(
            text(&by_id, None, Some((c1, false))),
            " AND c1 IS NULL ORDER BY id LIMIT $2",
            "the table of ids is not asked"
        );
        assert_eq!(
            text(&by_two, Some(vec![null(), 2.into(), 4.into()]), Some((c1, false))),
            " AND c1 IS NULL AND (((c2 < $2 OR c2 IS NULL)) OR (c2 = $3 AND (seq > $4))) \
             ORDER BY (c2 IS NULL), c2 DESC, seq LIMIT $5"
        );
    }
}
