//! Groups of records, counted and added up by the engine.
//!
//! An engine's own sums are taken only where they are right: SQLite's sums of integers end in an
//! error beyond 64 bits, PostgreSQL's sums of doubles round at every step. So integers may be
//! added in halves, and a sum of doubles comes with how far it may be off.

use forebay_filter::lower::sql::Sql;
use forebay_filter::lower::{Bound, Condition, Key, Place};

use crate::conn::Conn;
use crate::dialect::Dialect;
use crate::error::DbError;
use crate::log::find::values;
use crate::value::{Row, Value};

/// What to group, and how.
#[derive(Debug)]
pub struct Grouping<'g> {
    /// Which records.
    pub condition: &'g Condition,
    /// Nothing beyond this seq.
    pub up_to: i64,
    /// What makes a group.
    pub keys: &'g [Key],
    /// What is asked of each.
    pub parts: &'g [Part],
    /// The most groups.
    pub limit: i64,
}

/// What is asked of each group.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// How many records.
    Count,
    /// How many have a value.
    CountOf(Place),
    /// The sum of integers; `wide` where 64 bits may not hold it.
    Whole {
        /// What is added.
        place: Place,
        /// Whether 64 bits may not hold it.
        wide: bool,
    },
    /// The sum of doubles; `signed` where some are negative and some are not.
    Real {
        /// What is added.
        place: Place,
        /// Whether both signs occur.
        signed: bool,
    },
    /// The least value.
    Least(Place),
    /// The greatest value.
    Greatest(Place),
}

/// What an engine says of a part.
#[derive(Debug, Clone, PartialEq)]
pub enum Partial {
    /// How many.
    Count(i64),
    /// An exact sum; nothing when there are no values.
    Whole(Option<i128>),
    /// A sum; nothing when there are no values.
    Real(Option<RealSum>),
    /// A value, or NULL.
    Value(Value),
}

/// A sum of doubles.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RealSum {
    /// The sum.
    pub sum: f64,
    /// How far it may be off.
    pub error: f64,
}

/// A group. The same keys may come more than once.
#[derive(Debug, Clone)]
pub struct Group {
    /// Its keys.
    pub keys: Row,
    /// One a part.
    pub partials: Vec<Partial>,
}

/// Groups the records of a stream's table that match.
pub async fn group(
    conn: &mut Conn,
    stream: i64,
    grouping: &Grouping<'_>,
) -> Result<Vec<Group>, DbError> {
    let dialect = conn.dialect();
    let sql = select(dialect, stream, grouping);
    let rows = conn.query(&sql.text, &values(&sql)).await?;
    rows.into_iter().map(|row| read(dialect, grouping, row)).collect()
}

/// The bits of positions that are added up in one block, where doubles are added up in blocks.
///
/// PostgreSQL rounds at each step, so that the error grows with the length of a sum. It weighs more
/// where values of both signs cancel out.
fn block_bits(dialect: Dialect, grouping: &Grouping<'_>) -> Option<u32> {
    let doubles = grouping.parts.iter().filter_map(|part| match part {
        Part::Real { signed, .. } => Some(if *signed { 16 } else { 21 }),
        _ => None,
    });
    let bits = doubles.min()?;
    (dialect == Dialect::Postgres && grouping.up_to >> bits > 0).then_some(bits)
}

fn select(dialect: Dialect, stream: i64, grouping: &Grouping<'_>) -> Sql {
    let mut sql = Sql::default();
    sql.push("SELECT ");
    let mut keys = grouping.keys.len();
    for key in grouping.keys {
        write_key(&mut sql, key);
        sql.push(", ");
    }
    if let Some(bits) = block_bits(dialect, grouping) {
        sql.push(&format!("seq >> {bits}, "));
        keys += 1;
    }
    for (at, part) in grouping.parts.iter().enumerate() {
        sql.push(if at > 0 { ", " } else { "" });
        write_part(&mut sql, dialect, part);
    }
    sql.push(if grouping.parts.is_empty() { "1" } else { "" });
    sql.push(&format!(" FROM s{stream} WHERE "));
    sql.condition(stream, grouping.condition);
    sql.push(" AND seq <= ");
    sql.bind(Bound::Int(grouping.up_to));
    for at in 1..=keys {
        // By their place: an expression with parameters would not be known again.
        sql.push(&format!("{} {at}", if at == 1 { " GROUP BY" } else { "," }));
    }
    sql.push(" LIMIT ");
    sql.bind(Bound::Int(grouping.limit));
    sql
}

fn write_key(sql: &mut Sql, key: &Key) {
    match key {
        Key::Value(place) => sql.place(*place),
        Key::Step { place, shift, step } => {
            sql.push("(");
            sql.place(*place);
            sql.push(" + ");
            sql.bind(Bound::Int(*shift));
            sql.push(") / ");
            sql.bind(Bound::Int(*step));
        }
        Key::Range(place, bounds) => {
            sql.push("CASE WHEN ");
            sql.place(*place);
            sql.push(" IS NULL THEN NULL");
            for (at, bound) in bounds.iter().enumerate() {
                sql.push(" WHEN ");
                sql.place(*place);
                sql.push(" < ");
                sql.bind(bound.clone());
                sql.push(&format!(" THEN {at}"));
            }
            sql.push(&format!(" ELSE {} END", bounds.len()));
        }
    }
}

