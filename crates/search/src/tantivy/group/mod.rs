//! Groups of records, counted and added up: over columns, block by block, segment by segment.
//!
//! Within a segment keys and values are integers. What a segment says is put together with what
//! others say by the values themselves.

mod keys;
mod parts;

use std::cmp::Ordering;
use std::collections::HashMap;

use forebay_filter::lower::{Bound, Place};
use tantivy::query::Weight;
use tantivy::{DocId, Searcher};

use self::keys::{Codes, Grouped};
use self::parts::Sums;
use super::collect::{Asked, BLOCK, Narrow};
use super::column::Values;
use super::fault::from_tantivy;
use super::fields::Fields;
use super::order::by_value;
use crate::ask::{Cell, Group, Key, Part, Partial};
use crate::error::SearchError;

/// [`crate::Grouping`], to be taken along.
pub(super) struct Wanted {
    pub(super) keys: Vec<Key>,
    pub(super) parts: Vec<Part>,
    pub(super) limit: usize,
}

/// Groups documents; nothing where a sum of doubles is none.
pub(super) fn group(
    (asked, wanted): (&Asked, &Wanted),
    fields: &Fields,
    searcher: &Searcher,
) -> Result<Option<Vec<Group>>, SearchError> {
    let weight = asked.weight(fields, searcher)?;
    let mut all = All {
        groups: Vec::new(),
        known: HashMap::new(),
        limit: wanted.limit,
        parts: &wanted.parts,
    };
    for reader in searcher.segment_readers() {
        let Some(narrow) = asked.narrow(reader)? else { continue };
        let mut segment = Segment::open(wanted, fields, &narrow)?;
        segment.collect(&narrow, weight.as_ref(), wanted.limit)?;
        segment.hand_over(&mut all)?;
    }
    let whole = all.groups.iter().flat_map(|group| &group.partials).all(|partial| match partial {
        Partial::Real(Some((sum, error))) => sum.is_finite() && error.is_finite(),
        _ => true,
    });
    Ok(whole.then_some(all.groups))
}

/// Values of a column for the documents of a block.
pub(super) struct Source {
    values: Values,
    block: [u64; BLOCK],
    /// A bit for each document that has a value.
    present: u64,
}

impl Source {
    fn read(&mut self, docs: &[DocId]) {
        use tantivy::columnar::ColumnIndex;
        let Some(block) = self.block.get_mut(..docs.len()) else { return };
        let all = u64::MAX >> (BLOCK - docs.len()).min(63);
        self.present = match &self.values.column.index {
            ColumnIndex::Full => {
                self.values.column.values.get_vals(docs, block);
                all
            }
            ColumnIndex::Empty { .. } => 0,
            _ => {
                let mut found = [None; BLOCK];
                let Some(found) = found.get_mut(..docs.len()) else { return };
                self.values.column.first_vals(docs, found);
                let mut present = 0;
                for (at, (value, found)) in block.iter_mut().zip(&*found).enumerate() {
                    *value = found.unwrap_or_default();
                    present |= u64::from(found.is_some()) << at;
                }
                present
            }
        };
    }

    /// The values of a block; nothing for documents without.
    fn each(&self, count: usize) -> impl Iterator<Item = Option<u64>> + '_ {
        let with = |(at, value): (usize, &u64)| (self.present >> at & 1 == 1).then_some(*value);
        self.block.iter().take(count).enumerate().map(with)
    }

    /// The values of a block, when each document has one.
    fn full(&self, count: usize) -> Option<&[u64]> {
        let all = u64::MAX >> (BLOCK - count).min(63);
        if self.present == all { self.block.get(..count) } else { None }
    }
}

/// One segment on its way.
struct Segment {
    /// A column each, whatever it is read for.
    sources: Vec<Source>,
    grouped: Grouped,
    sums: Vec<Sums>,
    slots: [u32; BLOCK],
}

impl Segment {
    fn open(wanted: &Wanted, fields: &Fields, narrow: &Narrow<'_>) -> Result<Segment, SearchError> {
        let mut columns = Columns { fields, narrow, places: Vec::new(), sources: Vec::new() };
        let mut keyed = Vec::with_capacity(wanted.keys.len());
        for key in &wanted.keys {
            let (Key::Value(place) | Key::Step { place, .. } | Key::Range(place, _)) = key;
            keyed.push((key, columns.source(*place)?));
        }
        let mut sums = Vec::with_capacity(wanted.parts.len());
        for part in &wanted.parts {
            sums.push(match part {
                Part::Count => Sums::Count(Vec::new()),
                Part::CountOf(place) => Sums::CountOf(columns.source(*place)?, Vec::new()),
                Part::Whole(place) => Sums::Whole(columns.source(*place)?, Vec::new()),
                Part::Real(place) => Sums::Real(columns.source(*place)?, Vec::new()),
                Part::Least(place) => Sums::Least(columns.source(*place)?, Vec::new()),
                Part::Greatest(place) => Sums::Greatest(columns.source(*place)?, Vec::new()),
            });
        }
        let sources = columns.sources;
        let grouped =
            Grouped::new(&keyed, &sources, narrow.reader.max_doc()).map_err(from_tantivy)?;
        Ok(Segment { sources, grouped, sums, slots: [0; BLOCK] })
    }

