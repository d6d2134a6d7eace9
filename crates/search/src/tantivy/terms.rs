//! How often values occur: counted by their place in each segment's dictionary, and put together by
//! going through the dictionaries side by side.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use forebay_filter::lower::Bound;
use tantivy::Searcher;
use tantivy::query::Weight;

use super::collect::{Asked, Narrow};
use super::column::{Values, damaged};
use super::fault::{from_io, from_tantivy};
use super::fields::{Fields, Kind};
use super::order::by_value;
use crate::ask::{Facet, Terms};
use crate::error::SearchError;

/// The most different numbers that are counted at once.
const MOST_NUMBERS: usize = 4_000_000;

/// What is counted, by its name in the index.
struct Counted<'f> {
    name: &'f str,
    kind: Kind,
}

/// Counts the values of a place or of a keyword field.
pub(super) fn terms(
    (asked, facet, limit): (&Asked, Facet, usize),
    fields: &Fields,
    searcher: &Searcher,
) -> Result<Terms, SearchError> {
    let missing = || SearchError::Internal(format!("the index does not hold {facet:?}"));
    let counted = match facet {
        Facet::Place(place) => {
            let held = fields.held(place).ok_or_else(missing)?;
            Counted { name: &held.name, kind: held.kind }
        }
        Facet::Field(field) => {
            let searched = fields.searched.get(field).ok_or_else(missing)?;
            Counted { name: &searched.name, kind: Kind::Text }
        }
    };
    let weight = asked.weight(fields, searcher)?;
    let mut top = Top { best: BinaryHeap::new(), limit, more: false };
    let mut numbers: HashMap<u64, i64> = HashMap::new();
    let mut texts: Vec<(Values, Vec<u32>)> = Vec::new();
    let mut last = None;
    for reader in searcher.segment_readers() {
        let Some(narrow) = asked.narrow(reader)? else { continue };
        let values = Values::named(reader, counted.name, counted.kind).map_err(from_tantivy)?;
        if counted.kind == Kind::Text {
            let counts = count_terms(&narrow, weight.as_ref(), &values)?;
            texts.push((values, counts));
        } else {
            count_numbers(&narrow, weight.as_ref(), (&values, &mut numbers))?;
            last = Some(values);
        }
    }
    for (number, count) in numbers {
        if let Some(values) = &last {
            top.push(count, values.value(number).map_err(from_tantivy)?);
        }
    }
    join(&texts, &mut top)?;
    Ok(top.terms())
}

/// Counts by ordinal.
fn count_terms(
    narrow: &Narrow<'_>,
    weight: &dyn Weight,
    values: &Values,
) -> Result<Vec<u32>, SearchError> {
    let mut counts = vec![0_u32; values.terms.as_ref().map_or(0, |terms| terms.num_terms())];
    narrow.each(weight, &mut |docs| {
        for doc in docs {
            for term in values.column.values_for_doc(*doc) {
                if let Some(count) = usize::try_from(term).ok().and_then(|at| counts.get_mut(at)) {
                    *count += 1;
                }
            }
        }
    })?;
    Ok(counts)
}

fn count_numbers(
    narrow: &Narrow<'_>,
    weight: &dyn Weight,
    (values, numbers): (&Values, &mut HashMap<u64, i64>),
) -> Result<(), SearchError> {
    narrow.each(weight, &mut |docs| {
        for value in docs.iter().filter_map(|doc| values.of(*doc)) {
            if numbers.len() < MOST_NUMBERS || numbers.contains_key(&value) {
                *numbers.entry(value).or_default() += 1;
            }
        }
    })?;
    match numbers.len() < MOST_NUMBERS {
        true => Ok(()),
        false => Err(SearchError::TooLarge(format!("{MOST_NUMBERS} different values or more"))),
    }
}

