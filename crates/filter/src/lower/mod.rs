//! What an engine may narrow by: a superset of the records that match, over numbered columns.
//!
//! The filter is brought into negation normal form; a leaf that an engine cannot answer exactly as
//! the evaluator does becomes true. In that form only truth matters, so a leaf that is unknown for
//! every record becomes false. What comes out is the same for all engines; [`sql`] writes it.

mod condition;
mod leaf;
pub mod sql;
mod valued;

pub use condition::{Bound, Condition, Key, Place, Test, WordTest, Words};

use forebay_model::search::SearchField;
use forebay_model::stream::Column;

use crate::ast::Operator;
use crate::compile::{Expression, Filter};
use crate::eval::{Env, constant, holds};
use crate::node::{Kind, Node, TextTest};
use crate::scope::Part;
use crate::search::Has;
use crate::span::Span;

/// A filter as far as an engine can answer it.
#[derive(Debug, Clone)]
pub struct Lowered {
    /// A superset of the matches, or exactly them.
    pub condition: Condition,
    /// Whether it is exactly the matches.
    pub exact: bool,
    /// The parts of the text that the engine narrows by.
    pub pushed: Vec<Span>,
    /// The parts that are evaluated on each candidate: what the engine cannot answer, or not exactly.
    pub evaluated: Vec<Span>,
    /// The columns that the condition reads.
    pub columns: Vec<i64>,
    /// Dotted paths whose index would let the engine answer more.
    pub wanted: Vec<String>,
}

/// What an engine holds of a stream, and can do.
#[derive(Debug, Clone, Copy)]
pub struct Holds<'h> {
    /// The numbered columns.
    pub columns: &'h [Column],
    /// The fields that the stream searches, in an engine that has their words.
    pub words: Option<&'h [SearchField]>,
    /// Whether it can compare two places of a record.
    pub compares: bool,
}

/// Lowers a filter for a database with these columns; `env` gives `now()` and `auth.…`.
pub fn lower(filter: &Filter, columns: &[Column], env: &Env<'_>) -> Lowered {
    lower_for(filter, Holds { columns, words: None, compares: true }, env)
}

/// Lowers a filter for an engine.
pub fn lower_for(filter: &Filter, holds: Holds<'_>, env: &Env<'_>) -> Lowered {
    let mut lowering = Lowering {
        filter,
        columns: holds.columns,
        holds,
        env,
        out: Lowered {
            condition: Condition::All,
            exact: true,
            pushed: Vec::new(),
            evaluated: Vec::new(),
            columns: Vec::new(),
            wanted: Vec::new(),
        },
    };
    let condition = lowering.node(&filter.0.root, true);
    let mut out = lowering.out;
    out.exact = condition.is_some() && out.evaluated.is_empty();
    out.condition = condition.unwrap_or(Condition::All);
    out
}

/// The place of an expression that is nothing but a part of the record which engines hold.
pub fn place(expression: &Expression, columns: &[Column]) -> Option<Place> {
    match (&expression.root.kind, expression.field()) {
        (Kind::Part(part), _) => Some(of_part(*part).0),
        (_, Some(path)) => {
            let column = columns.iter().find(|c| c.path.segments() == path && c.is_ready())?;
            Some(Place::Column(column.number))
        }
        _ => None,
    }
}

fn of_part(part: Part) -> (Place, Stored) {
    match part {
        Part::Id => (Place::Id, Stored::Text),
        Part::Seq => (Place::Seq, Stored::Int),
        Part::Version => (Place::Version, Stored::Int),
        Part::Time => (Place::Time, Stored::Time),
        Part::ReceivedAt => (Place::ReceivedAt, Stored::Time),
    }
}

struct Lowering<'l> {
    filter: &'l Filter,
    columns: &'l [Column],
    holds: Holds<'l>,
    env: &'l Env<'l>,
    out: Lowered,
}

