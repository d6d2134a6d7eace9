//! Values while an expression is evaluated: borrowed from the record wherever that can be.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::Value;

use crate::number;
use crate::types::Type;

/// A value; `Unknown` is what SQL calls NULL.
#[derive(Debug, Clone, PartialEq)]
pub enum Val<'a> {
    /// A missing field, null, a wrong type at run time, an overflow: only true matches, and this
    /// is not true.
    Unknown,
    /// True or false.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A finite double.
    Double(f64),
    /// A text.
    Text(Cow<'a, str>),
    /// Microseconds since the epoch.
    Time(i64),
    /// Microseconds.
    Span(i64),
    /// An array or object of the record.
    Tree(&'a Value),
    /// The texts of a list that is not part of the record (`auth.roles`).
    Texts(&'a [String]),
}

impl<'a> Val<'a> {
    /// A value of a JSON tree, where it is of the type that is expected of it.
    pub(crate) fn of(value: &'a Value, ty: &Type) -> Val<'a> {
        match (ty, value) {
            (Type::Bool | Type::Any, Value::Bool(b)) => Val::Bool(*b),
            (Type::Int | Type::Any, Value::Number(n)) if n.is_i64() => {
                n.as_i64().map_or(Val::Unknown, Val::Int)
            }
            (Type::Int, Value::Number(n)) => {
                n.as_f64().and_then(number::exact_int).map_or(Val::Unknown, Val::Int)
            }
            (Type::Double | Type::Any, Value::Number(n)) => {
                n.as_f64().map_or(Val::Unknown, Val::Double)
            }
            (Type::Text | Type::Any, Value::String(text)) => Val::Text(Cow::Borrowed(text)),
            (Type::List(_) | Type::Any, Value::Array(_)) => Val::Tree(value),
            (Type::Object | Type::Any, Value::Object(_)) => Val::Tree(value),
            _ => Val::Unknown,
        }
    }

    /// A double that is finite.
    pub(crate) fn finite(double: f64) -> Val<'a> {
        // −0 is 0.
        if double.is_finite() { Val::Double(double + 0.0) } else { Val::Unknown }
    }

    /// True, false, or unknown.
    pub(crate) fn truth(&self) -> Option<bool> {
        match self {
            Val::Bool(b) => Some(*b),
            _ => None,
        }
    }

    /// How two values compare; `None` when one is unknown or they are of different kinds.
    pub(crate) fn compare(&self, other: &Val<'_>) -> Option<Ordering> {
        match (self, other) {
            (Val::Int(a), Val::Int(b)) => Some(a.cmp(b)),
            (Val::Int(a), Val::Double(b)) => Some(number::compare(*a, *b)),
            (Val::Double(a), Val::Int(b)) => Some(number::compare(*b, *a).reverse()),
            (Val::Double(a), Val::Double(b)) => a.partial_cmp(b),
            // UTF-8 orders as its code points do.
            (Val::Text(a), Val::Text(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
            (Val::Bool(a), Val::Bool(b)) => Some(a.cmp(b)),
            (Val::Time(a), Val::Time(b)) | (Val::Span(a), Val::Span(b)) => Some(a.cmp(b)),
            _ => None,
        }
    }
}

/// A value that is known before any record is looked at.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Const {
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(String),
    Time(i64),
    Span(i64),
}

impl Const {
    pub(crate) fn val(&self) -> Val<'_> {
        match self {
            Const::Bool(b) => Val::Bool(*b),
            Const::Int(n) => Val::Int(*n),
            Const::Double(d) => Val::Double(*d),
            Const::Text(text) => Val::Text(Cow::Borrowed(text)),
            Const::Time(micros) => Val::Time(*micros),
            Const::Span(micros) => Val::Span(*micros),
        }
    }

    pub(crate) fn ty(&self) -> Type {
        match self {
            Const::Bool(_) => Type::Bool,
            Const::Int(_) => Type::Int,
            Const::Double(_) => Type::Double,
            Const::Text(_) => Type::Text,
            Const::Time(_) => Type::Time,
            Const::Span(_) => Type::Span,
        }
    }
}
