//! What a condition, an order and a group mean, said naively.

use std::cmp::Ordering;

use forebay_filter::ast::Operator;
use forebay_filter::lower::{Bound, Condition, Place, Test, WordTest, Words};
use forebay_search::ask::Facet;
use forebay_search::{Cell, Document, Key, Layout, Order, Terms};

/// The value of a place.
pub(crate) fn cell(layout: &Layout, document: &Document, place: Place) -> Cell {
    match place {
        Place::Column(number) => {
            let at = layout.columns.iter().position(|column| column.number == number).unwrap();
            document.columns[at].clone()
        }
        Place::Id => Some(Bound::Text(document.id.clone())),
        Place::Seq => Some(Bound::Int(document.seq)),
        Place::Version => Some(Bound::Int(document.version)),
        Place::Time => Some(Bound::Int(document.time)),
        Place::ReceivedAt => Some(Bound::Int(document.received_at)),
    }
}

/// Whether a document matches.
pub(crate) fn matches(layout: &Layout, document: &Document, condition: &Condition) -> bool {
    let at = |place: &Place| cell(layout, document, *place);
    match condition {
        Condition::All => true,
        Condition::None => false,
        Condition::And(parts) => parts.iter().all(|part| matches(layout, document, part)),
        Condition::Or(parts) => parts.iter().any(|part| matches(layout, document, part)),
        Condition::Between(operator, a, b) => match (at(a), at(b)) {
            (Some(a), Some(b)) => holds(*operator, order(&a, &b)),
            _ => false,
        },
        Condition::Test(place, Test::Absent) => at(place).is_none(),
        Condition::Test(place, test) => at(place).is_some_and(|value| passes(&value, test)),
        Condition::Words(words) => has(document, words) == words.positive,
    }
}

fn has(document: &Document, words: &Words) -> bool {
    let mut texts = document.fields[words.field].iter();
    match &words.test {
        WordTest::Word(word) | WordTest::Value(word) => texts.any(|text| text.contains(word)),
        WordTest::Prefix(prefix) => {
            texts.any(|text| text.iter().any(|word| word.starts_with(prefix.as_str())))
        }
        WordTest::Phrase(phrase) => {
            texts.any(|text| text.windows(phrase.len()).any(|window| window == phrase))
        }
    }
}

fn passes(value: &Bound, test: &Test) -> bool {
    let within = |least: &Bound, beyond: &Option<Bound>| {
        order(value, least).is_ge() && beyond.as_ref().is_none_or(|end| order(value, end).is_lt())
    };
    match test {
        Test::Compare(operator, bound) => holds(*operator, order(value, bound)),
        Test::In(bounds) => bounds.contains(value),
        Test::NotIn(bounds) => !bounds.contains(value),
        Test::Range(least, beyond) => within(least, beyond),
        Test::NotRange(least, beyond) => !within(least, beyond),
        Test::Present => true,
        Test::Absent => false,
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

/// Values of one type; texts by code point.
pub(crate) fn order(a: &Bound, b: &Bound) -> Ordering {
    match (a, b) {
        (Bound::Int(a), Bound::Int(b)) => a.cmp(b),
        (Bound::Real(a), Bound::Real(b)) => a.partial_cmp(b).unwrap(),
        (Bound::Text(a), Bound::Text(b)) => a.chars().cmp(b.chars()),
        _ => panic!("{a:?} is compared with {b:?}"),
    }
}

/// By keys, missing ones last.
pub(crate) fn by_keys(orders: &[Order], a: &[Cell], b: &[Cell]) -> Ordering {
    let each = orders.iter().zip(a.iter().zip(b)).map(|(by, pair)| match pair {
        (None, None) => Ordering::Equal,
        (None, _) => Ordering::Greater,
        (_, None) => Ordering::Less,
        (Some(a), Some(b)) if by.descending => order(b, a),
        (Some(a), Some(b)) => order(a, b),
    });
    each.fold(Ordering::Equal, Ordering::then)
}

/// The keys of documents that match, with their positions, in order.
pub(crate) fn sorted(
    layout: &Layout,
    documents: &[&Document],
    orders: &[Order],
) -> Vec<(i64, Vec<Cell>)> {
    let keys = |document: &Document| -> Vec<Cell> {
        orders.iter().map(|by| cell(layout, document, by.place)).collect()
    };
    let mut found: Vec<_> =
        documents.iter().map(|document| (document.seq, keys(document))).collect();
    found.sort_by(|(_, a), (_, b)| by_keys(orders, a, b));
    found
}

/// How often values occur.
pub(crate) fn terms(layout: &Layout, documents: &[&Document], facet: Facet, limit: usize) -> Terms {
    let mut counts: Vec<(Bound, i64)> = Vec::new();
    for document in documents {
        let mut values: Vec<Bound> = match facet {
            Facet::Place(place) => cell(layout, document, place).into_iter().collect(),
            Facet::Field(field) => {
                document.fields[field].iter().flatten().cloned().map(Bound::Text).collect()
            }
        };
        values.sort_by(order);
        values.dedup();
        for value in values {
            match counts.iter_mut().find(|(known, _)| *known == value) {
                Some((_, count)) => *count += 1,
                None => counts.push((value, 1)),
            }
        }
    }
    counts.sort_by(|(a, m), (b, n)| n.cmp(m).then_with(|| order(a, b)));
    let more = counts.len() > limit;
    counts.truncate(limit);
    Terms { values: counts, more }
}

/// The key of a document's group.
pub(crate) fn key(layout: &Layout, document: &Document, key: &Key) -> Cell {
    match key {
        Key::Value(place) => cell(layout, document, *place),
        Key::Step { place, shift, step } => match cell(layout, document, *place)? {
            Bound::Int(value) => Some(Bound::Int((value + shift) / step)),
            other => panic!("{other:?} in steps"),
        },
        Key::Range(place, bounds) => {
            let value = cell(layout, document, *place)?;
            let reached = bounds.iter().filter(|bound| order(&value, bound).is_ge()).count();
            Some(Bound::Int(reached.try_into().unwrap()))
        }
    }
}