fn write_part(sql: &mut Sql, dialect: Dialect, part: &Part) {
    let mut call = |before: &str, place: Place, after: &str| {
        sql.push(before);
        sql.place(place);
        sql.push(after);
    };
    match (part, dialect) {
        (Part::Count, _) => sql.push("count(*)"),
        (Part::CountOf(place), _) => call("count(", *place, ")"),
        (Part::Least(place), _) => call("min(", *place, ")"),
        (Part::Greatest(place), _) => call("max(", *place, ")"),
        (Part::Whole { place, .. }, Dialect::Postgres) => {
            call("CAST(sum(", *place, ") AS TEXT)");
        }
        (Part::Whole { place, wide: false }, Dialect::Sqlite) => call("sum(", *place, ")"),
        (Part::Whole { place, wide: true }, Dialect::Sqlite) => {
            call("sum(", *place, &format!(" >> {HALF}), "));
            call("sum(", *place, &format!(" & {LOW})"));
        }
        (Part::Real { place, signed }, _) => {
            call("sum(", *place, ")");
            if *signed {
                call(", sum(abs(", *place, "))");
            }
        }
    }
}

/// The bits of the lower half of an integer, and their mask.
const HALF: u32 = 32;
const LOW: i64 = (1 << HALF) - 1;

fn read(dialect: Dialect, grouping: &Grouping<'_>, row: Row) -> Result<Group, DbError> {
    let mut cells = row.into_iter();
    let keys = cells.by_ref().take(grouping.keys.len()).collect();
    if block_bits(dialect, grouping).is_some() {
        cells.next();
    }
    let mut next = || cells.next().ok_or_else(|| DbError::Internal("a cell is missing".into()));
    let longest = block_bits(dialect, grouping).map_or(grouping.up_to, |bits| 1 << bits);
    let share = error_of(dialect, longest);
    let parts = grouping.parts.iter().map(|part| read_part(dialect, part, share, &mut next));
    Ok(Group { keys, partials: parts.collect::<Result<_, DbError>>()? })
}

fn read_part(
    dialect: Dialect,
    part: &Part,
    share: f64,
    next: &mut impl FnMut() -> Result<Value, DbError>,
) -> Result<Partial, DbError> {
    Ok(match part {
        Part::Count | Part::CountOf(_) => Partial::Count(next()?.int()?),
        Part::Least(_) | Part::Greatest(_) => Partial::Value(next()?),
        Part::Whole { wide: true, .. } if dialect == Dialect::Sqlite => {
            let (high, low) = (whole(next()?)?, whole(next()?)?);
            Partial::Whole(high.zip(low).map(|(high, low)| (high << HALF) + low))
        }
        Part::Whole { .. } => Partial::Whole(whole(next()?)?),
        Part::Real { signed, .. } => {
            let sum = real(next()?)?;
            let absolute = if *signed { real(next()?)? } else { sum.map(f64::abs) };
            let sums = sum.zip(absolute);
            Partial::Real(sums.map(|(sum, absolute)| RealSum { sum, error: absolute * share }))
        }
    })
}

/// How far a sum of as many doubles may be off, as a share of the sum of their absolute values.
///
/// PostgreSQL rounds at each step (Higham 2002, section 4.2); SQLite compensates, as Neumaier does.
#[allow(clippy::cast_precision_loss, reason = "a bound, and far from it")]
fn error_of(dialect: Dialect, count: i64) -> f64 {
    match dialect {
        Dialect::Postgres => count as f64 * f64::EPSILON,
        Dialect::Sqlite => 8.0 * f64::EPSILON,
    }
}

fn whole(value: Value) -> Result<Option<i128>, DbError> {
    match value {
        Value::Int(sum) => Ok(Some(sum.into())),
        Value::Text(digits) => digits.parse().map(Some).map_err(|_| unexpected("a sum", &digits)),
        Value::Null(_) => Ok(None),
        other => Err(unexpected("a sum", &other)),
    }
}

fn real(value: Value) -> Result<Option<f64>, DbError> {
    match value {
        Value::Real(sum) => Ok(Some(sum)),
        Value::Null(_) => Ok(None),
        other => Err(unexpected("a sum", &other)),
    }
}

fn unexpected(what: &str, found: &impl std::fmt::Debug) -> DbError {
    DbError::Internal(format!("expected {what}, read {found:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_of_both_engines() {
        let (c1, c2) = (Place::Column(1), Place::Column(2));
        let keys = [
            Key::Value(c1),
            Key::Step { place: Place::Time, shift: 9, step: 5 },
            Key::Range(c2, vec![Bound::Int(0), Bound::Real(2.5)]),
        ];
        let parts = [
            Part::Count,
            Part::Whole { place: c1, wide: true },
            Part::Real { place: c2, signed: true },
            Part::Least(c1),
        ];
        let grouping = Grouping {
            condition: &Condition::All,
            up_to: 3_000_000,
            keys: &keys,
            parts: &parts,
            limit: 10,
        };
        let keys = "SELECT c1, (time + $1) / $2, CASE WHEN c2 IS NULL THEN NULL \
                    WHEN c2 < $3 THEN 0 WHEN c2 < $4 THEN 1 ELSE 2 END, ";
        let rest = "sum(c2), sum(abs(c2)), min(c1) FROM s7 WHERE 1 = 1 AND seq <= $5";
        assert_eq!(
            select(Dialect::Sqlite, 7, &grouping).text,
            format!(
                "{keys}count(*), sum(c1 >> 32), sum(c1 & 4294967295), {rest} \
                 GROUP BY 1, 2, 3 LIMIT $6"
            )
        );
        assert_eq!(
            select(Dialect::Postgres, 7, &grouping).text,
            format!(
                "{keys}seq >> 16, count(*), CAST(sum(c1) AS TEXT), {rest} \
                 GROUP BY 1, 2, 3, 4 LIMIT $6"
            )
        );
    }
}
