//! What an engine may narrow by: a superset of the records that match, over numbered columns.
//!
//! The filter is brought into negation normal form; a leaf that an engine cannot answer exactly as
//! the evaluator does becomes true. In that form only truth matters, so a leaf that is unknown for
//! every record becomes false. What comes out is the same for all engines; [`sql`] writes it.

mod leaf;
pub mod sql;

use forebay_model::stream::Column;

use crate::ast::Operator;
use crate::compile::{Expression, Filter};
use crate::eval::{Env, constant, holds};
use crate::node::{Kind, Node, TextTest};
use crate::scope::Part;
use crate::span::Span;

/// A condition that an engine can answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// Every record.
    All,
    /// No record.
    None,
    /// All of them.
    And(Vec<Condition>),
    /// Any of them.
    Or(Vec<Condition>),
    /// A test of one place.
    Test(Place, Test),
    /// Two places that compare.
    Between(Operator, Place, Place),
    /// What a search field has; only for engines that search.
    Words(Words),
}

/// What a search field has, or has not where `positive` is false.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// The field's place among those that the stream searches.
    pub field: usize,
    /// What is asked.
    pub test: WordTest,
    /// Whether it has it.
    pub positive: bool,
}

/// What is asked of a search field; words are as the field compares them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WordTest {
    /// A word of a text field.
    Word(String),
    /// A word of a text field that begins so.
    Prefix(String),
    /// Words of a text field that stand one behind the other, in one text.
    Phrase(Vec<String>),
    /// One of a keyword field's values.
    Value(String),
}

impl Condition {
    fn and(mut parts: Vec<Condition>) -> Condition {
        if parts.contains(&Condition::None) {
            return Condition::None;
        }
        parts.retain(|part| *part != Condition::All);
        match parts.len() {
            0 => Condition::All,
            1 => parts.remove(0),
            _ => Condition::And(parts),
        }
    }

    fn or(mut parts: Vec<Condition>) -> Condition {
        if parts.contains(&Condition::All) {
            return Condition::All;
        }
        parts.retain(|part| *part != Condition::None);
        match parts.len() {
            0 => Condition::None,
            1 => parts.remove(0),
            _ => Condition::Or(parts),
        }
    }
}

/// Where a value stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A numbered column.
    Column(i64),
    /// The record's id.
    Id,
    /// Its position.
    Seq,
    /// Its version.
    Version,
    /// When it happened.
    Time,
    /// When it was stored.
    ReceivedAt,
}

/// What is asked of a place. NULL passes none but `Absent`.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// It compares with a value; the operator is no `In` and no arithmetic.
    Compare(Operator, Bound),
    /// It is one of some values.
    In(Vec<Bound>),
    /// It is none of them.
    NotIn(Vec<Bound>),
    /// At least the first, and less than the second where there is one.
    Range(Bound, Option<Bound>),
    /// Outside of such a range.
    NotRange(Bound, Option<Bound>),
    /// It is there.
    Present,
    /// It is not there.
    Absent,
}

/// A value that is bound.
#[derive(Debug, Clone, PartialEq)]
pub enum Bound {
    /// An integer, a boolean (0, 1) or a time (microseconds).
    Int(i64),
    /// A finite double.
    Real(f64),
    /// A text.
    Text(String),
}

/// A filter as far as an engine can answer it.
#[derive(Debug, Clone)]
pub struct Lowered {
    /// A superset of the matches, or exactly them.
    pub condition: Condition,
    /// Whether it is exactly the matches.
    pub exact: bool,
    /// The parts of the text that the engine answers.
    pub pushed: Vec<Span>,
    /// The parts that are evaluated on each candidate.
    pub evaluated: Vec<Span>,
    /// The columns that the condition reads.
    pub columns: Vec<i64>,
    /// Dotted paths whose index would let the engine answer more.
    pub wanted: Vec<String>,
}

/// Lowers a filter for a stream with these columns; `env` gives `now()` and `auth.…`.
pub fn lower(filter: &Filter, columns: &[Column], env: &Env<'_>) -> Lowered {
    let mut lowering = Lowering {
        filter,
        columns,
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
                let condition = self.leaf(node, positive);
                match condition {
                    Some(_) => self.out.pushed.push(node.span),
                    None => self.out.evaluated.push(node.span),
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
            let unused = self.out.pushed.split_off(pushed);
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
                (left == right).then_some(Condition::Between(operator, a, b))
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

/// Whether a node's value is the same for every record.
fn is_constant(node: &Node) -> bool {
    !matches!(
        node.kind,
        Kind::Data(_)
            | Kind::Part(_)
            | Kind::Variable(_)
            | Kind::Has(_)
            | Kind::Search
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
