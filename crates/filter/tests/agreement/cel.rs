//! The `cel` crate as a further judge, on what the two languages share.

use std::collections::HashMap;
use std::sync::Arc;

use cel::objects::Key;
use cel::{Context, Program, Value};
use forebay_filter::View;
use forebay_filter::ast::{Expr, Kind, Literal};
use serde_json::Value as Json;

use super::shape::{Field, Shape};

/// Whether a filter uses nothing but what CEL has too.
pub(crate) fn speaks(expr: &Expr) -> bool {
    const FOREIGN: [&str; 9] =
        ["now", "lower", "upper", "timestamp", "duration", "has", "search", "time", "received_at"];
    match &expr.kind {
        Kind::Name(name) => !FOREIGN.contains(&name.as_str()) && name != "auth",
        Kind::Call(call) => {
            let arguments = || call.target.iter().map(AsRef::as_ref).chain(&call.arguments);
            !FOREIGN.contains(&call.name.as_str())
                && !call.name.starts_with("get")
                && arguments().all(speaks)
        }
        Kind::Member(target, name) => speaks(target) && is_name(name),
        Kind::Literal(_) => true,
        Kind::Not(one) | Kind::Negate(one) => speaks(one),
        Kind::List(parts) | Kind::And(parts) | Kind::Or(parts) => parts.iter().all(speaks),
        Kind::Index(a, b) | Kind::Binary(_, a, b) => speaks(a) && speaks(b),
        Kind::Choice(a, b, c) => speaks(a) && speaks(b) && speaks(c),
        Kind::Broken => false,
    }
}

/// CEL reserves `in`, `true` and more; they are no members there.
fn is_name(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_alphabetic()) && !["in", "true"].contains(&name)
}

/// Whether doubles stand beside numbers that no double holds: the crate compares the two as
/// doubles, where CEL's definition and ours compare them exactly.
pub(crate) fn rounds(expr: &Expr, data: &Json) -> bool {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let mut numbers = Vec::new();
    constants(expr, &mut numbers);
    values(data, &mut numbers);
    let large = |n: &serde_json::Number| n.as_f64().unwrap().abs() >= EXACT;
    numbers.iter().any(serde_json::Number::is_f64) && numbers.iter().any(large)
}

fn constants(expr: &Expr, found: &mut Vec<serde_json::Number>) {
    match &expr.kind {
        Kind::Literal(Literal::Int(n)) => found.push((*n).into()),
        Kind::Literal(Literal::Double(d)) => {
            found.extend(serde_json::Number::from_f64(*d));
        }
        Kind::Call(call) => {
            let arguments = call.target.iter().map(AsRef::as_ref).chain(&call.arguments);
            arguments.for_each(|argument| constants(argument, found));
        }
        Kind::Not(a) | Kind::Negate(a) | Kind::Member(a, _) => constants(a, found),
        Kind::List(parts) | Kind::And(parts) | Kind::Or(parts) => {
            parts.iter().for_each(|part| constants(part, found));
        }
        Kind::Index(a, b) | Kind::Binary(_, a, b) => {
            [a, b].into_iter().for_each(|part| constants(part, found));
        }
        Kind::Choice(a, b, c) => [a, b, c].into_iter().for_each(|part| constants(part, found)),
        Kind::Literal(_) | Kind::Name(_) | Kind::Broken => {}
    }
}

fn values(json: &Json, found: &mut Vec<serde_json::Number>) {
    match json {
        Json::Number(n) => found.push(n.clone()),
        Json::Array(items) => items.iter().for_each(|item| values(item, found)),
        Json::Object(members) => members.values().for_each(|member| values(member, found)),
        _ => {}
    }
}

pub(crate) fn compile(text: &str) -> Option<Program> {
    Program::compile(text).ok()
}

/// What CEL says; `None` where it makes an error of it, such as an integer and a double in a sum.
pub(crate) fn verdict(
    program: &Program,
    fields: &[Field],
    data: &Json,
    view: View<'_>,
) -> Option<bool> {
    let mut context = Context::default();
    let data = value(data, &Shape::Object(fields.to_vec()));
    context.add_variable_from_value("data", data);
    context.add_variable_from_value("id", Value::String(Arc::new(view.id.to_owned())));
    context.add_variable_from_value("seq", Value::Int(view.seq));
    context.add_variable_from_value("version", Value::Int(view.version));
    match program.execute(&context) {
        Ok(Value::Bool(verdict)) => Some(verdict),
        _ => None,
    }
}

/// A record as CEL sees it after our schema: numbers are of their declared type.
fn value(json: &Json, shape: &Shape) -> Value {
    match (json, shape) {
        (Json::Null, _) => Value::Null,
        (Json::Bool(b), _) => Value::Bool(*b),
        (Json::String(text), _) => Value::String(Arc::new(text.clone())),
        (Json::Number(n), Shape::Double) => Value::Float(n.as_f64().unwrap()),
        (Json::Number(n), Shape::Int) if !n.is_i64() => {
            Value::Int(format!("{:.0}", n.as_f64().unwrap()).parse().unwrap())
        }
        (Json::Number(n), _) if n.is_i64() => Value::Int(n.as_i64().unwrap()),
        (Json::Number(n), _) => Value::Float(n.as_f64().unwrap()),
        (Json::Array(items), Shape::List(element)) => {
            Value::List(Arc::new(items.iter().map(|item| value(item, element)).collect()))
        }
        (Json::Array(items), _) => {
            Value::List(Arc::new(items.iter().map(|item| value(item, &Shape::Any)).collect()))
        }
        (Json::Object(members), shape) => {
            let member = |(name, json): (&String, &Json)| {
                let below = match shape {
                    Shape::Object(fields) => fields.iter().find(|field| field.name == *name),
                    _ => None,
                };
                let below = below.map_or(&Shape::Any, |field| &field.shape);
                (Key::String(Arc::new(name.clone())), value(json, below))
            };
            let members: HashMap<Key, Value> = members.iter().map(member).collect();
            Value::Map(members.into())
        }
    }
}
