//! Values that group, order and answer: owned, equal by value (1 is 1.0), in one total order.

use std::cmp::Ordering;
use std::fmt::Write as _;
use std::hash::{Hash, Hasher};

use forebay_filter::{Type, Val};
use forebay_model::json::{to_canonical, write_string};
use forebay_model::schema::exact_in_double;
use forebay_model::time::Timestamp;
use serde_json::{Number, Value};

/// A value. A double that is a 64-bit integer is held as one, so that equal numbers are equal.
#[derive(Debug, Clone)]
pub(crate) enum Scalar {
    Bool(bool),
    /// Beyond 64 bits only as a sum.
    Int(i128),
    /// Finite.
    Double(f64),
    Text(String),
    /// Microseconds since the epoch.
    Time(i64),
    /// Microseconds.
    Span(i128),
}

impl Scalar {
    /// What an expression gave; nothing where that is unknown, an array or an object.
    pub(crate) fn of(val: &Val<'_>) -> Option<Scalar> {
        Some(match val {
            Val::Bool(b) => Scalar::Bool(*b),
            Val::Int(n) => Scalar::Int((*n).into()),
            Val::Double(d) => whole(*d).map_or(Scalar::Double(*d), |n| Scalar::Int(n.into())),
            Val::Text(text) => Scalar::Text(text.to_string()),
            Val::Time(micros) => Scalar::Time(*micros),
            Val::Span(micros) => Scalar::Span((*micros).into()),
            Val::Unknown | Val::Tree(_) | Val::Texts(_) => return None,
        })
    }

    /// The same for an expression over groups; what 64 bits cannot hold is the nearest double.
    pub(crate) fn val(&self) -> Val<'_> {
        match self {
            Scalar::Bool(b) => Val::Bool(*b),
            Scalar::Int(n) => i64::try_from(*n).map_or_else(|_| Val::Double(double(*n)), Val::Int),
            Scalar::Double(d) => Val::Double(*d),
            Scalar::Text(text) => Val::Text(text.as_str().into()),
            Scalar::Time(micros) => Val::Time(*micros),
            Scalar::Span(micros) => i64::try_from(*micros).map_or(Val::Unknown, Val::Span),
        }
    }

    /// What it holds beside itself, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        if let Scalar::Text(text) = self { text.len() } else { 0 }
    }

    /// Appends it as JSON; numbers as their type writes them.
    pub(crate) fn write(&self, ty: &Type, out: &mut String) {
        // Writing to a String cannot fail.
        let _ = match self {
            Scalar::Bool(b) => write!(out, "{b}"),
            Scalar::Int(n) => match i64::try_from(*n) {
                Ok(n) if *ty == Type::Double && exact_in_double(n) => write_double(nearest(n), out),
                _ => write!(out, "{n}"),
            },
            Scalar::Double(d) => write_double(*d, out),
            Scalar::Text(text) => {
                write_string(text, out);
                Ok(())
            }
            Scalar::Time(micros) => write!(out, "\"{}\"", Timestamp::from_micros(*micros)),
            Scalar::Span(micros) => write_span(*micros, out),
        };
    }

    /// Kinds stand in this order; a field without a declared type may have several.
    fn rank(&self) -> u8 {
        match self {
            Scalar::Bool(_) => 0,
            Scalar::Int(_) | Scalar::Double(_) => 1,
            Scalar::Text(_) => 2,
            Scalar::Time(_) => 3,
            Scalar::Span(_) => 4,
        }
    }
}

fn write_double(double: f64, out: &mut String) -> std::fmt::Result {
    let number = Number::from_f64(double).map_or(Value::Null, Value::Number);
    out.push_str(&to_canonical(&number));
    Ok(())
}

/// A duration in seconds, as the language reads it: `-1.5s`.
fn write_span(micros: i128, out: &mut String) -> std::fmt::Result {
    let (sign, length) = (if micros < 0 { "-" } else { "" }, micros.unsigned_abs());
    let fraction = format!("{:06}", length % 1_000_000);
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    write!(out, "\"{sign}{}{point}{fraction}s\"", length / 1_000_000)
}

