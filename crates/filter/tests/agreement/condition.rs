//! A lowered condition as SQL reads it: over the numbered columns, with NULL.

use std::cmp::Ordering;

use forebay_filter::View;
use forebay_filter::ast::Operator;
use forebay_filter::lower::{Bound, Condition, Place, Test, WordTest};
use forebay_model::schema::{ScalarType, integral};
use forebay_model::stream::Column;
use serde_json::Value;

/// A row of a stream's table; `None` is NULL.
pub(crate) struct Row<'r> {
    pub(crate) view: View<'r>,
    pub(crate) columns: Vec<(i64, Option<Bound>)>,
    /// What the search fields have.
    pub(crate) words: Option<Has<'r>>,
}

/// Whether a search field, by its number, has something.
pub(crate) type Has<'r> = Box<dyn Fn(usize, &WordTest) -> bool + 'r>;

impl<'r> Row<'r> {
    pub(crate) fn new(view: View<'r>, columns: &[Column], data: &Value) -> Self {
        let cell = |column: &Column| {
            let cell = match (column.scalar, column.path.get(data)) {
                (ScalarType::String, Some(Value::String(text))) => Some(Bound::Text(text.clone())),
                (ScalarType::Integer, Some(Value::Number(n))) => integral(n).map(Bound::Int),
                (ScalarType::Number, Some(Value::Number(n))) => n.as_f64().map(Bound::Real),
                (ScalarType::Boolean, Some(Value::Bool(b))) => Some(Bound::Int((*b).into())),
                _ => None,
            };
            (column.number, cell)
        };
        Row { view, columns: columns.iter().map(cell).collect(), words: None }
    }

    fn at(&self, place: Place) -> Option<Bound> {
        match place {
            Place::Column(number) => {
                self.columns.iter().find(|(known, _)| *known == number).unwrap().1.clone()
            }
            Place::Id => Some(Bound::Text(self.view.id.to_owned())),
            Place::Seq => Some(Bound::Int(self.view.seq)),
            Place::Version => Some(Bound::Int(self.view.version)),
            Place::Time => Some(Bound::Int(self.view.time)),
            Place::ReceivedAt => Some(Bound::Int(self.view.received_at)),
        }
    }

    /// Whether the row is found.
    pub(crate) fn passes(&self, condition: &Condition) -> bool {
        self.truth(condition) == Some(true)
    }

    fn truth(&self, condition: &Condition) -> Option<bool> {
        match condition {
            Condition::All => Some(true),
            Condition::None => Some(false),
            Condition::And(parts) => {
                let truths = || parts.iter().map(|part| self.truth(part));
                if truths().any(|truth| truth == Some(false)) {
                    return Some(false);
                }
                truths().all(|truth| truth == Some(true)).then_some(true)
            }
            Condition::Or(parts) => {
                let truths = || parts.iter().map(|part| self.truth(part));
                if truths().any(|truth| truth == Some(true)) {
                    return Some(true);
                }
                truths().all(|truth| truth == Some(false)).then_some(false)
            }
            Condition::Between(operator, left, right) => {
                Some(holds(*operator, order(&self.at(*left)?, &self.at(*right)?)))
            }
            Condition::Test(place, Test::Present) => Some(self.at(*place).is_some()),
            Condition::Test(place, Test::Absent) => Some(self.at(*place).is_none()),
            Condition::Words(words) => {
                let said = self.words.as_ref().expect("words are not for databases");
                Some(said(words.field, &words.test) == words.positive)
            }
            Condition::Test(place, test) => Some(passes(&self.at(*place)?, test)),
        }
    }
}

fn passes(value: &Bound, test: &Test) -> bool {
    let is = |bound: &Bound| order(value, bound) == Ordering::Equal;
    let within = |least: &Bound, beyond: &Option<Bound>| {
        order(value, least) != Ordering::Less
            && beyond.as_ref().is_none_or(|beyond| order(value, beyond) == Ordering::Less)
    };
    match test {
        Test::Compare(operator, bound) => holds(*operator, order(value, bound)),
        Test::In(bounds) => bounds.iter().any(is),
        Test::NotIn(bounds) => !bounds.iter().any(is),
        Test::Range(least, beyond) => within(least, beyond),
        Test::NotRange(least, beyond) => !within(least, beyond),
        Test::Present | Test::Absent => panic!("not a test of a value"),
    }
}

/// A column is compared with values of its own type only: engines differ in the others.
fn order(left: &Bound, right: &Bound) -> Ordering {
    match (left, right) {
        (Bound::Int(a), Bound::Int(b)) => a.cmp(b),
        (Bound::Real(a), Bound::Real(b)) => a.partial_cmp(b).expect("no NaN is bound"),
        (Bound::Text(a), Bound::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
        _ => panic!("{left:?} is compared with {right:?}"),
    }
}

fn holds(operator: Operator, order: Ordering) -> bool {
    match operator {
        Operator::Equal => order.is_eq(),
        Operator::NotEqual => order.is_ne(),
        Operator::Less => order.is_lt(),
        Operator::LessOrEqual => order.is_le(),
        Operator::Greater => order.is_gt(),
        Operator::GreaterOrEqual => order.is_ge(),
        _ => panic!("{operator:?} is no comparison"),
    }
}
