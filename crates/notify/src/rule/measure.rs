//! What a threshold is a threshold of: `count()`, `avg(data.ms)`, `p95(data.ms)`, `rate()`,
//! `ratio(data.status >= 500)`.

use forebay_filter::ast::{Call, Kind as Ast, Literal};
use forebay_filter::span::Span;
use forebay_filter::stat::{Distinct, Sketch, Sum, Total};
use forebay_filter::{Env, Expression, Mistake, Mistakes, Scope, Type, Val, View, parse};
use forebay_model::field::nearest;

/// What is said of the records in a window.
#[derive(Debug, Clone)]
pub(crate) struct Measure {
    kind: Kind,
    argument: Option<Expression>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Count,
    Sum,
    Avg,
    Min,
    Max,
    Distinct,
    /// The share of values that the answer is not exceeded by.
    Percentile(f64),
    /// Records a second.
    Rate,
    /// The share of the records for which the argument is true.
    Ratio,
}

const NAMES: [(&str, Kind); 11] = [
    ("count", Kind::Count),
    ("sum", Kind::Sum),
    ("avg", Kind::Avg),
    ("min", Kind::Min),
    ("max", Kind::Max),
    ("distinct", Kind::Distinct),
    ("p50", Kind::Percentile(0.5)),
    ("p95", Kind::Percentile(0.95)),
    ("p99", Kind::Percentile(0.99)),
    ("rate", Kind::Rate),
    ("ratio", Kind::Ratio),
];

impl Measure {
    /// Reads a measure.
    ///
    /// # Errors
    /// Everything that is wrong with it, each with its place.
    pub(crate) fn read(text: &str, scope: Scope<'_>) -> Result<Measure, Mistakes> {
        let parsed = parse(text)?;
        let Ast::Call(Call { target: None, name, at, arguments }) = &parsed.kind else {
            let message =
                "a value is count(), rate(), sum(data.n), avg, min, max, distinct, p95 or ratio";
            return Err(wrong(text, "syntax", parsed.span, message.to_owned()));
        };
        let known = NAMES.iter().find(|(known, _)| known == name).map(|(_, kind)| *kind);
        let (kind, argument) = match (known, name.as_str(), arguments.as_slice()) {
            (Some(kind @ (Kind::Count | Kind::Rate)), _, []) => (kind, None),
            (Some(kind), _, [argument]) if kind != Kind::Rate => (kind, Some(argument)),
            (_, "percentile", [argument, share]) => {
                let share_of = match &share.kind {
                    Ast::Literal(Literal::Double(q)) if (0.0..=1.0).contains(q) => *q,
                    Ast::Literal(Literal::Int(n @ (0 | 1))) => f64::from(u8::from(*n == 1)),
                    _ => {
                        let message = "the share is a constant from 0 to 1: 0.95".to_owned();
                        return Err(wrong(text, "type_mismatch", share.span, message));
                    }
                };
                (Kind::Percentile(share_of), Some(argument))
            }
            (Some(_), ..) | (_, "percentile", _) => {
                let message = match name.as_str() {
                    "rate" => "`rate` takes no argument: rate()".to_owned(),
                    "percentile" => "`percentile` takes two: percentile(data.n, 0.95)".to_owned(),
                    _ => format!("`{name}` takes one argument: {name}(data.n)"),
                };
                return Err(wrong(text, "unknown_function", parsed.span, message));
            }
            _ => {
                let names = NAMES.iter().map(|(known, _)| *known).chain(["percentile"]);
                let hint = nearest(name, names).map(|n| format!("; did you mean `{n}`?"));
                let message = format!("there is no value `{name}`{}", hint.unwrap_or_default());
                return Err(wrong(text, "unknown_function", *at, message));
            }
        };
        let Some(argument) = argument else { return Ok(Measure { kind, argument: None }) };
        let expression = Expression::of(text, argument, scope)?;
        if !kind.takes(expression.ty()) {
            let what = argument.span.of(text);
            let message = format!("`{name}` does not take this: `{what}` is {}", expression.ty());
            return Err(wrong(text, "type_mismatch", argument.span, message));
        }
        Ok(Measure { kind, argument: Some(expression) })
    }

