//! A level of groups: by a value, by a period of time, or by ranges.

use std::fmt::Write as _;

use forebay_filter::ast::{Expr, Kind};
use forebay_filter::span::Span;
use forebay_filter::{Expression, MAX_BYTES, Scope, Type, Val, Zone, parse};
use forebay_model::field::FieldPath;
use forebay_model::schema::exact_in_double;
use forebay_model::time::Timestamp;
use forebay_model::{Error, FieldError};
use serde_json::Value;

use super::bucket::{Buckets, Every};
use super::request::{Source, WantedLevel};
use super::scalar::{Scalar, whole};

/// A level that is ready to be asked.
#[derive(Debug, Clone)]
pub(crate) struct Level {
    pub(crate) name: String,
    pub(crate) expression: Expression,
    pub(crate) shape: Shape,
}

/// How values become groups.
#[derive(Debug, Clone)]
pub(crate) enum Shape {
    /// Each value is a group.
    Terms,
    /// Times by their period.
    Every(Buckets),
    /// Numbers or times by the range that they are in.
    Ranges(Ranges),
}

impl Shape {
    /// The group of a value; the one of records without it is `None`.
    pub(crate) fn key(&mut self, val: &Val<'_>) -> Option<Scalar> {
        match self {
            Shape::Terms => Scalar::of(val),
            Shape::Every(buckets) => time(val).map(|time| Scalar::Time(buckets.of(time))),
            Shape::Ranges(ranges) => ranges.key(val),
        }
    }
}

/// Bounds in ascending order; a value that is one belongs to the range above.
#[derive(Debug, Clone)]
pub(crate) struct Ranges {
    pub(crate) bounds: Vec<Scalar>,
    /// What a client is shown of each range.
    pub(crate) shown: Vec<Value>,
}

impl Level {
    /// Checks a level; `at` is where it stands in the request.
    pub(crate) fn compile(
        wanted: &WantedLevel,
        at: usize,
        scope: Scope<'_>,
    ) -> Result<Level, Error> {
        let path = format!("/group_by/{at}");
        let (text, member) = match &wanted.source {
            Source::Field(text) => (text, "field"),
            Source::Expr(text) => (text, "expr"),
        };
        let source = format!("{path}/{member}");
        let parsed = match &wanted.source {
            Source::Field(text) => field(text, &source)?,
            Source::Expr(text) => parse(text).map_err(|mistakes| mistakes.into_error(&source))?,
        };
        let expression = Expression::of(text, &parsed, scope);
        let expression = expression.map_err(|mistakes| mistakes.into_error(&source))?;
        let wrong = |what: &str| {
            let message = format!("{what}, `{text}` is {}", expression.ty());
            Error::invalid(FieldError::new(source.clone(), "type_mismatch", message))
        };
        let shape = match (&wanted.every, &wanted.ranges, expression.ty()) {
            (Some(_), _, Type::Time | Type::Text | Type::Any) => {
                Shape::Every(every(wanted, &path)?)
            }
            (Some(_), ..) => return Err(wrong("a time is expected")),
            (_, Some(bounds), Type::Int | Type::Double | Type::Time | Type::Any) => {
                Shape::Ranges(Ranges::read(bounds, expression.ty(), &path)?)
            }
            (_, Some(_), _) => return Err(wrong("a number or time is expected")),
            (_, _, Type::List(_) | Type::Object) => {
                return Err(wrong("a single value is expected"));
            }
            _ => Shape::Terms,
        };
        Ok(Level { name: wanted.name.clone(), expression, shape })
    }

    /// The type of its keys in `having`.
    pub(crate) fn key_type(&self) -> Type {
        match &self.shape {
            Shape::Terms => self.expression.ty().clone(),
            Shape::Every(_) => Type::Time,
            Shape::Ranges(_) => Type::Object,
        }
    }

    /// A key as an expression over groups sees it.
    pub(crate) fn key_val<'k>(&'k self, key: Option<&'k Scalar>) -> Val<'k> {
        match (&self.shape, key) {
            (_, None) => Val::Unknown,
            (Shape::Ranges(ranges), Some(key)) => ranges.shown(key).map_or(Val::Unknown, Val::Tree),
            (_, Some(key)) => key.val(),
        }
    }

    /// Appends a key as JSON.
    pub(crate) fn write_key(&self, key: Option<&Scalar>, out: &mut String) {
        // Writing to a String cannot fail.
        let _ = match (&self.shape, key) {
            (_, None) => write!(out, "null"),
            (Shape::Ranges(ranges), Some(key)) => {
                write!(out, "{}", ranges.shown(key).unwrap_or(&Value::Null))
            }
            (_, Some(key)) => {
                key.write(self.expression.ty(), out);
                Ok(())
            }
        };
    }
}

