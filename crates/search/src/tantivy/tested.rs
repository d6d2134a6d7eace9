//! Tests of one column, and of two against each other.

use std::sync::Arc;

use forebay_filter::ast::Operator;
use forebay_filter::lower::{Bound, Test};
use tantivy::query::{
    EmptyQuery, ExistsQuery, FastFieldRangeQuery, Query, TermQuery, TermSetQuery,
};
use tantivy::schema::IndexRecordOption;
use tantivy::tokenizer::MAX_TOKEN_LEN;
use tantivy::{SegmentReader, Term};

use super::column::{Spot, Values, damaged};
use super::fields::{Held, Kind};
use super::pick::{Lacking, Passes, Pick, Picked};

/// The query of a test. NULL passes none but [`Test::Absent`].
pub(super) fn query(held: &Held, test: &Test) -> Box<dyn Query> {
    use std::ops::Bound::{Excluded, Included, Unbounded};
    let between =
        |least, most| -> Box<dyn Query> { Box::new(FastFieldRangeQuery::new(least, most)) };
    let picked = || Picked::query(Tested { held: held.clone(), test: test.clone() });
    let term = |bound: &Bound| term(held, bound);
    match test {
        Test::Present => present(held),
        Test::Absent => Lacking::query(present(held)),
        Test::Compare(Operator::Equal, bound) if is_term(held, bound) => match term(bound) {
            Some(term) => Box::new(TermQuery::new(term, IndexRecordOption::Basic)),
            None => picked(),
        },
        Test::In(bounds) if bounds.iter().all(|bound| is_term(held, bound)) => {
            Box::new(TermSetQuery::new(bounds.iter().filter_map(term)))
        }
        Test::Compare(operator, bound) => match (operator, term(bound)) {
            (Operator::Equal, Some(term)) => between(Included(term.clone()), Included(term)),
            (Operator::Less, Some(term)) => between(Unbounded, Excluded(term)),
            (Operator::LessOrEqual, Some(term)) => between(Unbounded, Included(term)),
            (Operator::Greater, Some(term)) => between(Excluded(term), Unbounded),
            (Operator::GreaterOrEqual, Some(term)) => between(Included(term), Unbounded),
            _ => picked(),
        },
        Test::Range(least, beyond) => match (term(least), beyond.as_ref().map(term)) {
            (Some(least), None) => between(Included(least), Unbounded),
            (Some(least), Some(Some(beyond))) => between(Included(least), Excluded(beyond)),
            _ => picked(),
        },
        Test::In(_) | Test::NotIn(_) | Test::NotRange(..) => picked(),
    }
}

fn present(held: &Held) -> Box<dyn Query> {
    Box::new(ExistsQuery::new(held.name.clone(), false))
}

/// Whether the inverted index knows it; tantivy leaves out what is too long.
fn is_term(held: &Held, bound: &Bound) -> bool {
    matches!(bound, Bound::Text(text) if held.indexed && text.len() <= MAX_TOKEN_LEN)
}

/// A value as tantivy writes it in queries; nothing when it is of another type.
fn term(held: &Held, bound: &Bound) -> Option<Term> {
    match (held.kind, bound) {
        (Kind::Int, Bound::Int(value)) => Some(Term::from_field_i64(held.field, *value)),
        (Kind::Real, Bound::Real(value)) => Some(Term::from_field_f64(held.field, *value + 0.0)),
        (Kind::Text, Bound::Text(text)) => Some(Term::from_field_text(held.field, text)),
        _ => None,
    }
}

struct Tested {
    held: Held,
    test: Test,
}

impl Pick for Tested {
    fn of(&self, reader: &SegmentReader) -> tantivy::Result<Option<Passes>> {
        let values = Values::open(reader, &self.held)?;
        let ranges = ranges(&values, &self.test)?;
        if ranges.is_empty() {
            return Ok(None);
        }
        Ok(Some(Box::new(move |doc| {
            values.of(doc).is_some_and(|value| within(&ranges, value.into()))
        })))
    }
}

/// Beyond every value.
const END: u128 = 1 << 64;

fn within(ranges: &[(u128, u128)], value: u128) -> bool {
    let next = ranges.partition_point(|(begin, _)| *begin <= value);
    next.checked_sub(1).and_then(|at| ranges.get(at)).is_some_and(|(_, end)| value < *end)
}

