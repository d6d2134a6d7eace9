//! Metrics: `count()`, `sum(data.n)`, `percentile(data.ms, 0.95)`.

use forebay_filter::ast::{Call, Expr, Kind, Literal};
use forebay_filter::span::Span;
use forebay_filter::stat::Total;
use forebay_filter::{Expression, Mistake, Mistakes, Scope, Type, parse};
use forebay_model::field::nearest;

use super::accumulate::{Accumulator, Keep};
use super::scalar::{Scalar, nearest as nearest_double};

/// What is said of the values of a group.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Measure {
    /// How many records; with an expression, how many of which it is known.
    Count,
    Sum,
    Avg,
    Min,
    Max,
    Distinct,
    /// The share of values that the answer is not exceeded by.
    Percentile(f64),
}

const MEASURES: [(&str, Measure); 6] = [
    ("count", Measure::Count),
    ("sum", Measure::Sum),
    ("avg", Measure::Avg),
    ("min", Measure::Min),
    ("max", Measure::Max),
    ("distinct", Measure::Distinct),
];

impl Measure {
    /// What must be kept of the values.
    pub(crate) fn keep(self) -> Keep {
        match self {
            Measure::Count => Keep::Count,
            Measure::Sum | Measure::Avg => Keep::Sum,
            Measure::Min => Keep::Least,
            Measure::Max => Keep::Greatest,
            Measure::Distinct => Keep::Distinct,
            Measure::Percentile(_) => Keep::Sketch,
        }
    }

    /// The type of its values, for an argument of a type; nothing when it does not take that.
    pub(crate) fn ty(self, argument: &Type) -> Option<Type> {
        let is_tree = matches!(argument, Type::List(_) | Type::Object);
        match self {
            Measure::Count => Some(Type::Int),
            Measure::Distinct => (!is_tree).then_some(Type::Int),
            Measure::Min | Measure::Max => (!is_tree).then(|| argument.clone()),
            Measure::Sum => match argument {
                Type::Int | Type::Double | Type::Span | Type::Any => Some(argument.clone()),
                _ => None,
            },
            Measure::Avg | Measure::Percentile(_) => match argument {
                Type::Int | Type::Double | Type::Any => Some(Type::Double),
                Type::Span => Some(Type::Span),
                _ => None,
            },
        }
    }

    /// Its value, of this type, from what was kept.
    pub(crate) fn answer(self, kept: &Accumulator, ty: &Type) -> Option<Scalar> {
        let number = match (self, kept) {
            (_, Accumulator::Count(count)) => return Some(Scalar::Int((*count).into())),
            (_, Accumulator::Distinct(distinct)) => {
                return Some(Scalar::Int(distinct.count().into()));
            }
            (_, Accumulator::Least(held) | Accumulator::Greatest(held)) => return held.clone(),
            (Measure::Avg, Accumulator::Sum(sum)) => Total::Double(sum.mean()?),
            (_, Accumulator::Sum(sum)) => sum.total()?,
            (Measure::Percentile(q), Accumulator::Sketch(sketch)) => {
                Total::Double(sketch.quantile(q)?)
            }
            (_, Accumulator::Sketch(_)) => return None,
        };
        Some(match (number, ty) {
            (Total::Int(n), Type::Span) => Scalar::Span(n),
            (Total::Int(n), _) => Scalar::Int(n),
            (Total::Double(d), Type::Span) => Scalar::Span(rounded(d)),
            (Total::Double(d), _) => Scalar::Double(d),
        })
    }
}

#[allow(clippy::cast_possible_truncation, reason = "saturates")]
fn rounded(double: f64) -> i128 {
    double.round() as i128
}

/// A metric as it was read.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) measure: Measure,
    /// What is measured, with its text in one spelling.
    pub(crate) argument: Option<(String, Expression)>,
    /// The type of its values.
    pub(crate) ty: Type,
}

