//! The language once more, naively: over a tree of JSON, from the rules and not from the evaluator.
//!
//! Everything is evaluated, nothing is short-cut, all is copied.

use std::cmp::Ordering;

use forebay_filter::ast::{Call, Expr, Kind, Literal, Operator};
use forebay_filter::{Auth, View};
use serde_json::Value;

use super::calendar;
use super::shape::{Field, Shape};
use super::words::Said;

/// A value; times and spans in microseconds.
#[derive(Debug, Clone)]
pub(crate) enum R {
    Unknown,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(String),
    Time(i64),
    Span(i64),
    Json(Value, Shape),
}

/// What a filter is asked about.
pub(crate) struct World<'w> {
    pub(crate) fields: &'w [Field],
    pub(crate) data: &'w Value,
    pub(crate) view: View<'w>,
    pub(crate) now: i64,
    pub(crate) auth: Option<&'w Auth>,
    pub(crate) variables: Vec<(String, R)>,
    /// What is searched of it.
    pub(crate) said: Said,
    /// Whether something was unknown anywhere on the way.
    pub(crate) met_unknown: bool,
    /// Whether it came upon a zone's time that the calendar of these tests does not know.
    pub(crate) lost: bool,
}

type Truth = Option<bool>;

fn and(truths: impl IntoIterator<Item = Truth>) -> Truth {
    let truths: Vec<Truth> = truths.into_iter().collect();
    match truths.contains(&Some(false)) {
        true => Some(false),
        false if truths.contains(&None) => None,
        false => Some(true),
    }
}

fn or(truths: impl IntoIterator<Item = Truth>) -> Truth {
    and(truths.into_iter().map(|truth| truth.map(|b| !b))).map(|b| !b)
}

fn truth(value: &R) -> Truth {
    match value {
        R::Bool(b) => Some(*b),
        _ => None,
    }
}

fn of(truth: Truth) -> R {
    truth.map_or(R::Unknown, R::Bool)
}

/// A value of a record, if it is what was declared.
fn typed(value: &Value, shape: &Shape) -> R {
    let whole = |d: f64| (d.fract() == 0.0 && d.abs() < 1e18).then(|| format!("{d:.0}"));
    match (shape, value) {
        (Shape::Bool | Shape::Any, Value::Bool(b)) => R::Bool(*b),
        (Shape::Text | Shape::Any, Value::String(text)) => R::Text(text.clone()),
        (Shape::Int | Shape::Any, Value::Number(n)) if n.is_i64() => R::Int(n.as_i64().unwrap()),
        (Shape::Int, Value::Number(n)) => {
            let digits = whole(n.as_f64().unwrap()).map(|digits| digits.replace("-0", "0"));
            let exact = n.as_f64().filter(|d| d.abs() >= 1e18 && d.fract() == 0.0);
            match (digits, exact) {
                (Some(digits), _) => R::Int(digits.parse().unwrap()),
                // Beyond 10¹⁸ a double is written exactly all the same.
                (None, Some(d)) => format!("{d:.0}").parse().map_or(R::Unknown, R::Int),
                _ => R::Unknown,
            }
        }
        (Shape::Double | Shape::Any, Value::Number(n)) => R::Double(n.as_f64().unwrap()),
        (Shape::List(_) | Shape::Any, Value::Array(_))
        | (Shape::Object(_) | Shape::Any, Value::Object(_)) => {
            R::Json(value.clone(), shape.clone())
        }
        _ => R::Unknown,
    }
}

/// How an integer and a double compare, through their exact decimal digits.
fn compare_exactly(int: i64, double: f64) -> Ordering {
    if double.abs() < 1e30 {
        let floor = double.floor();
        let whole: i128 = format!("{floor:.0}").parse().unwrap();
        let above = if double > floor { Ordering::Less } else { Ordering::Equal };
        return i128::from(int).cmp(&whole).then(above);
    }
    if double > 0.0 { Ordering::Less } else { Ordering::Greater }
}

fn compare(left: &R, right: &R) -> Option<Ordering> {
    Some(match (left, right) {
        (R::Int(a), R::Int(b)) | (R::Time(a), R::Time(b)) | (R::Span(a), R::Span(b)) => a.cmp(b),
        (R::Int(a), R::Double(b)) => compare_exactly(*a, *b),
        (R::Double(a), R::Int(b)) => compare_exactly(*b, *a).reverse(),
        (R::Double(a), R::Double(b)) => a.partial_cmp(b)?,
        (R::Text(a), R::Text(b)) => a.chars().cmp(b.chars()),
        (R::Bool(a), R::Bool(b)) => a.cmp(b),
        _ => return None,
    })
}