/// Reads a field's path: dotted in any spelling, or as the language writes it.
fn field(text: &str, path: &str) -> Result<Expr, Error> {
    let plain = |c: char| c.is_alphanumeric() || "_-$@.".contains(c);
    if let Ok(dotted) = FieldPath::parse(text)
        && text.len() <= MAX_BYTES
        && text.chars().all(plain)
    {
        let mut at = "data".len();
        let data = Expr { kind: Kind::Name("data".to_owned()), span: Span::new(0, at) };
        return Ok(dotted.segments().iter().fold(data, |target, name| {
            at += 1 + name.len();
            let kind = Kind::Member(Box::new(target), name.clone());
            Expr { kind, span: Span::new(0, at) }
        }));
    }
    let parsed = parse(text).map_err(|mistakes| mistakes.into_error(path))?;
    match parsed.kind {
        Kind::Name(_) | Kind::Member(..) => Ok(parsed),
        _ => {
            let message = "takes a field such as data.region or time; write others as `expr`";
            Err(Error::invalid(FieldError::new(path, "invalid", message)))
        }
    }
}

fn every(wanted: &WantedLevel, path: &str) -> Result<Buckets, Error> {
    let every = Every::read(wanted.every.as_deref().unwrap_or_default()).map_err(|message| {
        Error::invalid(FieldError::new(format!("{path}/every"), "invalid", message))
    })?;
    let Some(name) = &wanted.zone else { return Ok(Buckets::new(every, Zone::UTC)) };
    let zone = Zone::find(name).ok_or_else(|| {
        let message = "takes a zone such as Europe/Berlin or +02:00";
        Error::invalid(FieldError::new(format!("{path}/zone"), "zone_invalid", message))
    })?;
    Ok(Buckets::new(every, zone))
}

/// The time that a value is or says.
fn time(val: &Val<'_>) -> Option<i64> {
    match val {
        Val::Time(micros) => Some(*micros),
        Val::Text(text) => Timestamp::parse(text).ok().map(Timestamp::micros),
        _ => None,
    }
}

impl Ranges {
    fn read(values: &[Value], ty: &Type, path: &str) -> Result<Ranges, Error> {
        let wrong = |at: usize, code, message: &'static str| {
            Error::invalid(FieldError::new(format!("{path}/ranges/{at}"), code, message))
        };
        let mut bounds: Vec<Scalar> = Vec::with_capacity(values.len());
        for (at, value) in values.iter().enumerate() {
            let bound = bound(value, ty).map_err(|(code, message)| wrong(at, code, message))?;
            if bounds.last().is_some_and(|before| *before >= bound) {
                return Err(wrong(at, "invalid", "is greater than the bound before it"));
            }
            bounds.push(bound);
        }
        let ends = || std::iter::once(&Value::Null);
        let (from, to) = (ends().chain(values), values.iter().chain(ends()));
        let shown = from.zip(to).map(|(from, to)| serde_json::json!({"from": from, "to": to}));
        Ok(Ranges { bounds, shown: shown.collect() })
    }

    fn key(&self, val: &Val<'_>) -> Option<Scalar> {
        let comparable = match self.bounds.first()? {
            Scalar::Time(_) => matches!(val, Val::Time(_)),
            _ => matches!(val, Val::Int(_) | Val::Double(_)),
        };
        let scalar = if comparable { Scalar::of(val) } else { None }?;
        let range = self.bounds.partition_point(|bound| *bound <= scalar);
        i128::try_from(range).ok().map(Scalar::Int)
    }

    fn shown(&self, key: &Scalar) -> Option<&Value> {
        let Scalar::Int(at) = key else { return None };
        usize::try_from(*at).ok().and_then(|at| self.shown.get(at))
    }
}

