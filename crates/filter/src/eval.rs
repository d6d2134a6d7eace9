//! The evaluator: what a text means. Three-valued (Kleene), total, bounded.

use std::borrow::Cow;
use std::cmp::Ordering;

use forebay_model::record::Record;
use forebay_model::time::Timestamp;
use serde_json::Value;
use smallvec::SmallVec;

use crate::arithmetic;
use crate::ast::Operator;
use crate::compile::Expression;
use crate::fields::{Field, Slots};
use crate::node::{Kind, Node, TextTest};
use crate::scope::{Auth, AuthPart, Part};
use crate::types::Type;
use crate::value::Val;
use crate::zone::read_span;

/// How many elements one evaluation may visit; beyond it the answer is unknown.
const FUEL: u32 = 200_000;

/// A record as an expression sees it: all borrowed.
#[derive(Debug, Clone, Copy)]
pub struct View<'r> {
    /// Its id.
    pub id: &'r str,
    /// Its position.
    pub seq: i64,
    /// Its version.
    pub version: i64,
    /// When it happened, in microseconds.
    pub time: i64,
    /// When it was stored, in microseconds.
    pub received_at: i64,
    /// Canonical JSON of an object.
    pub data: &'r str,
}

impl<'r> From<&'r Record> for View<'r> {
    fn from(record: &'r Record) -> View<'r> {
        View {
            id: &record.id,
            seq: record.seq,
            version: record.version,
            time: record.time.micros(),
            received_at: record.received_at.micros(),
            data: &record.data,
        }
    }
}

/// What surrounds an evaluation.
#[derive(Debug, Clone, Copy)]
pub struct Env<'e> {
    /// What `now()` is.
    pub now: Timestamp,
    /// Who asks; without it `auth.…` is unknown.
    pub auth: Option<&'e Auth>,
    /// The values of the scope's given names, in their order.
    pub given: &'e [Val<'e>],
}

impl Env<'_> {
    /// At a point in time, with nothing else.
    pub const fn at(now: Timestamp) -> Env<'static> {
        Env { now, auth: None, given: &[] }
    }
}

const NO_RECORD: View<'static> =
    View { id: "", seq: 0, version: 0, time: 0, received_at: 0, data: "" };

pub(crate) fn verdict(expression: &Expression, view: &View<'_>, env: &Env<'_>) -> Option<bool> {
    let slots = expression.paths.find(view.data);
    let cx = Cx { view, env, slots: &slots, fields: expression.paths.fields() };
    cx.truth(&expression.root, &mut State::new())
}

pub(crate) fn with_value<T>(
    expression: &Expression,
    view: &View<'_>,
    env: &Env<'_>,
    take: impl FnOnce(&Val<'_>) -> T,
) -> T {
    let slots = expression.paths.find(view.data);
    let cx = Cx { view, env, slots: &slots, fields: expression.paths.fields() };
    let value = cx.value(&expression.root, &mut State::new());
    take(&value)
}

/// The value of a node that looks at no record.
pub(crate) fn constant<T>(node: &Node, env: &Env<'_>, take: impl FnOnce(&Val<'_>) -> T) -> T {
    let slots = crate::fields::Paths::new().find("");
    let cx = Cx { view: &NO_RECORD, env, slots: &slots, fields: &[] };
    let value = cx.value(node, &mut State::new());
    take(&value)
}

/// What an evaluation reads.
#[derive(Clone, Copy)]
struct Cx<'a, 'r> {
    view: &'a View<'a>,
    env: &'a Env<'a>,
    slots: &'a Slots<'r>,
    fields: &'a [Field],
}

/// What an evaluation changes.
struct State<'a> {
    variables: SmallVec<[Val<'a>; 2]>,
    fuel: u32,
}

impl State<'_> {
    fn new() -> Self {
        State { variables: SmallVec::new(), fuel: FUEL }
    }
}

