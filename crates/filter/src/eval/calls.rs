//! The functions of one value, and the tests of a text.

use serde_json::Value;

use forebay_model::time::Timestamp;

use crate::arithmetic;
use crate::eval::{Cx, State};
use crate::node::{Kind, Node, TextTest};
use crate::value::Val;
use crate::zone::read_span;

impl<'a> Cx<'a, '_> {
    pub(super) fn call(self, node: &'a Node, state: &mut State<'a>) -> Val<'a> {
        let Some(argument) = node.below().first() else { return Val::Unknown };
        let value = self.value(argument, state);
        match (&node.kind, state.pay_for(value)) {
            (Kind::Lower(_), Val::Text(text)) => Val::Text(text.to_lowercase().into()),
            (Kind::Upper(_), Val::Text(text)) => Val::Text(text.to_uppercase().into()),
            (Kind::Size(_), value) => size(&value),
            (Kind::ReadSpan(_), Val::Text(text)) => {
                read_span(&text).map_or(Val::Unknown, Val::Span)
            }
            (Kind::ReadTime(_), value) => read_time(&value),
            (Kind::Piece(piece, _, zone), Val::Time(micros)) => {
                piece.of_time(micros, zone).map_or(Val::Unknown, Val::Int)
            }
            (Kind::Piece(piece, ..), Val::Span(micros)) => {
                piece.in_span(micros).map_or(Val::Unknown, Val::Int)
            }
            _ => Val::Unknown,
        }
    }

    /// Whether a text begins with, ends with or contains another.
    pub(super) fn test(
        self,
        test: TextTest,
        sides: &'a [Node; 2],
        state: &mut State<'a>,
    ) -> Option<bool> {
        let [left, right] = sides;
        let (text, part) = match (self.value(left, state), self.value(right, state)) {
            (Val::Text(text), Val::Text(part)) => (text, part),
            _ => return None,
        };
        Some(match test {
            TextTest::StartsWith => text.starts_with(part.as_ref()),
            TextTest::EndsWith => text.ends_with(part.as_ref()),
            TextTest::Contains => {
                state.fuel.text(text.len() + part.len())?;
                text.contains(part.as_ref())
            }
        })
    }

    /// Whether a member is there and not null.
    pub(super) fn has_member(
        self,
        node: &'a Node,
        name: &str,
        state: &mut State<'a>,
    ) -> Option<bool> {
        let value = self.value(node, state);
        // What could not be looked at may well be there.
        if state.fuel.is_out() {
            return None;
        }
        Some(match value {
            Val::Tree(Value::Object(members)) => members.get(name).is_some_and(|v| !v.is_null()),
            _ => false,
        })
    }
}

/// The number of code points, elements or members.
fn size<'a>(value: &Val<'_>) -> Val<'a> {
    let count = match value {
        Val::Text(text) => text.chars().count(),
        Val::Tree(Value::Array(items)) => items.len(),
        Val::Tree(Value::Object(members)) => members.len(),
        Val::Texts(items) => items.len(),
        _ => return Val::Unknown,
    };
    i64::try_from(count).map_or(Val::Unknown, Val::Int)
}

fn read_time<'a>(value: &Val<'_>) -> Val<'a> {
    match value {
        Val::Text(text) => Timestamp::parse(text).map_or(Val::Unknown, |t| Val::Time(t.micros())),
        Val::Int(seconds) => {
            seconds.checked_mul(1_000_000).map_or(Val::Unknown, arithmetic::in_range)
        }
        Val::Time(micros) => Val::Time(*micros),
        _ => Val::Unknown,
    }
}
