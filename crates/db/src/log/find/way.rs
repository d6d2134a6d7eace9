//! Which way to look where the condition and the order ask for different indexes. PostgreSQL knows how
//! many records a condition leaves, and chooses by itself; SQLite is helped.

use forebay_filter::ast::Operator;
use forebay_filter::lower::sql::Sql;
use forebay_filter::lower::{Bound, Condition, Place, Test};

use super::{Find, Found, count, found, select, values};
use crate::conn::Conn;
use crate::dialect::Dialect;
use crate::error::DbError;
use crate::value::Value;

/// How candidates are found where the condition and the order ask for different indexes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// As the engine likes.
    Free,
    /// By an index of the condition; then they are sorted.
    Sorted,
    /// Along the order, and no further than so many positions.
    Near(i64),
}

/// So few candidates are sorted; more are found sooner along the order.
const FEW: i64 = 500;

/// Positions that are looked at first, along the order: what many records match, an access rule above
/// all, is found there, and nothing needs to be counted.
const NEAR: i64 = 256;

/// What is found near where the search begins, if that is all that is asked for, or all there is.
pub(super) async fn near(
    conn: &mut Conn,
    stream: i64,
    find: &Find<'_>,
) -> Result<Option<Vec<Found>>, DbError> {
    let Some(far) = reach(conn.dialect(), find) else { return Ok(None) };
    let sql = select(stream, find, None, Way::Near(far));
    let rows = conn.query(&sql.text, &values(&sql)).await?;
    let over = if find.order[0].descending { far <= 1 } else { far >= find.up_to };
    let full = i64::try_from(rows.len()).is_ok_and(|rows| rows >= find.limit);
    if !over && !full {
        return Ok(None);
    }
    rows.into_iter().map(found).collect::<Result<_, _>>().map(Some)
}

/// The last position to look at first, where that is worth a try.
pub(super) fn reach(dialect: Dialect, find: &Find<'_>) -> Option<i64> {
    let by_seq = find.order.first().filter(|key| key.place == Place::Seq)?;
    if find.few || dialect == Dialect::Postgres || is_served(find) || find.limit > NEAR / 2 {
        return None;
    }
    let after = find.after.as_ref().and_then(|after| match after.first() {
        Some(Value::Int(seq)) => Some(*seq),
        _ => None,
    });
    Some(if by_seq.descending {
        let from = after.unwrap_or(i64::MAX).min(find.up_to.saturating_add(1));
        from.saturating_sub(NEAR)
    } else {
        after.unwrap_or(0).saturating_add(NEAR)
    })
}

impl Way {
    /// What forbids all indexes but the order's own.
    pub(super) fn table(self) -> &'static str {
        if matches!(self, Way::Near(_)) { " NOT INDEXED" } else { "" }
    }

    /// Writes where the search ends.
    pub(super) fn bound(self, descending: bool, sql: &mut Sql) {
        if let Way::Near(far) = self {
            sql.push(if descending { " AND seq >= " } else { " AND seq <= " });
            sql.bind(Bound::Int(far));
        }
    }
}

/// Chooses a way: SQLite is asked for the first few that a condition leaves.
pub(super) async fn way(conn: &mut Conn, stream: i64, find: &Find<'_>) -> Result<Way, DbError> {
    if conn.dialect() == Dialect::Postgres {
        return Ok(Way::Free);
    }
    if find.few {
        return Ok(Way::Sorted);
    }
    if is_served(find) {
        return Ok(Way::Free);
    }
    let candidates = count(conn, stream, find.condition, (i64::MAX, Some(FEW + 1))).await?;
    Ok(if candidates <= FEW { Way::Sorted } else { Way::Free })
}

/// Whether one index gives both the condition and the order.
fn is_served(find: &Find<'_>) -> bool {
    let tests = match find.condition {
        Condition::And(parts) => parts.as_slice(),
        other => std::slice::from_ref(other),
    };
    let Some(first) = find.order.first() else { return true };
    tests.iter().any(|test| match test {
        Condition::All | Condition::None => true,
        Condition::Test(place, _) if *place == first.place => true,
        // The index of a column goes on by seq.
        Condition::Test(Place::Column(_), Test::Compare(Operator::Equal, _)) => {
            first.place == Place::Seq
        }
        _ => false,
    })
}
