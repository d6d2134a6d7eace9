//! What is asked of several values: Kleene's and and or, memberships, the elements of arrays.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::Value;

use crate::eval::{Cx, State};
use crate::node::Node;
use crate::types::Type;
use crate::value::{Const, Val};

impl<'a> Cx<'a, '_> {
    /// Kleene's and: false if one is, else unknown if one is.
    pub(super) fn all<T>(
        self,
        items: impl Iterator<Item = T>,
        state: &mut State<'a>,
        ask: impl Fn(Self, T, &mut State<'a>) -> Option<bool>,
    ) -> Option<bool> {
        let mut verdict = Some(true);
        for item in items {
            match ask(self, item, state) {
                Some(false) => return Some(false),
                Some(true) => {}
                None => verdict = None,
            }
        }
        verdict
    }

    /// Kleene's or: true if one is, else unknown if one is.
    pub(super) fn any<T>(
        self,
        items: impl Iterator<Item = T>,
        state: &mut State<'a>,
        ask: impl Fn(Self, T, &mut State<'a>) -> Option<bool>,
    ) -> Option<bool> {
        let not = |cx: Self, item, state: &mut State<'a>| ask(cx, item, state).map(|b| !b);
        self.all(items, state, not).map(|b| !b)
    }

    /// Whether a value is one of some constants.
    pub(super) fn among(
        self,
        node: &'a Node,
        list: &'a [Const],
        state: &mut State<'a>,
    ) -> Option<bool> {
        let value = self.value(node, state);
        state.fuel.constants(list.len())?;
        self.any(list.iter(), state, |_, item, state| {
            state.compare(&value, &item.val()).map(Ordering::is_eq)
        })
    }

    /// Whether the first is one of the others.
    pub(super) fn one_of(self, parts: &'a [Node], state: &mut State<'a>) -> Option<bool> {
        let (node, items) = parts.split_first()?;
        let value = self.value(node, state);
        self.any(items.iter(), state, |cx, item, state| {
            let item = cx.value(item, state);
            state.compare(&value, &item).map(Ordering::is_eq)
        })
    }

    pub(super) fn is_in(
        self,
        sides: &'a [Node; 2],
        element: &Type,
        state: &mut State<'a>,
    ) -> Option<bool> {
        let [left, right] = sides;
        let value = self.value(left, state);
        match self.value(right, state) {
            Val::Tree(Value::Array(items)) => self.any(items.iter(), state, |_, item, state| {
                state.fuel.element()?;
                state.compare(&value, &Val::of(item, element)).map(Ordering::is_eq)
            }),
            Val::Texts(items) => self.any(items.iter(), state, |_, item, state| {
                state.fuel.element()?;
                state.compare(&value, &Val::Text(Cow::Borrowed(item))).map(Ordering::is_eq)
            }),
            _ => None,
        }
    }

    pub(super) fn quantified(
        self,
        every: bool,
        parts: &'a [Node; 2],
        element: &Type,
        state: &mut State<'a>,
    ) -> Option<bool> {
        let [list, body] = parts;
        let ask = |cx: Self, value: Val<'a>, state: &mut State<'a>| {
            state.fuel.element()?;
            state.variables.push(value);
            let verdict = cx.truth(body, state);
            state.variables.pop();
            verdict
        };
        let list = self.value(list, state);
        let items: &mut dyn Iterator<Item = Val<'a>> = match list {
            Val::Tree(Value::Array(items)) => &mut items.iter().map(|item| Val::of(item, element)),
            Val::Texts(items) => &mut items.iter().map(|text| Val::Text(Cow::Borrowed(text))),
            _ => return None,
        };
        if every { self.all(items, state, ask) } else { self.any(items, state, ask) }
    }

    pub(super) fn index(self, sides: &'a [Node; 2], ty: &Type, state: &mut State<'a>) -> Val<'a> {
        let [list, at] = sides;
        let list = self.value(list, state);
        let Val::Int(at) = self.value(at, state) else { return Val::Unknown };
        let Ok(at) = usize::try_from(at) else { return Val::Unknown };
        match list {
            Val::Tree(Value::Array(items)) => {
                items.get(at).map_or(Val::Unknown, |item| Val::of(item, ty))
            }
            Val::Texts(items) => {
                items.get(at).map_or(Val::Unknown, |text| Val::Text(Cow::Borrowed(text)))
            }
            _ => Val::Unknown,
        }
    }
}