/// Puts the counts of segments together, term by term.
fn join(texts: &[(Values, Vec<u32>)], top: &mut Top) -> Result<(), SearchError> {
    if let [(values, counts)] = texts {
        return alone(values, counts, top);
    }
    let mut streams = Vec::with_capacity(texts.len());
    for (values, _) in texts {
        let stream = values.terms.as_ref().map(|terms| terms.stream()).transpose();
        streams.push(stream.map_err(from_io)?);
    }
    let mut next: BinaryHeap<Reverse<(Vec<u8>, usize)>> = BinaryHeap::new();
    let mut advance =
        |at: usize, next: &mut BinaryHeap<Reverse<(Vec<u8>, usize)>>, mut key: Vec<u8>| {
            if let Some(Some(stream)) = streams.get_mut(at)
                && stream.advance()
            {
                key.clear();
                key.extend_from_slice(stream.key());
                next.push(Reverse((key, at)));
                return Some(stream.term_ord());
            }
            None
        };
    let mut ordinals: Vec<Option<u64>> =
        (0..texts.len()).map(|at| advance(at, &mut next, Vec::new())).collect();
    let mut current: Option<(Vec<u8>, i64)> = None;
    while let Some(Reverse((key, at))) = next.pop() {
        let count = ordinals
            .get(at)
            .copied()
            .flatten()
            .and_then(|ordinal| texts.get(at)?.1.get(usize::try_from(ordinal).ok()?).copied());
        let count = i64::from(count.unwrap_or_default());
        let spare = match &mut current {
            Some((known, sum)) if *known == key => {
                *sum += count;
                key
            }
            _ => current.replace((key, count)).map_or(Ok(Vec::new()), |done| top.take(done))?,
        };
        if let Some(ordinal) = ordinals.get_mut(at) {
            *ordinal = advance(at, &mut next, spare);
        }
    }
    current.map_or(Ok(()), |done| top.take(done).map(drop))
}

/// Of one segment only those texts are read that are wanted.
fn alone(values: &Values, counts: &[u32], top: &mut Top) -> Result<(), SearchError> {
    let mut best: BinaryHeap<Reverse<(u32, Reverse<u64>)>> = BinaryHeap::new();
    for (ordinal, count) in (0_u64..).zip(counts).filter(|(_, count)| **count > 0) {
        best.push(Reverse((*count, Reverse(ordinal))));
        if best.len() > top.limit {
            best.pop();
            top.more = true;
        }
    }
    for Reverse((count, Reverse(ordinal))) in best {
        top.push(count.into(), values.value(ordinal).map_err(from_tantivy)?);
    }
    Ok(())
}

/// The most frequent values so far, the least of them on top.
struct Top {
    best: BinaryHeap<Value>,
    limit: usize,
    more: bool,
}

impl Top {
    fn push(&mut self, count: i64, value: Bound) {
        if self.best.len() < self.limit {
            self.best.push(Value { count, value });
            return;
        }
        self.more = true;
        if let Some(mut last) = self.best.peek_mut()
            && last.count <= count
        {
            let value = Value { count, value };
            if value < *last {
                *last = value;
            }
        }
    }

    /// Takes a term that is counted whole; its bytes are of use again.
    fn take(&mut self, (key, count): (Vec<u8>, i64)) -> Result<Vec<u8>, SearchError> {
        let is_wanted = self.best.len() < self.limit
            || self.best.peek().is_some_and(|last| last.count <= count);
        if count > 0 && is_wanted {
            let text = std::str::from_utf8(&key)
                .map_err(|_| from_tantivy(damaged("a term is no text")))?;
            self.push(count, Bound::Text(text.to_owned()));
        } else if count > 0 {
            self.more = true;
        }
        Ok(key)
    }

    fn terms(self) -> Terms {
        let values = self.best.into_sorted_vec();
        let values = values.into_iter().map(|value| (value.value, value.count)).collect();
        Terms { values, more: self.more }
    }
}

/// Less frequent ones are greater, of equal ones the greater.
struct Value {
    count: i64,
    value: Bound,
}

impl Ord for Value {
    fn cmp(&self, other: &Value) -> std::cmp::Ordering {
        other.count.cmp(&self.count).then_with(|| by_value(&self.value, &other.value))
    }
}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Value) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Eq for Value {}

impl PartialEq for Value {
    fn eq(&self, other: &Value) -> bool {
        self.cmp(other).is_eq()
    }
}