    /// What nothing is: an empty window has a count of 0, and no average.
    pub(crate) fn nothing(&self) -> Kept {
        match self.kind {
            Kind::Count | Kind::Rate => Kept::Count(0),
            Kind::Sum | Kind::Avg => Kept::Sum(Sum::default()),
            Kind::Min | Kind::Max => Kept::Extreme(None),
            Kind::Distinct => Kept::Distinct(Distinct::new()),
            Kind::Percentile(_) => Kept::Sketch(Sketch::new()),
            Kind::Ratio => Kept::Ratio { hits: 0, of: 0 },
        }
    }

    /// Takes a record that matches.
    pub(crate) fn take(&self, kept: &mut Kept, view: &View<'_>, env: &Env<'_>) {
        match &self.argument {
            None => kept.count(1),
            Some(argument) => argument.with_value(view, env, |val| self.take_value(kept, val)),
        }
    }

    fn take_value(&self, kept: &mut Kept, val: &Val<'_>) {
        match (kept, val) {
            (Kept::Count(count), val) if *val != Val::Unknown => *count += 1,
            (Kept::Ratio { hits, of }, Val::Bool(is)) => {
                *of += 1;
                *hits += i64::from(*is);
            }
            (Kept::Sum(sum), Val::Int(n)) => sum.add_int(*n),
            (Kept::Sum(sum), Val::Span(micros)) => sum.add_double(seconds(*micros)),
            (Kept::Sum(sum), Val::Double(d)) => sum.add_double(*d),
            (Kept::Distinct(distinct), val) => distinct.add(val),
            (Kept::Extreme(held), val) => {
                let Some(value) = number(val) else { return };
                let better = |held: f64| match self.kind {
                    Kind::Min => value < held,
                    _ => value > held,
                };
                if held.is_none_or(better) {
                    *held = Some(value);
                }
            }
            (Kept::Sketch(sketch), val) => {
                if let Some(value) = number(val) {
                    sketch.add(value);
                }
            }
            _ => {}
        }
    }

    /// Adds what another part of the window holds.
    pub(crate) fn merge(&self, into: &mut Kept, other: &Kept) {
        match (into, other) {
            (Kept::Count(own), Kept::Count(theirs)) => *own += theirs,
            (Kept::Sum(own), Kept::Sum(theirs)) => own.merge(theirs),
            (Kept::Extreme(own), Kept::Extreme(theirs)) => {
                *own = match (*own, *theirs, self.kind) {
                    (Some(a), Some(b), Kind::Min) => Some(a.min(b)),
                    (Some(a), Some(b), _) => Some(a.max(b)),
                    (a, b, _) => a.or(b),
                };
            }
            (Kept::Distinct(own), Kept::Distinct(theirs)) => own.merge(theirs),
            (Kept::Sketch(own), Kept::Sketch(theirs)) => own.merge(theirs),
            (Kept::Ratio { hits, of }, Kept::Ratio { hits: more, of: all }) => {
                *hits += more;
                *of += all;
            }
            _ => {}
        }
    }

    /// The value of a window of so many microseconds; nothing when there is no data.
    pub(crate) fn value(&self, kept: &Kept, size: i64) -> Option<f64> {
        match (kept, self.kind) {
            (Kept::Count(count), Kind::Rate) => Some(double(*count) / seconds(size)),
            (Kept::Count(count), _) => Some(double(*count)),
            (Kept::Sum(sum), Kind::Avg) => sum.mean(),
            (Kept::Sum(sum), _) => Some(match sum.total()? {
                Total::Int(total) => wide(total),
                Total::Double(total) => total,
            }),
            (Kept::Extreme(held), _) => *held,
            (Kept::Distinct(distinct), _) => i64::try_from(distinct.count()).ok().map(double),
            (Kept::Sketch(sketch), Kind::Percentile(q)) => sketch.quantile(q),
            (Kept::Sketch(_), _) | (Kept::Ratio { of: 0, .. }, _) => None,
            (Kept::Ratio { hits, of }, _) => Some(double(*hits) / double(*of)),
        }
    }
}

impl Kind {
    fn takes(self, ty: &Type) -> bool {
        match self {
            Kind::Count | Kind::Rate => true,
            Kind::Distinct => !matches!(ty, Type::List(_) | Type::Object),
            Kind::Ratio => matches!(ty, Type::Bool | Type::Any),
            _ => matches!(ty, Type::Int | Type::Double | Type::Span | Type::Any),
        }
    }
}