/// Reads a bound for values of a type.
fn bound(value: &Value, ty: &Type) -> Result<Scalar, (&'static str, &'static str)> {
    match (value, ty) {
        (Value::String(text), Type::Time) => {
            let time = Timestamp::parse(text).map_err(|message| ("invalid", message))?;
            Ok(Scalar::Time(time.micros()))
        }
        (_, Type::Time) => Err(("type_mismatch", "takes a time: \"2026-01-31T12:00:00Z\"")),
        (Value::Number(number), _) => match (number.as_i64(), number.as_f64()) {
            (Some(n), _) if *ty == Type::Double && !exact_in_double(n) => {
                Err(("number_not_exact", "a double cannot hold this integer exactly"))
            }
            (Some(n), _) => Ok(Scalar::Int(n.into())),
            (_, Some(d)) => Ok(whole(d).map_or(Scalar::Double(d), |n| Scalar::Int(n.into()))),
            _ => Err(("type_mismatch", "takes a number")),
        },
        _ => Err(("type_mismatch", "takes a number")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn level(body: &Value) -> Result<Level, Error> {
        let schema = json!({"type": "object", "properties": {
            "n": {"type": "integer"}, "d": {"type": "number"}, "s": {"type": "string"},
            "Cost $": {"type": "integer"}, "tags": {"type": "array"}, "any": {}}});
        let request = super::super::request::Request::read(&json!({"group_by": [body]}))?;
        Level::compile(&request.levels[0], 0, Scope::record(&schema))
    }

    fn shown(level: &mut Level, val: &Val<'_>) -> String {
        let (key, mut out) = (level.shape.key(val), String::new());
        level.write_key(key.as_ref(), &mut out);
        out
    }

    #[test]
    fn keys_of_every_shape() {
        let mut ranges = level(&json!({"field": "data.n", "ranges": [0, 2.5, 5]})).unwrap();
        for (val, key) in [
            (Val::Int(-1), r#"{"from":null,"to":0}"#),
            (Val::Int(0), r#"{"from":0,"to":2.5}"#),
            (Val::Int(2), r#"{"from":0,"to":2.5}"#),
            (Val::Int(3), r#"{"from":2.5,"to":5}"#),
            (Val::Int(i64::MAX), r#"{"from":5,"to":null}"#),
            (Val::Unknown, "null"),
        ] {
            assert_eq!(shown(&mut ranges, &val), key);
        }
        let mut any = level(&json!({"field": "data.any"})).unwrap();
        assert_eq!(any.shape.key(&Val::Int(1)), any.shape.key(&Val::Double(1.0)));
        assert_eq!(shown(&mut any, &Val::Text("1".into())), "\"1\"");
        let mut days = level(&json!({"field": "data.s", "every": "1d", "zone": "-05:00"})).unwrap();
        let text = Val::Text("2026-01-02T04:59:59Z".into());
        assert_eq!(shown(&mut days, &text), "\"2026-01-01T05:00:00.000000Z\"");
        assert_eq!(shown(&mut days, &Val::Text("yesterday".into())), "null");
        let times = json!({"field": "time", "ranges": ["2026-01-01T00:00:00Z"]});
        let mut times = level(&times).unwrap();
        assert_eq!(
            shown(&mut times, &Val::Time(0)),
            r#"{"from":null,"to":"2026-01-01T00:00:00Z"}"#
        );
        assert!(level(&json!({"as": "cost", "field": "data.Cost$"})).is_err());
        assert!(level(&json!({"as": "cost", "field": "data[\"Cost $\"]"})).is_ok());
        assert!(level(&json!({"as": "m", "expr": "data.n % 10"})).is_ok());
    }

    #[test]
    fn what_cannot_be_grouped_is_refused_with_its_place() {
        for (body, path, code) in [
            (json!({"field": "region"}), "field", "unknown_name"),
            (json!({"field": "data.m"}), "field", "unknown_field"),
            (json!({"field": "data.tags"}), "field", "type_mismatch"),
            (json!({"as": "x", "field": "data.n + 1"}), "field", "invalid"),
            (json!({"as": "x", "expr": "data.n +"}), "expr", "syntax"),
            (json!({"field": "data.n", "every": "1d"}), "field", "type_mismatch"),
            (json!({"field": "time", "every": "1f"}), "every", "invalid"),
            (json!({"field": "time", "every": "1d", "zone": "Mars"}), "zone", "zone_invalid"),
            (json!({"field": "data.s", "ranges": [1]}), "field", "type_mismatch"),
            (json!({"field": "data.n", "ranges": [1, 1.0]}), "ranges/1", "invalid"),
            (json!({"field": "data.n", "ranges": ["1"]}), "ranges/0", "type_mismatch"),
            (json!({"field": "time", "ranges": [1]}), "ranges/0", "type_mismatch"),
            (json!({"field": "time", "ranges": ["now"]}), "ranges/0", "invalid"),
            (
                json!({"field": "data.d", "ranges": [9_007_199_254_740_993_i64]}),
                "ranges/0",
                "number_not_exact",
            ),
        ] {
            let error = level(&body).unwrap_err();
            let first = &error.errors[0];
            assert_eq!(
                (first.path.as_str(), first.code),
                (format!("/group_by/0/{path}").as_str(), code),
                "{body}"
            );
        }
    }
}
