//! Writes a condition as SQL that both engines read alike: column names are numbers that we gave,
//! values are bound.

use std::fmt::Write as _;

use crate::ast::Operator;
use crate::lower::{Bound, Condition, Place, Test};

/// SQL on its way, with the values of its parameters.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sql {
    /// The text, with `$1` parameters.
    pub text: String,
    /// Their values, in order.
    pub bounds: Vec<Bound>,
}

impl Sql {
    /// Appends text that was written here, never a value.
    pub fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Appends a parameter.
    pub fn bind(&mut self, bound: Bound) {
        self.bounds.push(bound);
        // Writing to a String cannot fail.
        let _ = write!(self.text, "${}", self.bounds.len());
    }

    /// Appends a place's expression. Ids are looked up in their own table, which has the index.
    pub fn place(&mut self, place: Place) {
        let _ = match place {
            Place::Column(number) => write!(self.text, "c{number}"),
            Place::Id => write!(self.text, "id"),
            Place::Seq => write!(self.text, "seq"),
            Place::Version => write!(self.text, "version"),
            Place::Time => write!(self.text, "time"),
            Place::ReceivedAt => write!(self.text, "received_at"),
        };
    }

    /// Appends a condition on the table of a stream.
    pub fn condition(&mut self, stream: i64, condition: &Condition) {
        match condition {
            // Words are never lowered for SQL; a superset would be right all the same.
            Condition::All | Condition::Words(_) => self.push("1 = 1"),
            Condition::None => self.push("1 = 0"),
            Condition::And(parts) => self.joined(stream, parts, " AND "),
            Condition::Or(parts) => self.joined(stream, parts, " OR "),
            Condition::Between(operator, left, right) => {
                self.place(*left);
                self.push(symbol(*operator));
                self.place(*right);
            }
            Condition::Test(Place::Id, test) if is_narrow(test) => {
                self.push("seq IN (SELECT seq FROM record_id WHERE stream = ");
                self.bind(Bound::Int(stream));
                self.push(" AND ");
                self.test(Place::Id, test);
                self.push(")");
            }
            Condition::Test(place, test) => self.test(*place, test),
        }
    }

    fn joined(&mut self, stream: i64, parts: &[Condition], by: &str) {
        self.push("(");
        for (at, part) in parts.iter().enumerate() {
            if at > 0 {
                self.push(by);
            }
            self.condition(stream, part);
        }
        self.push(")");
    }

    fn test(&mut self, place: Place, test: &Test) {
        match test {
            Test::Compare(operator, bound) => {
                self.place(place);
                self.push(symbol(*operator));
                self.bind(bound.clone());
            }
            Test::In(bounds) => self.list(place, " IN (", bounds),
            Test::NotIn(bounds) => self.list(place, " NOT IN (", bounds),
            Test::Range(least, beyond) => {
                self.place(place);
                self.push(" >= ");
                self.bind(least.clone());
                if let Some(beyond) = beyond {
                    self.push(" AND ");
                    self.place(place);
                    self.push(" < ");
                    self.bind(beyond.clone());
                }
            }
            Test::NotRange(least, beyond) => {
                self.push("(");
                self.place(place);
                self.push(" < ");
                self.bind(least.clone());
                if let Some(beyond) = beyond {
                    self.push(" OR ");
                    self.place(place);
                    self.push(" >= ");
                    self.bind(beyond.clone());
                }
                self.push(")");
            }
            Test::Present => {
                self.place(place);
                self.push(" IS NOT NULL");
            }
            Test::Absent => {
                self.place(place);
                self.push(" IS NULL");
            }
        }
    }

    fn list(&mut self, place: Place, operator: &str, bounds: &[Bound]) {
        self.place(place);
        self.push(operator);
        for (at, bound) in bounds.iter().enumerate() {
            if at > 0 {
                self.push(", ");
            }
            self.bind(bound.clone());
        }
        self.push(")");
    }
}

/// Whether the table of ids answers a test with a few of its rows.
fn is_narrow(test: &Test) -> bool {
    matches!(test, Test::Compare(Operator::Equal, _) | Test::In(_) | Test::Range(..))
}

fn symbol(operator: Operator) -> &'static str {
    match operator {
        Operator::Equal => " = ",
        Operator::NotEqual => " <> ",
        Operator::Less => " < ",
        Operator::LessOrEqual => " <= ",
        Operator::Greater => " > ",
        _ => " >= ",
    }
}
