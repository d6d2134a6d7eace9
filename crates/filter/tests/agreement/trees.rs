//! Trees of filters, by hand; and the places that can be named in them.

use forebay_filter::ast::{Call, Expr, Kind, Literal, Operator};
use forebay_filter::span::Span;

use super::shape::{Field, Shape};

pub(crate) fn expr(kind: Kind) -> Expr {
    Expr { kind, span: Span::default() }
}

pub(crate) fn name(name: &str) -> Expr {
    expr(Kind::Name(name.to_owned()))
}

pub(crate) fn text(text: &str) -> Expr {
    expr(Kind::Literal(Literal::Text(text.to_owned())))
}

pub(crate) fn int(int: i64) -> Expr {
    expr(Kind::Literal(Literal::Int(int)))
}

pub(crate) fn call(name: &str, arguments: Vec<Expr>) -> Expr {
    let call = Call { target: None, name: name.to_owned(), at: Span::default(), arguments };
    expr(Kind::Call(call))
}

pub(crate) fn method(target: Expr, name: &str, arguments: Vec<Expr>) -> Expr {
    let target = Some(Box::new(target));
    expr(Kind::Call(Call { target, name: name.to_owned(), at: Span::default(), arguments }))
}

pub(crate) fn binary(operator: Operator, left: Expr, right: Expr) -> Expr {
    expr(Kind::Binary(operator, Box::new(left), Box::new(right)))
}

/// `&&` or `||`, flat as they are read.
pub(crate) fn chain(parts: Vec<Expr>, and: bool) -> Expr {
    let mut flat = Vec::new();
    for part in parts {
        match part.kind {
            Kind::And(inner) if and => flat.extend(inner),
            Kind::Or(inner) if !and => flat.extend(inner),
            kind => flat.push(expr(kind)),
        }
    }
    expr(if and { Kind::And(flat) } else { Kind::Or(flat) })
}

pub(crate) fn is_indexed(place: &Expr, fields: &[Field]) -> bool {
    field(place, fields).is_some_and(|field| field.indexed)
}

fn field<'f>(place: &Expr, fields: &'f [Field]) -> Option<&'f Field> {
    let Kind::Member(target, name) = &place.kind else { return None };
    let here = match &target.kind {
        Kind::Name(_) => fields,
        _ => match &field(target, fields)?.shape {
            Shape::Object(below) => below,
            _ => return None,
        },
    };
    here.iter().find(|field| field.name == *name)
}

pub(crate) fn members(target: &Expr, fields: &[Field], found: &mut Vec<(Expr, Shape)>) {
    for field in fields {
        let member = expr(Kind::Member(Box::new(target.clone()), field.name.clone()));
        below(member, &field.shape, found);
    }
}

pub(crate) fn below(place: Expr, shape: &Shape, found: &mut Vec<(Expr, Shape)>) {
    if let Shape::Object(fields) = shape {
        members(&place, fields, found);
    }
    if *shape == Shape::Any {
        let member = Kind::Member(Box::new(place.clone()), "n".to_owned());
        found.push((expr(member), Shape::Any));
    }
    found.push((place, shape.clone()));
}