/// The values that pass: ranges that ascend, with their ends left out.
fn ranges(values: &Values, test: &Test) -> tantivy::Result<Vec<(u128, u128)>> {
    let spot = |bound: &Bound| values.spot(bound);
    let lower = |spot: Spot| u128::from(spot.from);
    let upper = |spot: Spot| u128::from(spot.from) + u128::from(spot.exact);
    let list = |bounds: &[Bound]| -> tantivy::Result<Vec<(u128, u128)>> {
        bounds.iter().map(|bound| spot(bound).map(|spot| (lower(spot), upper(spot)))).collect()
    };
    let between = |least: &Bound, beyond: &Option<Bound>| -> tantivy::Result<(u128, u128)> {
        let end = beyond.as_ref().map(spot).transpose()?.map_or(END, lower);
        Ok((lower(spot(least)?), end))
    };
    let found = match test {
        Test::Present => vec![(0, END)],
        Test::Absent => Vec::new(),
        Test::In(bounds) => list(bounds)?,
        Test::NotIn(bounds) => rest(list(bounds)?),
        Test::Range(least, beyond) => vec![between(least, beyond)?],
        Test::NotRange(least, beyond) => rest(vec![between(least, beyond)?]),
        Test::Compare(operator, bound) => {
            let spot = spot(bound)?;
            match operator {
                Operator::Equal => vec![(lower(spot), upper(spot))],
                Operator::NotEqual => rest(vec![(lower(spot), upper(spot))]),
                Operator::Less => vec![(0, lower(spot))],
                Operator::LessOrEqual => vec![(0, upper(spot))],
                Operator::Greater => vec![(upper(spot), END)],
                _ => vec![(lower(spot), END)],
            }
        }
    };
    Ok(tidy(found))
}

/// Without empty ones, in order, apart from each other.
fn tidy(mut ranges: Vec<(u128, u128)>) -> Vec<(u128, u128)> {
    ranges.retain(|(begin, end)| begin < end);
    ranges.sort_unstable();
    let mut tidied: Vec<(u128, u128)> = Vec::with_capacity(ranges.len());
    for (begin, end) in ranges {
        match tidied.last_mut() {
            Some(last) if begin <= last.1 => last.1 = last.1.max(end),
            _ => tidied.push((begin, end)),
        }
    }
    tidied
}

fn rest(ranges: Vec<(u128, u128)>) -> Vec<(u128, u128)> {
    let mut from = 0;
    let mut rest = Vec::with_capacity(ranges.len() + 1);
    for (begin, end) in tidy(ranges) {
        rest.push((from, begin));
        from = end;
    }
    rest.push((from, END));
    rest
}

/// Compares two columns of each document.
pub(super) struct Compared {
    pub(super) operator: Operator,
    pub(super) left: Held,
    pub(super) right: Held,
}

impl Pick for Compared {
    fn of(&self, reader: &SegmentReader) -> tantivy::Result<Option<Passes>> {
        let (left, right) = (Values::open(reader, &self.left)?, Values::open(reader, &self.right)?);
        let holds = holds(self.operator);
        if self.left.kind != Kind::Text {
            return Ok(Some(Box::new(move |doc| match (left.of(doc), right.of(doc)) {
                (Some(left), Some(right)) => holds(left, right),
                _ => false,
            })));
        }
        let Some(spots) = spots(&left, &right)? else { return Ok(None) };
        Ok(Some(Box::new(move |doc| {
            let spot = left.of(doc).and_then(|term| spots.get(usize::try_from(term).ok()?));
            match (spot, right.of(doc)) {
                (Some(spot), Some(term)) => holds(*spot, term * 2 + 1),
                _ => false,
            }
        })))
    }
}

fn holds(operator: Operator) -> fn(u64, u64) -> bool {
    match operator {
        Operator::Equal => |a, b| a == b,
        Operator::NotEqual => |a, b| a != b,
        Operator::Less => |a, b| a < b,
        Operator::LessOrEqual => |a, b| a <= b,
        Operator::Greater => |a, b| a > b,
        _ => |a, b| a >= b,
    }
}

/// Where each term of a column stands among those of another: twice its place and one for the same
/// term, one less for one that comes before it.
fn spots(left: &Values, right: &Values) -> tantivy::Result<Option<Arc<[u64]>>> {
    let (Some(terms), Some(others)) = (&left.terms, &right.terms) else { return Ok(None) };
    let mut spots = Vec::with_capacity(terms.num_terms());
    let (mut each, mut other) = (terms.stream()?, others.stream()?);
    let mut there = other.advance();
    while each.advance() {
        while there && other.key() < each.key() {
            there = other.advance();
        }
        spots.push(match there {
            true => other.term_ord() * 2 + u64::from(other.key() == each.key()),
            false => u64::MAX,
        });
    }
    if spots.len() != terms.num_terms() {
        return Err(damaged("a dictionary is shorter than it says"));
    }
    Ok(Some(spots.into()))
}

/// Documents at some positions.
pub(super) struct At(pub(super) Vec<i64>);

impl Pick for At {
    fn of(&self, reader: &SegmentReader) -> tantivy::Result<Option<Passes>> {
        let column = super::column::seqs(reader)?;
        let mut wanted: Vec<u64> = self.0.iter().map(|seq| tantivy::i64_to_u64(*seq)).collect();
        wanted.sort_unstable();
        wanted.retain(|seq| (column.min_value()..=column.max_value()).contains(seq));
        if wanted.is_empty() || reader.max_doc() == 0 {
            return Ok(None);
        }
        Ok(Some(Box::new(move |doc| {
            column.first(doc).is_some_and(|seq| wanted.binary_search(&seq).is_ok())
        })))
    }
}

/// No document.
pub(super) fn nothing() -> Box<dyn Query> {
    Box::new(EmptyQuery)
}