impl Ord for Scalar {
    fn cmp(&self, other: &Scalar) -> Ordering {
        match (self, other) {
            (Scalar::Bool(a), Scalar::Bool(b)) => a.cmp(b),
            (Scalar::Int(a), Scalar::Int(b)) | (Scalar::Span(a), Scalar::Span(b)) => a.cmp(b),
            (Scalar::Double(a), Scalar::Double(b)) => a.total_cmp(b),
            // A double here is no 64-bit integer, so that nothing is lost where it matters.
            (Scalar::Int(a), Scalar::Double(b)) => double(*a).total_cmp(b).then(Ordering::Less),
            (Scalar::Double(a), Scalar::Int(b)) => a.total_cmp(&double(*b)).then(Ordering::Greater),
            // UTF-8 orders as its code points do.
            (Scalar::Text(a), Scalar::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
            (Scalar::Time(a), Scalar::Time(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Scalar {
    fn partial_cmp(&self, other: &Scalar) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Scalar {
    fn eq(&self, other: &Scalar) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Scalar {}

impl Hash for Scalar {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.rank().hash(state);
        match self {
            Scalar::Bool(b) => b.hash(state),
            Scalar::Int(n) | Scalar::Span(n) => n.hash(state),
            Scalar::Double(d) => d.to_bits().hash(state),
            Scalar::Text(text) => text.hash(state),
            Scalar::Time(micros) => micros.hash(state),
        }
    }
}

/// 2⁶³, the first double beyond every 64-bit integer.
const LIMIT: f64 = 9_223_372_036_854_775_808.0;

/// The 64-bit integer that a double is, where it is one.
#[allow(clippy::cast_possible_truncation, reason = "the range is checked")]
pub(crate) fn whole(double: f64) -> Option<i64> {
    (double.fract() == 0.0 && (-LIMIT..LIMIT).contains(&double)).then_some(double as i64)
}

/// The nearest double.
#[allow(clippy::cast_precision_loss, reason = "this is what it says")]
pub(crate) fn nearest(int: i64) -> f64 {
    int as f64
}

/// The nearest double.
#[allow(clippy::cast_precision_loss, reason = "this is what it says")]
pub(crate) fn double(int: i128) -> f64 {
    int as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(scalar: &Scalar, ty: &Type) -> String {
        let mut out = String::new();
        scalar.write(ty, &mut out);
        out
    }

    #[test]
    fn equal_numbers_are_equal_and_the_order_is_total() {
        let of = |val: Val<'static>| Scalar::of(&val).unwrap();
        assert_eq!(of(Val::Int(1)), of(Val::Double(1.0)));
        let sorted = [
            of(Val::Bool(false)),
            of(Val::Bool(true)),
            of(Val::Double(-1e300)),
            of(Val::Int(i64::MIN)),
            of(Val::Double(-0.5)),
            of(Val::Int(0)),
            of(Val::Double(0.5)),
            of(Val::Int(i64::MAX)),
            of(Val::Double(LIMIT)),
            of(Val::Text("".into())),
            of(Val::Text("a".into())),
            of(Val::Text("é".into())),
            of(Val::Time(-1)),
            of(Val::Span(0)),
        ];
        for (at, a) in sorted.iter().enumerate() {
            for (other, b) in sorted.iter().enumerate() {
                assert_eq!(a.cmp(b), at.cmp(&other), "{a:?} {b:?}");
            }
        }
        assert_eq!(Scalar::of(&Val::Unknown), None);
    }

    #[test]
    fn values_are_written_as_their_type_is() {
        for (scalar, ty, expected) in [
            (Scalar::Int(1), Type::Int, "1"),
            (Scalar::Int(1), Type::Double, "1.0"),
            (Scalar::Int(9_007_199_254_740_993), Type::Double, "9007199254740993"),
            (Scalar::Int(i128::from(i64::MAX) * 3), Type::Int, "27670116110564327421"),
            (Scalar::Double(0.1), Type::Double, "0.1"),
            (Scalar::Text("a\"\n".into()), Type::Text, r#""a\"\n""#),
            (Scalar::Time(-1), Type::Time, "\"1969-12-31T23:59:59.999999Z\""),
            (Scalar::Span(90_000_000), Type::Span, "\"90s\""),
            (Scalar::Span(-1_500_000), Type::Span, "\"-1.5s\""),
            (Scalar::Span(1), Type::Span, "\"0.000001s\""),
        ] {
            assert_eq!(text(&scalar, &ty), expected);
        }
    }
}