fn compared(operator: Operator, left: &R, right: &R) -> Truth {
    let order = compare(left, right)?;
    Some(match operator {
        Operator::Equal => order == Ordering::Equal,
        Operator::NotEqual => order != Ordering::Equal,
        Operator::Less => order == Ordering::Less,
        Operator::LessOrEqual => order != Ordering::Greater,
        Operator::Greater => order == Ordering::Greater,
        _ => order != Ordering::Less,
    })
}

#[allow(clippy::cast_precision_loss, reason = "the nearest double is meant")]
fn arithmetic(operator: Operator, left: R, right: R) -> R {
    use Operator::{Add, Divide, Multiply, Remainder, Subtract};
    let fits = |wide: i128| i64::try_from(wide).ok();
    match (left, right) {
        (R::Int(a), R::Int(b)) => {
            let (a, b) = (i128::from(a), i128::from(b));
            let whole = match operator {
                Add => fits(a + b),
                Subtract => fits(a - b),
                Multiply => fits(a * b),
                Divide if b != 0 => fits(a / b),
                // What overflows when it is divided has no remainder either.
                Remainder if b != 0 => fits(a / b).and(fits(a % b)),
                _ => None,
            };
            whole.map_or(R::Unknown, R::Int)
        }
        (R::Int(a), R::Double(b)) => doubles(operator, a as f64, b),
        (R::Double(a), R::Int(b)) => doubles(operator, a, b as f64),
        (R::Double(a), R::Double(b)) => doubles(operator, a, b),
        (R::Text(a), R::Text(b)) if operator == Add => R::Text(format!("{a}{b}")),
        (R::Time(a), R::Span(b)) if operator == Add => moment(i128::from(a) + i128::from(b)),
        (R::Span(a), R::Time(b)) if operator == Add => moment(i128::from(a) + i128::from(b)),
        (R::Time(a), R::Span(b)) if operator == Subtract => moment(i128::from(a) - i128::from(b)),
        (R::Time(a), R::Time(b)) if operator == Subtract => R::Span(a - b),
        (R::Span(a), R::Span(b)) if operator == Add => span(i128::from(a) + i128::from(b)),
        (R::Span(a), R::Span(b)) if operator == Subtract => span(i128::from(a) - i128::from(b)),
        _ => R::Unknown,
    }
}

fn doubles(operator: Operator, a: f64, b: f64) -> R {
    let result = match operator {
        Operator::Add => a + b,
        Operator::Subtract => a - b,
        Operator::Multiply => a * b,
        Operator::Divide => a / b,
        _ => return R::Unknown,
    };
    if result.is_finite() { R::Double(result) } else { R::Unknown }
}

/// A time between the years 1 and 9999.
fn moment(micros: i128) -> R {
    let within = (calendar::FIRST..=calendar::LAST).contains(&micros);
    if within { R::Time(i64::try_from(micros).unwrap()) } else { R::Unknown }
}

fn span(micros: i128) -> R {
    i64::try_from(micros).map_or(R::Unknown, R::Span)
}

