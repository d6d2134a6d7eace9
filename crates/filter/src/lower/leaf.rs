//! One place against constants: what an engine's own comparison says of them exactly.

use crate::ast::Operator;
use crate::lower::{Bound, Condition, Place, Stored, Test};
use crate::number;
use crate::value::{Const, Val};

/// A comparison, once the constant is put into the place's own type.
enum Said {
    /// Never true.
    Never,
    /// True of every value that is there.
    Always,
    /// What the place must do.
    Compare(Operator, Bound),
}

pub(crate) fn compare(
    operator: Operator,
    place: Place,
    stored: Stored,
    value: &Val<'_>,
) -> Condition {
    match said(operator, stored, value) {
        Said::Never => Condition::None,
        Said::Always => Condition::Test(place, Test::Present),
        Said::Compare(operator, bound) => Condition::Test(place, Test::Compare(operator, bound)),
    }
}

fn said(operator: Operator, stored: Stored, value: &Val<'_>) -> Said {
    match (stored, value) {
        (Stored::Text, Val::Text(text)) => Said::Compare(operator, Bound::Text(text.to_string())),
        (Stored::Int, Val::Int(n)) => Said::Compare(operator, Bound::Int(*n)),
        (Stored::Int, Val::Double(d)) => int_with_double(operator, *d),
        (Stored::Real, Val::Double(d)) => Said::Compare(operator, Bound::Real(*d)),
        (Stored::Real, Val::Int(n)) => double_with_int(operator, *n),
        (Stored::Bool, Val::Bool(b)) => Said::Compare(operator, Bound::Int((*b).into())),
        (Stored::Time, Val::Time(micros)) => Said::Compare(operator, Bound::Int(*micros)),
        // Unknown, or of another kind: unknown for every record.
        _ => Said::Never,
    }
}

/// `column > 4.5` is `column >= 5`: engines compare integers with doubles less exactly.
fn int_with_double(operator: Operator, double: f64) -> Said {
    if let Some(int) = number::exact_int(double) {
        return Said::Compare(operator, Bound::Int(int));
    }
    match operator {
        Operator::Equal => Said::Never,
        Operator::NotEqual => Said::Always,
        Operator::Greater | Operator::GreaterOrEqual => match number::ceiling(double) {
            Some(i64::MIN) => Said::Always,
            Some(least) => Said::Compare(Operator::GreaterOrEqual, Bound::Int(least)),
            None => Said::Never,
        },
        _ => match number::floor(double) {
            Some(i64::MAX) => Said::Always,
            Some(most) => Said::Compare(Operator::LessOrEqual, Bound::Int(most)),
            None => Said::Never,
        },
    }
}

/// An integer that no double is stands between two of them.
fn double_with_int(operator: Operator, int: i64) -> Said {
    if let Some(double) = number::exact_double(int) {
        return Said::Compare(operator, Bound::Real(double));
    }
    let near = number::nearest_double(int);
    let (below, above) = match number::compare(int, near).is_lt() {
        true => (near.next_down(), near),
        false => (near, near.next_up()),
    };
    match operator {
        Operator::Equal => Said::Never,
        Operator::NotEqual => Said::Always,
        Operator::Greater | Operator::GreaterOrEqual => {
            Said::Compare(Operator::GreaterOrEqual, Bound::Real(above))
        }
        _ => Said::Compare(Operator::LessOrEqual, Bound::Real(below)),
    }
}

/// Whether a place is one of some constants. A constant of another kind is unknown to every
/// record: it adds nothing to `in`, and makes its opposite unknown.
pub(crate) fn among(place: Place, stored: Stored, list: &[Const], positive: bool) -> Condition {
    let mut bounds = Vec::with_capacity(list.len());
    for constant in list {
        match said(Operator::Equal, stored, &constant.val()) {
            Said::Compare(_, bound) => bounds.push(bound),
            Said::Always => return Condition::Test(place, Test::Present),
            Said::Never if positive || compares(stored, constant) => {}
            Said::Never => return Condition::None,
        }
    }
    match (bounds.is_empty(), positive) {
        (true, true) => Condition::None,
        (true, false) if list.is_empty() => Condition::All,
        (true, false) => Condition::Test(place, Test::Present),
        (false, true) => Condition::Test(place, Test::In(bounds)),
        (false, false) => Condition::Test(place, Test::NotIn(bounds)),
    }
}

fn compares(stored: Stored, constant: &Const) -> bool {
    matches!((stored, constant), (Stored::Int | Stored::Real, Const::Int(_) | Const::Double(_)))
}

/// Texts with a prefix are a range by code point.
pub(crate) fn prefix(place: Place, prefix: &Val<'_>, positive: bool) -> Condition {
    let Val::Text(prefix) = prefix else { return Condition::None };
    if prefix.is_empty() {
        return if positive { Condition::Test(place, Test::Present) } else { Condition::None };
    }
    let (least, beyond) = (Bound::Text(prefix.to_string()), after(prefix).map(Bound::Text));
    Condition::Test(
        place,
        if positive { Test::Range(least, beyond) } else { Test::NotRange(least, beyond) },
    )
}

/// The least text that is greater than every text with this prefix; `None` when none is.
fn after(prefix: &str) -> Option<String> {
    let mut characters: Vec<char> = prefix.chars().collect();
    while let Some(last) = characters.pop() {
        let next = match last {
            char::MAX => continue,
            '\u{D7FF}' => Some('\u{E000}'),
            other => char::from_u32(u32::from(other) + 1),
        };
        characters.extend(next);
        return Some(characters.into_iter().collect());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_after_a_prefix() {
        assert_eq!(after("ab").as_deref(), Some("ac"));
        assert_eq!(after("a\u{10FFFF}").as_deref(), Some("b"));
        assert_eq!(after("\u{D7FF}").as_deref(), Some("\u{E000}"));
        assert_eq!(after("\u{10FFFF}"), None);
    }
}
