//! `+ - * / %`: of which types, and with what result.

use std::borrow::Cow;

use forebay_model::time::Timestamp;

use crate::ast::Operator;
use crate::number::nearest_double;
use crate::types::Type;
use crate::value::Val;

/// The longest text that an expression may put together.
const MAX_TEXT: usize = 1 << 20;

/// The type of a result; `None` when the operator does not take these.
pub(crate) fn ty(operator: Operator, left: &Type, right: &Type) -> Option<Type> {
    use Operator::{Add, Remainder, Subtract};
    use Type::{Any, Broken, Double, Int, Span, Text, Time};
    Some(match (operator, left, right) {
        (_, Broken, _) | (_, _, Broken) => Broken,
        (_, Int, Int) => Int,
        (Remainder, Int | Any, Int | Any) => Int,
        (Remainder, ..) => return None,
        (_, a, b) if a.is_number() && b.is_number() => Double,
        (Add, Text, Text) => Text,
        (Add, Time, Span) | (Add, Span, Time) | (Subtract, Time, Span) => Time,
        (Add | Subtract, Span, Span) | (Subtract, Time, Time) => Span,
        (Add, Any, Text | Time | Span) | (Add, Text | Time | Span, Any) => Any,
        (Subtract, Any, Time | Span) | (Subtract, Time | Span, Any) => Any,
        (_, Any, b) if b.is_number() => Any,
        (_, a, Any) if a.is_number() => Any,
        (_, Any, Any) => Any,
        _ => return None,
    })
}

/// The value of a result: unknown where it overflows, divides by zero, or makes no sense.
pub(crate) fn value<'a>(operator: Operator, left: Val<'a>, right: Val<'a>) -> Val<'a> {
    use Operator::{Add, Subtract};
    let int = |value: Option<i64>| value.map_or(Val::Unknown, Val::Int);
    let span = |value: Option<i64>| value.map_or(Val::Unknown, Val::Span);
    let time = |value: Option<i64>| value.map_or(Val::Unknown, in_range);
    match (operator, left, right) {
        (_, Val::Int(a), Val::Int(b)) => int(whole(operator, a, b)),
        (_, Val::Int(a), Val::Double(b)) => double(operator, nearest_double(a), b),
        (_, Val::Double(a), Val::Int(b)) => double(operator, a, nearest_double(b)),
        (_, Val::Double(a), Val::Double(b)) => double(operator, a, b),
        (Add, Val::Text(a), Val::Text(b)) if a.len() + b.len() <= MAX_TEXT => {
            Val::Text(Cow::Owned(a.into_owned() + &b))
        }
        (Add, Val::Span(a), Val::Span(b)) => span(a.checked_add(b)),
        (Subtract, Val::Span(a), Val::Span(b)) => span(a.checked_sub(b)),
        (Add, Val::Time(a), Val::Span(b)) | (Add, Val::Span(b), Val::Time(a)) => {
            time(a.checked_add(b))
        }
        (Subtract, Val::Time(a), Val::Span(b)) => time(a.checked_sub(b)),
        (Subtract, Val::Time(a), Val::Time(b)) => span(a.checked_sub(b)),
        _ => Val::Unknown,
    }
}

fn whole(operator: Operator, a: i64, b: i64) -> Option<i64> {
    match operator {
        Operator::Add => a.checked_add(b),
        Operator::Subtract => a.checked_sub(b),
        Operator::Multiply => a.checked_mul(b),
        Operator::Divide => a.checked_div(b),
        Operator::Remainder => a.checked_rem(b),
        _ => None,
    }
}

fn double<'a>(operator: Operator, a: f64, b: f64) -> Val<'a> {
    match operator {
        Operator::Add => Val::finite(a + b),
        Operator::Subtract => Val::finite(a - b),
        Operator::Multiply => Val::finite(a * b),
        Operator::Divide => Val::finite(a / b),
        _ => Val::Unknown,
    }
}

/// A time that can be written; any other is unknown.
pub(crate) fn in_range<'a>(micros: i64) -> Val<'a> {
    let held = Timestamp::from_micros(micros).micros();
    if held == micros { Val::Time(micros) } else { Val::Unknown }
}