impl Lowering<'_> {
    /// The condition of a node, or of its negation; `None` when it must be evaluated.
    fn node(&mut self, node: &Node, positive: bool) -> Option<Condition> {
        match (&node.kind, positive) {
            (Kind::Not(inner), _) => self.node(inner, !positive),
            (Kind::And(parts), true) | (Kind::Or(parts), false) => self.all(parts, positive),
            (Kind::And(parts), false) | (Kind::Or(parts), true) => self.any(parts, positive),
            _ if is_constant(node) => {
                let truth = constant(node, self.env, |value| value.truth());
                Some(if truth == Some(positive) { Condition::All } else { Condition::None })
            }
            _ => {
                let exact = self.leaf(node, positive);
                if exact.is_none() {
                    self.out.evaluated.push(node.span);
                }
                let condition = exact.or_else(|| self.valued(node, positive));
                if condition.is_some() {
                    self.out.pushed.push(node.span);
                }
                condition
            }
        }
    }

    /// A part that must be evaluated is left out: what is left is a superset.
    fn all(&mut self, parts: &[Node], positive: bool) -> Option<Condition> {
        let mut kept = Vec::new();
        let mut whole = true;
        for part in parts {
            match self.node(part, positive) {
                Some(Condition::None) => return Some(Condition::None),
                Some(condition) => kept.push(condition),
                None => whole = false,
            }
        }
        Some(Condition::and(kept)).filter(|kept| whole || *kept != Condition::All)
    }

    /// One part that must be evaluated makes the whole so.
    fn any(&mut self, parts: &[Node], positive: bool) -> Option<Condition> {
        let (pushed, columns) = (self.out.pushed.len(), self.out.columns.len());
        let mut kept = Vec::new();
        let mut whole = true;
        for part in parts {
            match self.node(part, positive) {
                Some(Condition::All) => return Some(Condition::All),
                Some(condition) => kept.push(condition),
                None => whole = false,
            }
        }
        if !whole {
            let mut unused = self.out.pushed.split_off(pushed);
            unused.retain(|span| !self.out.evaluated.contains(span));
            self.out.evaluated.extend(unused);
            self.out.columns.truncate(columns);
            return None;
        }
        Some(Condition::or(kept))
    }

    fn leaf(&mut self, node: &Node, positive: bool) -> Option<Condition> {
        match &node.kind {
            Kind::Compare(operator, sides) => {
                let operator = if positive { *operator } else { negated(*operator) };
                let [left, right] = sides.as_ref();
                self.comparison(operator, left, right)
            }
            Kind::OneOf(parts) => {
                let (value, items) = parts.split_first()?;
                let operator = if positive { Operator::Equal } else { Operator::NotEqual };
                let each = items.iter().map(|item| self.comparison(operator, value, item));
                let each = each.collect::<Option<_>>()?;
                Some(if positive { Condition::or(each) } else { Condition::and(each) })
            }
            Kind::Among(value, list) => {
                let (place, ty) = self.place(value)?;
                Some(leaf::among(place, ty, list, positive))
            }
            Kind::Has(slot) => {
                let place = self.column_of(*slot, true)?.0;
                Some(Condition::Test(place, if positive { Test::Present } else { Test::Absent }))
            }
            Kind::Test(TextTest::StartsWith, sides) => {
                let [value, prefix] = sides.as_ref();
                let (place, _) = self.place(value)?;
                if !is_constant(prefix) {
                    return None;
                }
                Some(constant(prefix, self.env, |prefix| leaf::prefix(place, prefix, positive)))
            }
            Kind::Words(wants) if self.holds.words.is_some() => {
                let join =
                    |parts, all| if all { Condition::and(parts) } else { Condition::or(parts) };
                let each = wants.iter().map(|want| {
                    let any = self.filter.0.paths.sought.want(*want).iter();
                    let tests = any.map(|has| words_condition(has, positive));
                    join(tests.collect(), !positive)
                });
                Some(join(each.collect(), positive))
            }
            // A boolean field by itself.
            Kind::Data(slot) => {
                let (place, _) = self.column_of(*slot, true)?;
                Some(Condition::Test(
                    place,
                    Test::Compare(Operator::Equal, Bound::Int(positive.into())),
                ))
            }
            _ => None,
        }
    }

    fn comparison(&mut self, operator: Operator, left: &Node, right: &Node) -> Option<Condition> {
        match (is_constant(left), is_constant(right)) {
            (true, true) => {
                let order = constant(left, self.env, |left| {
                    constant(right, self.env, |right| left.compare(right))
                });
                let true_of_all = order.is_some_and(|order| holds(operator, order));
                Some(if true_of_all { Condition::All } else { Condition::None })
            }
            (false, true) => {
                let (place, ty) = self.place(left)?;
                Some(constant(right, self.env, |value| leaf::compare(operator, place, ty, value)))
            }
            (true, false) => {
                let (place, ty) = self.place(right)?;
                let operator = mirrored(operator);
                Some(constant(left, self.env, |value| leaf::compare(operator, place, ty, value)))
            }
            (false, false) => {
                let ((a, left), (b, right)) = (self.place(left)?, self.place(right)?);
                // Integers and doubles compare exactly here, and not so in every engine.
                (left == right && self.holds.compares).then_some(Condition::Between(operator, a, b))
            }
        }
    }

    /// The place that a node is, with the kind of its values.
    fn place(&mut self, node: &Node) -> Option<(Place, Stored)> {
        match &node.kind {
            Kind::Data(slot) => self.column_of(*slot, true),
            Kind::Part(part) => Some(of_part(*part)),
            _ => None,
        }
    }

    /// The ready column of a field; a field without one is noted as wanted.
    fn column_of(&mut self, slot: usize, wanted: bool) -> Option<(Place, Stored)> {
        let field = self.filter.0.paths.fields().get(slot)?;
        let column = self.columns.iter().find(|c| c.path.segments() == field.path.as_slice());
        match column.filter(|column| column.is_ready()) {
            Some(column) => {
                if !self.out.columns.contains(&column.number) {
                    self.out.columns.push(column.number);
                }
                Some((Place::Column(column.number), Stored::of(column.scalar)))
            }
            None => {
                let path = format!("data.{}", field.path.join("."));
                let scalar = !matches!(field.ty, crate::Type::List(_) | crate::Type::Object);
                if wanted && scalar && !self.out.wanted.contains(&path) {
                    self.out.wanted.push(path);
                }
                None
            }
        }
    }
}