impl<'a> Cx<'a, '_> {
    fn truth(self, node: &'a Node, state: &mut State<'a>) -> Option<bool> {
        match &node.kind {
            Kind::Not(inner) => self.truth(inner, state).map(|b| !b),
            Kind::And(parts) => {
                self.all(parts.iter(), state, |cx, part, state| cx.truth(part, state))
            }
            Kind::Or(parts) => {
                self.any(parts.iter(), state, |cx, part, state| cx.truth(part, state))
            }
            Kind::Compare(operator, sides) => {
                let [left, right] = sides.as_ref();
                let left = self.value(left, state);
                let order = left.compare(&self.value(right, state))?;
                Some(holds(*operator, order))
            }
            Kind::Among(node, list) => {
                let value = self.value(node, state);
                self.any(list.iter(), state, |_, item, _| {
                    value.compare(&item.val()).map(Ordering::is_eq)
                })
            }
            Kind::OneOf(parts) => {
                let (node, items) = parts.split_first()?;
                let value = self.value(node, state);
                self.any(items.iter(), state, |cx, item, state| {
                    value.compare(&cx.value(item, state)).map(Ordering::is_eq)
                })
            }
            Kind::In(sides, element) => self.is_in(sides, element, state),
            Kind::Has(slot) => Some(self.slots.has(*slot)),
            Kind::HasMember(node, name) => match self.value(node, state) {
                Val::Tree(Value::Object(members)) => {
                    Some(members.get(name).is_some_and(|v| !v.is_null()))
                }
                _ => Some(false),
            },
            Kind::Quantified { every, parts, element } => {
                self.quantified(*every, parts, element, state)
            }
            Kind::Test(test, sides) => {
                let [left, right] = sides.as_ref();
                match (self.value(left, state), self.value(right, state)) {
                    (Val::Text(text), Val::Text(part)) => Some(match test {
                        TextTest::StartsWith => text.starts_with(part.as_ref()),
                        TextTest::EndsWith => text.ends_with(part.as_ref()),
                        TextTest::Contains => text.contains(part.as_ref()),
                    }),
                    _ => None,
                }
            }
            Kind::Matches(node, pattern) => match self.value(node, state) {
                Val::Text(text) => Some(pattern.is_match(&text)),
                _ => None,
            },
            _ => self.value(node, state).truth(),
        }
    }

    /// Kleene's and: false if one is, else unknown if one is.
    fn all<T>(
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
    fn any<T>(
        self,
        items: impl Iterator<Item = T>,
        state: &mut State<'a>,
        ask: impl Fn(Self, T, &mut State<'a>) -> Option<bool>,
    ) -> Option<bool> {
        let not = |cx: Self, item, state: &mut State<'a>| ask(cx, item, state).map(|b| !b);
        self.all(items, state, not).map(|b| !b)
    }

    fn is_in(self, sides: &'a [Node; 2], element: &Type, state: &mut State<'a>) -> Option<bool> {
        let [left, right] = sides;
        let value = self.value(left, state);
        match self.value(right, state) {
            Val::Tree(Value::Array(items)) => self.any(items.iter(), state, |_, item, state| {
                state.fuel = state.fuel.checked_sub(1)?;
                value.compare(&Val::of(item, element)).map(Ordering::is_eq)
            }),
            Val::Texts(items) => self.any(items.iter(), state, |_, item, _| {
                value.compare(&Val::Text(Cow::Borrowed(item))).map(Ordering::is_eq)
            }),
            _ => None,
        }
    }

    fn quantified(
        self,
        every: bool,
        parts: &'a [Node; 2],
        element: &Type,
        state: &mut State<'a>,
    ) -> Option<bool> {
        let [list, body] = parts;
        let ask = |cx: Self, value: Val<'a>, state: &mut State<'a>| {
            state.fuel = state.fuel.checked_sub(1)?;
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

    fn value(self, node: &'a Node, state: &mut State<'a>) -> Val<'a> {
        match &node.kind {
            Kind::Const(constant) => constant.val(),
            Kind::Data(slot) => match self.fields.get(*slot) {
                Some(field) => self.slots.value(*slot, &field.ty),
                None => Val::Unknown,
            },
            Kind::Part(part) => self.part(*part),
            Kind::Auth(part) => self.auth(*part),
            Kind::Given(at) => self.env.given.get(*at).cloned().unwrap_or(Val::Unknown),
            Kind::Variable(at) => state.variables.get(*at).cloned().unwrap_or(Val::Unknown),
            Kind::Member(target, name, ty) => match self.value(target, state) {
                Val::Tree(Value::Object(members)) => {
                    members.get(name).map_or(Val::Unknown, |value| Val::of(value, ty))
                }
                _ => Val::Unknown,
            },
            Kind::Index(sides, ty) => self.index(sides, ty, state),
            Kind::Choice(parts) => {
                let [condition, then, other] = parts.as_ref();
                match self.truth(condition, state) {
                    Some(true) => self.value(then, state),
                    Some(false) => self.value(other, state),
                    None => Val::Unknown,
                }
            }
            Kind::Arithmetic(operator, sides) => {
                let [left, right] = sides.as_ref();
                let left = self.value(left, state);
                arithmetic::value(*operator, left, self.value(right, state))
            }
            Kind::Negate(inner) => match self.value(inner, state) {
                Val::Int(n) => n.checked_neg().map_or(Val::Unknown, Val::Int),
                Val::Double(d) => Val::finite(-d),
                Val::Span(micros) => micros.checked_neg().map_or(Val::Unknown, Val::Span),
                _ => Val::Unknown,
            },
            Kind::Now => Val::Time(self.env.now.micros()),
            Kind::Size(_)
            | Kind::Lower(_)
            | Kind::Upper(_)
            | Kind::ReadSpan(_)
            | Kind::ReadTime(_)
            | Kind::Piece(..) => self.call(node, state),
            // Until an index exists there is nothing that could answer.
            Kind::Search => Val::Unknown,
            _ => self.truth(node, state).map_or(Val::Unknown, Val::Bool),
        }
    }

    fn part(self, part: Part) -> Val<'a> {
        match part {
            Part::Id => Val::Text(Cow::Borrowed(self.view.id)),
            Part::Seq => Val::Int(self.view.seq),
            Part::Version => Val::Int(self.view.version),
            Part::Time => Val::Time(self.view.time),
            Part::ReceivedAt => Val::Time(self.view.received_at),
        }
    }

    fn auth(self, part: AuthPart) -> Val<'a> {
        let Some(auth) = self.env.auth else { return Val::Unknown };
        let text = |text: &'a Option<String>| {
            text.as_deref().map_or(Val::Unknown, |text| Val::Text(Cow::Borrowed(text)))
        };
        match part {
            AuthPart::UserId => text(&auth.user_id),
            AuthPart::Email => text(&auth.email),
            AuthPart::Roles => auth.roles.as_deref().map_or(Val::Unknown, Val::Texts),
        }
    }

    fn index(self, sides: &'a [Node; 2], ty: &Type, state: &mut State<'a>) -> Val<'a> {
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

    fn call(self, node: &'a Node, state: &mut State<'a>) -> Val<'a> {
        let Some(argument) = node.below().first() else { return Val::Unknown };
        match (&node.kind, self.value(argument, state)) {
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
}

/// Whether an order is what an operator asks for.
pub(crate) fn holds(operator: Operator, order: Ordering) -> bool {
    match operator {
        Operator::Equal => order.is_eq(),
        Operator::NotEqual => order.is_ne(),
        Operator::Less => order.is_lt(),
        Operator::LessOrEqual => order.is_le(),
        Operator::Greater => order.is_gt(),
        Operator::GreaterOrEqual => order.is_ge(),
        _ => false,
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