    fn collect(
        &mut self,
        narrow: &Narrow<'_>,
        weight: &dyn Weight,
        limit: usize,
    ) -> Result<(), SearchError> {
        narrow.each(weight, &mut |docs| {
            if self.grouped.ids.len() <= limit {
                self.block(docs);
            }
        })?;
        match self.grouped.ids.len() <= limit {
            true => Ok(()),
            false => Err(too_many(limit)),
        }
    }

    fn block(&mut self, docs: &[DocId]) {
        self.sources.iter_mut().for_each(|source| source.read(docs));
        let Some(slots) = self.slots.get_mut(..docs.len()) else { return };
        self.grouped.assign(&self.sources, slots);
        for sums in &mut self.sums {
            sums.add(&self.sources, slots, self.grouped.ids.len());
        }
    }

    fn hand_over(&self, all: &mut All<'_>) -> Result<(), SearchError> {
        for (slot, codes) in self.grouped.ids.iter().enumerate() {
            let keys = self.keys(codes)?;
            let mut partials = Vec::with_capacity(self.sums.len());
            for sums in &self.sums {
                partials.push(sums.partial(slot, &self.sources).map_err(from_tantivy)?);
            }
            all.add(Group { keys, partials })?;
        }
        Ok(())
    }

    fn keys(&self, codes: &Codes) -> Result<Vec<Cell>, SearchError> {
        let keys = self.grouped.cells(codes, &self.sources);
        keys.map_err(from_tantivy)
    }
}

/// The columns that are read, each once.
struct Columns<'c> {
    fields: &'c Fields,
    narrow: &'c Narrow<'c>,
    places: Vec<Place>,
    sources: Vec<Source>,
}

impl Columns<'_> {
    fn source(&mut self, place: Place) -> Result<usize, SearchError> {
        if let Some(known) = self.places.iter().position(|known| *known == place) {
            return Ok(known);
        }
        let missing = || SearchError::Internal(format!("the index does not hold {place:?}"));
        let held = self.fields.held(place).ok_or_else(missing)?;
        let values = Values::open(self.narrow.reader, held).map_err(from_tantivy)?;
        self.places.push(place);
        self.sources.push(Source { values, block: [0; BLOCK], present: 0 });
        Ok(self.sources.len() - 1)
    }
}

fn too_many(limit: usize) -> SearchError {
    SearchError::TooLarge(format!("more than {limit} groups"))
}

/// The groups of all segments.
struct All<'w> {
    groups: Vec<Group>,
    known: HashMap<Vec<Hashed>, usize>,
    limit: usize,
    parts: &'w [Part],
}

#[derive(PartialEq, Eq, Hash)]
enum Hashed {
    Missing,
    Int(i64),
    Real(u64),
    Text(String),
}

impl All<'_> {
    fn add(&mut self, group: Group) -> Result<(), SearchError> {
        let keys = group.keys.iter().map(|cell| match cell {
            None => Hashed::Missing,
            Some(Bound::Int(value)) => Hashed::Int(*value),
            Some(Bound::Real(value)) => Hashed::Real(value.to_bits()),
            Some(Bound::Text(text)) => Hashed::Text(text.clone()),
        });
        let count = self.groups.len();
        let at = *self.known.entry(keys.collect()).or_insert(count);
        match self.groups.get_mut(at) {
            Some(known) => {
                let pairs = known.partials.iter_mut().zip(group.partials);
                let each = pairs.zip(self.parts);
                each.for_each(|((known, partial), part)| merge(*part, known, partial));
            }
            None if count == self.limit => return Err(too_many(self.limit)),
            None => self.groups.push(group),
        }
        Ok(())
    }
}

/// Puts two partials of the same part together.
fn merge(part: Part, known: &mut Partial, other: Partial) {
    match (known, other) {
        (Partial::Count(known), Partial::Count(other)) => *known += other,
        (Partial::Whole(known), Partial::Whole(other)) => {
            *known = known.map_or(other, |sum| Some(sum + other.unwrap_or_default()));
        }
        (Partial::Real(known), Partial::Real(other)) => *known = parts::joined(*known, other),
        (Partial::Value(known), Partial::Value(Some(other))) => {
            let order = known.as_ref().map(|known| by_value(&other, known));
            let is_wanted = match part {
                Part::Greatest(_) => order.is_none_or(Ordering::is_gt),
                _ => order.is_none_or(Ordering::is_lt),
            };
            if is_wanted {
                *known = Some(other);
            }
        }
        _ => {}
    }
}
