//! The evaluator: what a text means. Three-valued (Kleene), total, bounded.

mod calls;
mod lists;

use std::borrow::Cow;
use std::cmp::Ordering;

use forebay_model::record::Record;
use forebay_model::time::Timestamp;
use serde_json::Value;
use smallvec::SmallVec;

use crate::arithmetic;
use crate::ast::Operator;
use crate::compile::Expression;
use crate::fields::{Paths, Slots};
use crate::fuel::Fuel;
use crate::node::{Kind, Node};
use crate::scope::{Auth, AuthPart, Part};
use crate::value::Val;

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
    let cx = Cx { view, env, slots: &slots, paths: &expression.paths };
    cx.truth(&expression.root, &mut State::new())
}

pub(crate) fn with_value<T>(
    expression: &Expression,
    view: &View<'_>,
    env: &Env<'_>,
    take: impl FnOnce(&Val<'_>) -> T,
) -> T {
    let slots = expression.paths.find(view.data);
    let cx = Cx { view, env, slots: &slots, paths: &expression.paths };
    let value = cx.value(&expression.root, &mut State::new());
    take(&value)
}

/// The value of a node that looks at no record.
pub(crate) fn constant<T>(node: &Node, env: &Env<'_>, take: impl FnOnce(&Val<'_>) -> T) -> T {
    let paths = Paths::new();
    let slots = paths.find("");
    let cx = Cx { view: &NO_RECORD, env, slots: &slots, paths: &paths };
    let value = cx.value(node, &mut State::new());
    take(&value)
}

/// What an evaluation reads.
#[derive(Clone, Copy)]
struct Cx<'a, 'r> {
    view: &'a View<'a>,
    env: &'a Env<'a>,
    slots: &'a Slots<'r>,
    paths: &'a Paths,
}

/// What an evaluation changes.
struct State<'a> {
    variables: SmallVec<[Val<'a>; 2]>,
    fuel: Fuel,
}

impl State<'_> {
    fn new() -> Self {
        State { variables: SmallVec::new(), fuel: Fuel::full() }
    }

    /// Compares, as far as the fuel lasts.
    fn compare(&mut self, left: &Val<'_>, right: &Val<'_>) -> Option<Ordering> {
        if let (Val::Text(a), Val::Text(b)) = (left, right) {
            self.fuel.text(a.len().min(b.len()))?;
        }
        left.compare(right)
    }

    /// A text that was put together, as far as the fuel lasts.
    fn pay_for<'v>(&mut self, value: Val<'v>) -> Val<'v> {
        match &value {
            Val::Text(text) if self.fuel.text(text.len()).is_none() => Val::Unknown,
            _ => value,
        }
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
                let right = self.value(right, state);
                Some(holds(*operator, state.compare(&left, &right)?))
            }
            Kind::Among(node, list) => self.among(node, list, state),
            Kind::OneOf(parts) => self.one_of(parts, state),
            Kind::In(sides, element) => self.is_in(sides, element, state),
            Kind::Has(slot) => Some(self.slots.has(*slot)),
            Kind::HasMember(node, name) => self.has_member(node, name, state),
            Kind::Quantified { every, parts, element } => {
                self.quantified(*every, parts, element, state)
            }
            Kind::Test(test, sides) => self.test(*test, sides, state),
            Kind::Words(wants) => {
                let found = self.slots.found(&self.paths.sought, self.view.data);
                Some(wants.iter().all(|want| found.get(*want) == Some(&true)))
            }
            Kind::Matches(node, pattern) => match self.value(node, state) {
                Val::Text(text) => pattern.is_match(&text, &mut state.fuel),
                _ => None,
            },
            _ => self.value(node, state).truth(),
        }
    }

    fn value(self, node: &'a Node, state: &mut State<'a>) -> Val<'a> {
        match &node.kind {
            Kind::Const(constant) => constant.val(),
            Kind::Data(slot) => match self.paths.fields().get(*slot) {
                Some(field) if self.pays_for(*slot, state) => self.slots.value(*slot, &field.ty),
                _ => Val::Unknown,
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
                let value = arithmetic::value(*operator, left, self.value(right, state));
                state.pay_for(value)
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
            _ => self.truth(node, state).map_or(Val::Unknown, Val::Bool),
        }
    }

    fn pays_for(self, slot: usize, state: &mut State<'a>) -> bool {
        let (texts, tree) = self.slots.bytes(slot);
        state.fuel.text(texts).and_then(|()| state.fuel.tree(tree)).is_some()
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
            AuthPart::KeyId => text(&auth.key_id),
            AuthPart::Roles => auth.roles.as_deref().map_or(Val::Unknown, Val::Texts),
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