/// What is kept of the records in a part of a window.
#[derive(Debug, Clone)]
pub(crate) enum Kept {
    Count(i64),
    Sum(Sum),
    Extreme(Option<f64>),
    Distinct(Distinct),
    Sketch(Sketch),
    Ratio { hits: i64, of: i64 },
}

impl Kept {
    fn count(&mut self, more: i64) {
        if let Kept::Count(count) = self {
            *count += more;
        }
    }
}

fn wrong(text: &str, code: &'static str, span: Span, message: String) -> Mistakes {
    Mistakes { source: text.to_owned(), all: vec![Mistake { code, message, span }] }
}

/// A number as thresholds see it: lengths of time in seconds.
fn number(val: &Val<'_>) -> Option<f64> {
    match val {
        Val::Int(n) => Some(double(*n)),
        Val::Double(d) => Some(*d),
        Val::Span(micros) => Some(seconds(*micros)),
        _ => None,
    }
}

fn seconds(micros: i64) -> f64 {
    double(micros) / 1e6
}

#[allow(clippy::cast_precision_loss, reason = "the nearest double is meant")]
fn double(int: i64) -> f64 {
    int as f64
}

#[allow(clippy::cast_precision_loss, reason = "the nearest double is meant")]
fn wide(int: i128) -> f64 {
    int as f64
}

#[cfg(test)]
mod tests {
    use forebay_model::time::Timestamp;
    use serde_json::json;

    use super::*;

    fn value(text: &str, records: &[&str]) -> Option<f64> {
        let schema = json!({"type": "object", "properties": {
            "n": {"type": "integer"}, "d": {"type": "number"}, "s": {"type": "string"}}});
        let measure = Measure::read(text, super::super::scope(&schema)).unwrap();
        // Each record is a part of its own: parts put together are the whole.
        let mut whole = measure.nothing();
        for data in records {
            let view = View { id: "a", seq: 1, version: 1, time: 0, received_at: 0, data };
            let mut part = measure.nothing();
            measure.take(&mut part, &view, &Env::at(Timestamp::from_micros(0)));
            measure.merge(&mut whole, &part);
        }
        measure.value(&whole, 10_000_000)
    }

    #[test]
    fn values_of_a_window() {
        let records = [r#"{"n":1,"d":0.5,"s":"a"}"#, r#"{"n":4,"d":1.5,"s":"b"}"#, r#"{"s":"a"}"#];
        for (text, expected) in [
            ("count()", 3.0),
            ("count(data.n)", 2.0),
            ("rate()", 0.3),
            ("sum(data.n)", 5.0),
            ("avg(data.d)", 1.0),
            ("min(data.n)", 1.0),
            ("max(data.d)", 1.5),
            ("distinct(data.s)", 2.0),
            ("p95(data.n)", 4.0),
            ("percentile(data.n, 0.5)", 1.0),
            ("ratio(data.s == 'a')", 2.0 / 3.0),
        ] {
            assert_eq!(value(text, &records), Some(expected), "{text}");
        }
    }

    #[test]
    fn an_empty_window_has_a_count_and_no_average() {
        assert_eq!(value("count()", &[]), Some(0.0));
        assert_eq!(value("rate()", &[]), Some(0.0));
        for text in
            ["sum(data.n)", "avg(data.n)", "max(data.n)", "p95(data.n)", "ratio(data.n > 1)"]
        {
            assert_eq!(value(text, &[]), None, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let schema = json!({"type": "object", "properties": {"s": {"type": "string"}}});
        for (text, code) in [
            ("avg(data.s)", "type_mismatch"),
            ("average(data.s)", "unknown_function"),
            ("avg()", "unknown_function"),
            ("rate(data.s)", "unknown_function"),
            ("data.s", "syntax"),
            ("percentile(data.n, 2)", "type_mismatch"),
            ("ratio(data.s)", "type_mismatch"),
        ] {
            let mistakes = Measure::read(text, super::super::scope(&schema)).unwrap_err();
            assert_eq!(mistakes.all[0].code, code, "{text}");
        }
    }
}
