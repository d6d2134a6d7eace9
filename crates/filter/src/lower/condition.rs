//! Conditions that engines can answer.

use forebay_model::schema::{ScalarType, integral};
use serde_json::Value;

use crate::ast::Operator;

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
    /// All of some conditions, as short as it can be said.
    pub(crate) fn and(mut parts: Vec<Condition>) -> Condition {
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

    /// Any of some conditions, as short as it can be said.
    pub(crate) fn or(mut parts: Vec<Condition>) -> Condition {
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

/// What engines tell groups of records apart by; a record without the place has none.
#[derive(Debug, Clone, PartialEq)]
pub enum Key {
    /// The value itself.
    Value(Place),
    /// The number of the step that a time is in: `(time + shift) / step`, where the sum is not
    /// negative.
    Step {
        /// Microseconds.
        place: Place,
        /// Is added first.
        shift: i64,
        /// The length of a step.
        step: i64,
    },
    /// How many of these bounds, which ascend, a value has reached.
    Range(Place, Vec<Bound>),
}

impl Bound {
    /// What engines hold of a field, by its declared type: nothing where it is missing, or of another
    /// type.
    pub fn of(scalar: ScalarType, value: Option<&Value>) -> Option<Bound> {
        match (scalar, value?) {
            (ScalarType::String, Value::String(text)) => Some(Bound::Text(text.clone())),
            (ScalarType::Integer, Value::Number(n)) => integral(n).map(Bound::Int),
            (ScalarType::Number, Value::Number(n)) => n.as_f64().map(Bound::Real),
            (ScalarType::Boolean, Value::Bool(is)) => Some(Bound::Int((*is).into())),
            _ => None,
        }
    }
}