impl World<'_> {
    pub(crate) fn truth(&mut self, expr: &Expr) -> Truth {
        truth(&self.value(expr))
    }

    fn value(&mut self, expr: &Expr) -> R {
        let value = self.value_of(expr);
        self.met_unknown |= matches!(value, R::Unknown);
        value
    }

    fn value_of(&mut self, expr: &Expr) -> R {
        match &expr.kind {
            Kind::Literal(Literal::Bool(b)) => R::Bool(*b),
            Kind::Literal(Literal::Int(n)) => R::Int(*n),
            Kind::Literal(Literal::Double(d)) => R::Double(*d),
            Kind::Literal(Literal::Text(text)) => R::Text(text.clone()),
            Kind::Name(name) => self.named(name),
            Kind::Member(target, name) => self.member(target, name),
            Kind::Index(target, at) => {
                let (list, at) = (self.value(target), self.value(at));
                let (R::Json(Value::Array(items), shape), R::Int(at)) = (list, at) else {
                    return R::Unknown;
                };
                let item = usize::try_from(at).ok().and_then(|at| items.get(at));
                item.map_or(R::Unknown, |item| typed(item, &element(&shape)))
            }
            Kind::Call(call) => self.called(call),
            Kind::Not(inner) => of(self.truth(inner).map(|b| !b)),
            Kind::Negate(inner) => match self.value(inner) {
                R::Int(n) => n.checked_neg().map_or(R::Unknown, R::Int),
                R::Double(d) => R::Double(-d),
                R::Span(micros) => span(-i128::from(micros)),
                _ => R::Unknown,
            },
            Kind::And(parts) => of(and(self.truths(parts))),
            Kind::Or(parts) => of(or(self.truths(parts))),
            Kind::Choice(condition, then, other) => match self.truth(condition) {
                Some(true) => self.value(then),
                Some(false) => self.value(other),
                None => R::Unknown,
            },
            Kind::Binary(Operator::In, left, right) => {
                let value = self.value(left);
                let items = match &right.kind {
                    Kind::List(items) => items.iter().map(|item| self.value(item)).collect(),
                    _ => match self.elements(right) {
                        Some(items) => items,
                        None => return R::Unknown,
                    },
                };
                of(or(items.iter().map(|item| compared(Operator::Equal, &value, item))))
            }
            Kind::Binary(operator, left, right) => {
                let (left, right) = (self.value(left), self.value(right));
                match operator {
                    Operator::Add
                    | Operator::Subtract
                    | Operator::Multiply
                    | Operator::Divide
                    | Operator::Remainder => arithmetic(*operator, left, right),
                    _ => of(compared(*operator, &left, &right)),
                }
            }
            other => panic!("{other:?} has no value"),
        }
    }

    fn truths(&mut self, parts: &[Expr]) -> Vec<Truth> {
        parts.iter().map(|part| self.truth(part)).collect()
    }

    fn named(&mut self, name: &str) -> R {
        let variable = self.variables.iter().rev().find(|(known, _)| known == name);
        match (variable, name) {
            (Some((_, value)), _) => value.clone(),
            (_, "data") => R::Json(self.data.clone(), Shape::Object(self.fields.to_vec())),
            (_, "id") => R::Text(self.view.id.to_owned()),
            (_, "seq") => R::Int(self.view.seq),
            (_, "version") => R::Int(self.view.version),
            (_, "time") => R::Time(self.view.time),
            (_, "received_at") => R::Time(self.view.received_at),
            _ => panic!("{name} has no value"),
        }
    }

    fn member(&mut self, target: &Expr, name: &str) -> R {
        if target.kind == Kind::Name("auth".to_owned()) {
            let text = self.auth.and_then(|auth| match name {
                "user_id" => auth.user_id.clone(),
                _ => auth.email.clone(),
            });
            return text.map_or(R::Unknown, R::Text);
        }
        let R::Json(Value::Object(members), shape) = self.value(target) else { return R::Unknown };
        let below = match &shape {
            Shape::Object(fields) => &fields.iter().find(|field| field.name == name).unwrap().shape,
            _ => &Shape::Any,
        };
        members.get(name).map_or(R::Unknown, |value| typed(value, below))
    }

    /// The elements of an array.
    fn elements(&mut self, list: &Expr) -> Option<Vec<R>> {
        let R::Json(Value::Array(items), shape) = self.value(list) else { return None };
        Some(items.iter().map(|item| typed(item, &element(&shape))).collect())
    }

    fn called(&mut self, call: &Call) -> R {
        let arguments = call.target.iter().map(AsRef::as_ref).chain(&call.arguments);
        let arguments: Vec<&Expr> = arguments.collect();
        match (call.name.as_str(), arguments.as_slice()) {
            ("has", [field]) => return R::Bool(self.has(field)),
            ("now", []) => return R::Time(self.now),
            ("search", [text]) => {
                let R::Text(text) = self.value(text) else { panic!("{text} is no text") };
                return R::Bool(self.said.has_all(&text));
            }
            ("exists" | "all", [list, variable, body]) => {
                let Kind::Name(variable) = &variable.kind else { panic!("{variable}") };
                let Some(items) = self.elements(list) else { return R::Unknown };
                let truths: Vec<Truth> = items
                    .into_iter()
                    .map(|item| {
                        self.variables.push((variable.clone(), item));
                        let truth = self.truth(body);
                        self.variables.pop();
                        truth
                    })
                    .collect();
                return of(if call.name == "all" { and(truths) } else { or(truths) });
            }
            _ => {}
        }
        let values: Vec<R> = arguments.iter().map(|argument| self.value(argument)).collect();
        if let [R::Time(micros), R::Text(zone)] = values.as_slice() {
            self.lost |= !calendar::knows(zone, *micros);
        }
        super::functions::call(&call.name, &values)
    }

    fn has(&mut self, field: &Expr) -> bool {
        let Kind::Member(target, name) = &field.kind else { return true };
        match self.value(target) {
            R::Json(Value::Object(members), _) => members.get(name).is_some_and(|v| !v.is_null()),
            _ => false,
        }
    }
}

fn element(list: &Shape) -> Shape {
    match list {
        Shape::List(element) => (**element).clone(),
        _ => Shape::Any,
    }
}