/// What a place holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stored {
    Text,
    Int,
    Real,
    Bool,
    Time,
}

impl Stored {
    fn of(scalar: forebay_model::schema::ScalarType) -> Stored {
        use forebay_model::schema::ScalarType as S;
        match scalar {
            S::String => Stored::Text,
            S::Integer => Stored::Int,
            S::Number => Stored::Real,
            S::Boolean => Stored::Bool,
        }
    }
}

/// What a search field has, or has not.
pub(crate) fn words_condition(has: &Has, positive: bool) -> Condition {
    Condition::Words(Words { field: has.field, test: has.test.clone(), positive })
}

/// Whether a node's value is the same for every record.
fn is_constant(node: &Node) -> bool {
    !matches!(
        node.kind,
        Kind::Data(_)
            | Kind::Part(_)
            | Kind::Variable(_)
            | Kind::Has(_)
            | Kind::Words(_)
            | Kind::Quantified { .. }
    ) && node.below().iter().all(is_constant)
}

/// The operator of the opposite; unknown stays unknown in both.
fn negated(operator: Operator) -> Operator {
    match operator {
        Operator::Equal => Operator::NotEqual,
        Operator::NotEqual => Operator::Equal,
        Operator::Less => Operator::GreaterOrEqual,
        Operator::LessOrEqual => Operator::Greater,
        Operator::Greater => Operator::LessOrEqual,
        Operator::GreaterOrEqual => Operator::Less,
        other => other,
    }
}

/// The operator with its sides changed.
fn mirrored(operator: Operator) -> Operator {
    match operator {
        Operator::Less => Operator::Greater,
        Operator::LessOrEqual => Operator::GreaterOrEqual,
        Operator::Greater => Operator::Less,
        Operator::GreaterOrEqual => Operator::LessOrEqual,
        other => other,
    }
}