/// Reads a metric: what is measured, and of what.
///
/// # Errors
/// Everything that is wrong with it, each with its place.
pub(crate) fn read(text: &str, scope: Scope<'_>) -> Result<Read, Mistakes> {
    let parsed = parse(text)?;
    let wrong = |code, span, message: String| mistakes(text, code, span, message);
    let Kind::Call(Call { target: None, name, at, arguments }) = &parsed.kind else {
        let message = "a metric is count(), sum(data.n), avg, min, max, distinct or percentile";
        return Err(wrong("syntax", parsed.span, message.to_owned()));
    };
    let known = MEASURES.iter().find(|(known, _)| known == name).map(|(_, measure)| *measure);
    let (measure, argument) = match (known, name.as_str(), arguments.as_slice()) {
        (Some(Measure::Count), _, []) => {
            return Ok(Read { measure: Measure::Count, argument: None, ty: Type::Int });
        }
        (Some(measure), _, [argument]) => (measure, argument),
        (Some(_), ..) => {
            let message = format!("`{name}` takes one argument: {name}(data.n)");
            return Err(wrong("unknown_function", parsed.span, message));
        }
        (_, "percentile", [argument, share]) => {
            (Measure::Percentile(read_share(text, share)?), argument)
        }
        (_, "percentile", _) => {
            let message = "`percentile` takes two arguments: percentile(data.n, 0.95)";
            return Err(wrong("unknown_function", parsed.span, message.to_owned()));
        }
        _ => {
            let names = MEASURES.iter().map(|(known, _)| *known).chain(["percentile"]);
            let hint = nearest(name, names).map(|n| format!("; did you mean `{n}`?"));
            let message = format!("there is no metric `{name}`{}", hint.unwrap_or_default());
            return Err(wrong("unknown_function", *at, message));
        }
    };
    let expression = Expression::of(text, argument, scope)?;
    let Some(ty) = measure.ty(expression.ty()) else {
        let what = argument.span.of(text);
        let message = format!("`{name}` does not take this: `{what}` is {}", expression.ty());
        return Err(wrong("type_mismatch", argument.span, message));
    };
    Ok(Read { measure, argument: Some((argument.to_string(), expression)), ty })
}

/// The share of a percentile, a constant from 0 to 1.
fn read_share(text: &str, share: &Expr) -> Result<f64, Mistakes> {
    let read = match &share.kind {
        Kind::Literal(Literal::Int(n)) => Some(nearest_double(*n)),
        Kind::Literal(Literal::Double(d)) => Some(*d),
        _ => None,
    };
    read.filter(|q| (0.0..=1.0).contains(q)).ok_or_else(|| {
        let message = "a constant from 0 to 1 is expected, e.g. 0.95";
        mistakes(text, "invalid", share.span, message.to_owned())
    })
}

fn mistakes(text: &str, code: &'static str, span: Span, message: String) -> Mistakes {
    Mistakes { source: text.to_owned(), all: vec![Mistake { code, message, span }] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn metrics_are_read_and_refused_with_their_place() {
        let schema = json!({"properties": {
            "n": {"type": "integer"}, "d": {"type": "number"}, "s": {"type": "string"},
            "b": {"type": "boolean"}, "tags": {"type": "array"}}});
        let scope = Scope::record(&schema);
        for (text, measure, ty) in [
            ("count()", Measure::Count, Type::Int),
            ("count(data.tags)", Measure::Count, Type::Int),
            ("sum(data.n)", Measure::Sum, Type::Int),
            ("sum(data.n * 1.5)", Measure::Sum, Type::Double),
            ("avg(data.n)", Measure::Avg, Type::Double),
            ("avg(received_at - time)", Measure::Avg, Type::Span),
            ("min(data.s)", Measure::Min, Type::Text),
            ("max(time)", Measure::Max, Type::Time),
            ("distinct(data.b)", Measure::Distinct, Type::Int),
            ("percentile(data.d, 0.95)", Measure::Percentile(0.95), Type::Double),
            ("percentile(data.d, 1)", Measure::Percentile(1.0), Type::Double),
        ] {
            let found = read(text, scope).unwrap();
            assert_eq!((found.measure, found.ty), (measure, ty), "{text}");
        }
        for (text, column, length, says) in [
            ("data.n", 1, 6, "a metric is"),
            ("sum(data.n) + 1", 1, 15, "a metric is"),
            ("sum(data.n", 11, 1, "`)` is expected"),
            ("summ(data.n)", 1, 4, "did you mean `sum`?"),
            ("sum()", 1, 5, "one argument"),
            ("sum(data.n, 1)", 1, 14, "one argument"),
            ("sum(data.s)", 5, 6, "`data.s` is a string"),
            ("sum(data.b)", 5, 6, "a boolean"),
            ("avg(time)", 5, 4, "a time"),
            ("min(data.tags)", 5, 9, "an array"),
            ("sum( data.zzz)", 11, 3, "no field `zzz`"),
            ("percentile(data.n)", 1, 18, "two arguments"),
            ("percentile(data.n, 95)", 20, 2, "from 0 to 1"),
            ("percentile(data.n, -0.1)", 20, 4, "from 0 to 1"),
            ("percentile(data.n, data.d)", 20, 6, "from 0 to 1"),
            ("data.n.sum()", 1, 12, "a metric is"),
        ] {
            let mistakes = read(text, scope).unwrap_err();
            let first = &mistakes.all[0];
            assert_eq!(mistakes.place(first), (column, length), "{text}: {first:?}");
            assert!(first.message.contains(says), "{text}: {first:?}");
        }
    }
}
