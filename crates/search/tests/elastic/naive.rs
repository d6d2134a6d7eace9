//! What the answers are, read from the documents one by one.

use std::cmp::Ordering;

use forebay_filter::ast::Operator;
use forebay_filter::lower::{Bound, Condition, Place, Test, WordTest, Words};
use forebay_search::{Cell, Document, Order};

/// What a document has at a place.
pub(crate) fn at(document: &Document, place: Place) -> Cell {
    match place {
        Place::Id => Some(Bound::Text(document.id.clone())),
        Place::Seq => Some(Bound::Int(document.seq)),
        Place::Version => Some(Bound::Int(document.version)),
        Place::Time => Some(Bound::Int(document.time)),
        Place::ReceivedAt => Some(Bound::Int(document.received_at)),
        Place::Column(number) => {
            let at = [1, 2, 3, 7].iter().position(|known| *known == number).unwrap();
            document.columns[at].clone().map(|value| match value {
                // There is one zero.
                Bound::Real(value) => Bound::Real(value + 0.0),
                other => other,
            })
        }
    }
}

pub(crate) fn passes(document: &Document, condition: &Condition) -> bool {
    match condition {
        Condition::All => true,
        Condition::None => false,
        Condition::And(parts) => parts.iter().all(|part| passes(document, part)),
        Condition::Or(parts) => parts.iter().any(|part| passes(document, part)),
        Condition::Test(place, Test::Absent) => at(document, *place).is_none(),
        Condition::Test(place, test) => at(document, *place).is_some_and(|value| is(&value, test)),
        Condition::Words(words) => has(document, words) == words.positive,
        Condition::Between(..) => panic!("not asked"),
    }
}

fn is(value: &Bound, test: &Test) -> bool {
    let order = |bound: &Bound| compare(value, bound);
    let within = |least: &Bound, beyond: &Option<Bound>| {
        order(least).is_ge() && beyond.as_ref().is_none_or(|beyond| order(beyond).is_lt())
    };
    match test {
        Test::Compare(operator, bound) => match operator {
            Operator::Equal => order(bound).is_eq(),
            Operator::NotEqual => order(bound).is_ne(),
            Operator::Less => order(bound).is_lt(),
            Operator::LessOrEqual => order(bound).is_le(),
            Operator::Greater => order(bound).is_gt(),
            _ => order(bound).is_ge(),
        },
        Test::In(bounds) => bounds.iter().any(|bound| order(bound).is_eq()),
        Test::NotIn(bounds) => !bounds.iter().any(|bound| order(bound).is_eq()),
        Test::Range(least, beyond) => within(least, beyond),
        Test::NotRange(least, beyond) => !within(least, beyond),
        Test::Present => true,
        Test::Absent => false,
    }
}

fn has(document: &Document, words: &Words) -> bool {
    let texts = &document.fields[words.field];
    let any = |test: &dyn Fn(&String) -> bool| texts.iter().flatten().any(test);
    match &words.test {
        WordTest::Word(wanted) | WordTest::Value(wanted) => any(&|word| word == wanted),
        WordTest::Prefix(prefix) => any(&|word| word.starts_with(prefix)),
        WordTest::Phrase(phrase) => {
            texts.iter().any(|text| text.windows(phrase.len()).any(|part| part == phrase))
        }
    }
}

pub(crate) fn compare(left: &Bound, right: &Bound) -> Ordering {
    match (left, right) {
        (Bound::Int(a), Bound::Int(b)) => a.cmp(b),
        (Bound::Real(a), Bound::Real(b)) => a.partial_cmp(b).unwrap(),
        (Bound::Text(a), Bound::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
        _ => panic!("{left:?} is compared with {right:?}"),
    }
}

/// The documents in an order; missing values last.
pub(crate) fn sorted<'d>(documents: &[&'d Document], order: &[Order]) -> Vec<&'d Document> {
    let mut sorted = documents.to_vec();
    sorted.sort_by(|a, b| {
        let keys = order.iter().map(|key| {
            let pair = (at(a, key.place), at(b, key.place));
            match pair {
                (Some(a), Some(b)) if key.descending => compare(&b, &a),
                (Some(a), Some(b)) => compare(&a, &b),
                (a, b) => a.is_none().cmp(&b.is_none()),
            }
        });
        keys.fold(Ordering::Equal, Ordering::then)
    });
    sorted
}
