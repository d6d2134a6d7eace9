//! Orders as the server sorts, and the keys of records in them.
//!
//! What is missing comes last. Servers sort a missing integer as the greatest or least one there is,
//! a missing double as an infinity, a missing text as itself; so a column of integers has a second
//! key that tells a value at the end of the numbers (0) from none (1).

use forebay_filter::lower::Bound;
use serde_json::{Value as Json, json};

use super::mapping::{Field, Kind, extreme, field, is_extreme};
use crate::ask::{Cell, Order};
use crate::error::SearchError;
use crate::layout::Layout;
use forebay_filter::lower::Place;

/// How records are sorted.
pub(super) enum Sorting {
    /// The best first, of equal ones the newest.
    Score,
    /// By places.
    Keys(Vec<Sort>),
}

/// One key.
pub(super) struct Sort {
    field: Field,
    /// The second key of integers.
    extreme: Option<String>,
    descending: bool,
}

impl Sorting {
    pub(super) fn of(layout: &Layout, order: &[Order]) -> Result<Sorting, SearchError> {
        if order.is_empty() {
            return Ok(Sorting::Score);
        }
        let sort = |order: &Order| {
            let field = field(layout, order.place)?;
            let extreme = match (field.kind, order.place) {
                (Kind::Integer, Place::Column(number)) => Some(extreme(number)),
                _ => None,
            };
            Ok(Sort { field, extreme, descending: order.descending })
        };
        Ok(Sorting::Keys(order.iter().map(sort).collect::<Result<_, SearchError>>()?))
    }

    pub(super) fn json(&self) -> Json {
        let Sorting::Keys(sorts) = self else {
            return json!([{"_score": "desc"}, {"seq": "desc"}]);
        };
        let mut keys = Vec::new();
        for sort in sorts {
            let order = if sort.descending { "desc" } else { "asc" };
            keys.push(json!({sort.field.name.as_str(): {"order": order, "missing": "_last"}}));
            if let Some(extreme) = &sort.extreme {
                keys.push(json!({extreme.as_str(): {"order": "asc", "missing": 1}}));
            }
        }
        keys.into()
    }

    /// A record's keys, from what the server sorted it by.
    pub(super) fn keys(&self, sorted: &[Json]) -> Result<Vec<Cell>, SearchError> {
        let mut sorted = sorted.iter();
        let unknown = || SearchError::Internal("a hit without the keys of its order".to_owned());
        let mut next = || sorted.next().ok_or_else(unknown);
        let Sorting::Keys(sorts) = self else {
            let score = next()?.as_f64().map(Bound::Real);
            return Ok(vec![score, next()?.as_i64().map(Bound::Int)]);
        };
        let mut keys = Vec::with_capacity(sorts.len());
        for sort in sorts {
            let value = next()?;
            let is_missing = match &sort.extreme {
                Some(_) => next()?.as_i64() == Some(1) && value.as_i64() == Some(sort.missing()),
                None => sort.field.optional && value.as_i64() == Some(sort.missing()),
            };
            keys.push(if is_missing { None } else { cell(sort.field.kind, value) });
        }
        Ok(keys)
    }

    /// What the server goes on behind.
    pub(super) fn after(&self, keys: &[Cell]) -> Result<Json, SearchError> {
        let wrong = || SearchError::Internal("a position that is not of this order".to_owned());
        let Sorting::Keys(sorts) = self else {
            let [Some(Bound::Real(score)), Some(Bound::Int(seq))] = keys else {
                return Err(wrong());
            };
            return Ok(json!([score, seq]));
        };
        if keys.len() != sorts.len() {
            return Err(wrong());
        }
        let mut after: Vec<Json> = Vec::new();
        for (sort, key) in sorts.iter().zip(keys) {
            after.push(match (sort.field.kind, key) {
                (Kind::Text, Some(Bound::Text(text))) => text.as_str().into(),
                (Kind::Text, None) => Json::Null,
                (Kind::Double, Some(Bound::Real(value))) => (value + 0.0).into(),
                (Kind::Double, None) if sort.descending => "-Infinity".into(),
                (Kind::Double, None) => "Infinity".into(),
                (Kind::Whole | Kind::Integer | Kind::Boolean, Some(Bound::Int(value))) => {
                    (*value).into()
                }
                (Kind::Integer | Kind::Boolean, None) => sort.missing().into(),
                _ => return Err(wrong()),
            });
            if sort.extreme.is_some() {
                let is_value = matches!(key, Some(Bound::Int(value)) if is_extreme(*value));
                after.push(i64::from(!is_value).into());
            }
        }
        Ok(after.into())
    }
}

impl Sort {
    /// What a missing integer is sorted as.
    fn missing(&self) -> i64 {
        if self.descending { i64::MIN } else { i64::MAX }
    }
}

/// A value as the server gives it; an infinity is none.
pub(super) fn cell(kind: Kind, value: &Json) -> Cell {
    match kind {
        Kind::Text => value.as_str().map(|text| Bound::Text(text.to_owned())),
        Kind::Double => value.as_f64().filter(|value| value.is_finite()).map(Bound::Real),
        Kind::Whole | Kind::Integer | Kind::Boolean => whole(value).map(Bound::Int),
    }
}

/// An integer; some answers have it as a double.
pub(super) fn whole(value: &Json) -> Option<i64> {
    let double = || value.as_f64().filter(|value| value.fract() == 0.0 && value.abs() < EXACT);
    // The conversion is exact below 2^53.
    #[allow(clippy::cast_possible_truncation)]
    value.as_i64().or_else(|| double().map(|value| value as i64))
}

/// 2^53: integers below are doubles, each of its own.
pub(super) const EXACT: f64 = 9_007_199_254_740_992.0;
