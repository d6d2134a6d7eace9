//! Writes a tree as a text that is read back as the same tree.

use std::fmt::{self, Display, Formatter, Write};

use crate::ast::{Expr, Kind, Literal};

/// How tightly a part binds; a part inside one that binds tighter needs parentheses.
fn binding(expr: &Expr) -> u8 {
    match &expr.kind {
        Kind::Choice(..) => 0,
        Kind::Or(_) => 1,
        Kind::And(_) => 2,
        Kind::Binary(operator, ..) => operator.binding(),
        Kind::Not(_) | Kind::Negate(_) => 6,
        _ => 7,
    }
}

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Literal(literal) => literal.fmt(f),
            Kind::Name(name) => f.write_str(name),
            Kind::Broken => f.write_str("…"),
            Kind::List(items) => {
                f.write_char('[')?;
                separated(items, ", ", 0, f)?;
                f.write_char(']')
            }
            Kind::Member(target, name) => {
                within(target, 7, f)?;
                if is_name(name) {
                    return write!(f, ".{name}");
                }
                f.write_char('[')?;
                quoted(name, f)?;
                f.write_char(']')
            }
            Kind::Index(target, index) => {
                within(target, 7, f)?;
                write!(f, "[{index}]")
            }
            Kind::Call(call) => {
                if let Some(target) = &call.target {
                    within(target, 7, f)?;
                    f.write_char('.')?;
                }
                write!(f, "{}(", call.name)?;
                separated(&call.arguments, ", ", 0, f)?;
                f.write_char(')')
            }
            Kind::Not(inner) => {
                f.write_char('!')?;
                within(inner, 6, f)
            }
            // `-1` is a constant and `- 1` is too: the parentheses keep the two apart.
            Kind::Negate(inner) => {
                f.write_char('-')?;
                within(inner, if begins_with_digit(inner) { 8 } else { 6 }, f)
            }
            Kind::Binary(operator, left, right) => {
                within(left, operator.binding(), f)?;
                write!(f, " {} ", operator.symbol())?;
                within(right, operator.binding() + 1, f)
            }
            Kind::And(parts) => separated(parts, " && ", 3, f),
            Kind::Or(parts) => separated(parts, " || ", 2, f),
            Kind::Choice(condition, then, other) => {
                within(condition, 1, f)?;
                write!(f, " ? {then} : {other}")
            }
        }
    }
}

fn begins_with_digit(expr: &Expr) -> bool {
    match &expr.kind {
        Kind::Literal(Literal::Int(n)) => *n >= 0,
        Kind::Literal(Literal::Double(d)) => d.is_sign_positive(),
        Kind::Member(target, _) | Kind::Index(target, _) => begins_with_digit(target),
        Kind::Call(call) => call.target.as_deref().is_some_and(begins_with_digit),
        _ => false,
    }
}

fn within(expr: &Expr, least: u8, f: &mut Formatter<'_>) -> fmt::Result {
    if binding(expr) < least { write!(f, "({expr})") } else { write!(f, "{expr}") }
}

fn separated(parts: &[Expr], by: &str, least: u8, f: &mut Formatter<'_>) -> fmt::Result {
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            f.write_str(by)?;
        }
        within(part, least, f)?;
    }
    Ok(())
}

/// Whether a member may stand behind a dot.
fn is_name(name: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !name.is_empty() && name.chars().all(good) && !name.starts_with(|c: char| c.is_ascii_digit())
}

impl Display for Literal {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Literal::Bool(value) => write!(f, "{value}"),
            Literal::Int(value) => write!(f, "{value}"),
            // Shortest round trip, always with a point or an exponent.
            Literal::Double(value) => write!(f, "{value:?}"),
            Literal::Text(text) => quoted(text, f),
        }
    }
}

fn quoted(text: &str, f: &mut Formatter<'_>) -> fmt::Result {
    f.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            c if c.is_control() => write!(f, "\\u{:04x}", u32::from(c))?,
            c => f.write_char(c)?,
        }
    }
    f.write_char('"')
}
