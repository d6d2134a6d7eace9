//! Values with how many records have them.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use forebay_filter::lower::Bound;
use forebay_model::record::Record;
use forebay_model::search::SearchKind;
use forebay_model::stream::Stream;
use forebay_model::{Code, Error};
use forebay_search::ask::Facet as Asking;
use forebay_search::layout::Column;
use forebay_search::{Document, Layout};

use super::Facet;

/// The most bytes of values that are counted one by one.
const MOST_BYTES: usize = 64 << 20;

/// A value; those of one field are of one kind.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Term(pub(crate) Bound);

impl Term {
    pub(crate) fn text(&self) -> &str {
        match &self.0 {
            Bound::Text(text) => text,
            Bound::Int(_) | Bound::Real(_) => "",
        }
    }
}

impl Eq for Term {}

impl Ord for Term {
    fn cmp(&self, other: &Term) -> Ordering {
        match (&self.0, &other.0) {
            (Bound::Int(a), Bound::Int(b)) => a.cmp(b),
            (Bound::Real(a), Bound::Real(b)) => a.total_cmp(b),
            (Bound::Text(a), Bound::Text(b)) => a.cmp(b),
            (a, b) => rank(a).cmp(&rank(b)),
        }
    }
}

impl PartialOrd for Term {
    fn partial_cmp(&self, other: &Term) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

fn rank(bound: &Bound) -> u8 {
    match bound {
        Bound::Int(_) => 0,
        Bound::Real(_) => 1,
        Bound::Text(_) => 2,
    }
}

/// Values with how many records have them.
pub(crate) type Counts = BTreeMap<Term, i64>;

/// Counts the values of some facets, record by record.
pub(crate) struct Tally {
    layout: Layout,
    /// Where each facet's values stand in a document.
    at: Vec<Asking>,
    pub(crate) counts: Vec<Counts>,
    bytes: usize,
}

impl Tally {
    pub(crate) fn new(stream: &Stream, facets: &[Facet]) -> Tally {
        let mut fields = stream.schema.searched().to_vec();
        for (at, field) in fields.iter_mut().enumerate() {
            let is_wanted = facets.iter().any(|facet| facet.asking == Asking::Field(at));
            if !is_wanted {
                field.kind = SearchKind::None;
            }
        }
        let columns = facets.iter().filter_map(|facet| facet.column.as_ref());
        let columns = columns.map(|column| Column {
            number: column.number,
            path: column.path.segments().to_vec(),
            scalar: column.scalar.name().to_owned(),
        });
        let layout = Layout {
            format: 0,
            words: forebay_model::text::VERSION,
            stream: stream.number,
            epoch: stream.epoch,
            columns: columns.collect(),
            fields,
        };
        let at = facets.iter().map(|facet| facet.asking).collect();
        Tally { layout, at, counts: facets.iter().map(|_| Counts::new()).collect(), bytes: 0 }
    }

    /// Takes a record's values, each once.
    ///
    /// # Errors
    /// `filter_too_broad` when there are too many.
    pub(crate) fn take(&mut self, record: &Record) -> Result<(), Error> {
        let document = Document::of(&self.layout, record);
        for (asking, counts) in self.at.iter().zip(&mut self.counts) {
            let mut values: Vec<Bound> = match asking {
                Asking::Field(field) => {
                    let texts = document.fields.get(*field).into_iter().flatten().flatten();
                    texts.cloned().map(Bound::Text).collect()
                }
                Asking::Place(place) => {
                    let at = self.layout.columns.iter().position(|column| {
                        *place == forebay_filter::lower::Place::Column(column.number)
                    });
                    at.and_then(|at| document.columns.get(at)?.clone()).into_iter().collect()
                }
            };
            values.sort_by_cached_key(|value| Term(value.clone()));
            values.dedup();
            for value in values {
                let size = if let Bound::Text(text) = &value { text.len() } else { 0 };
                let count = counts.entry(Term(value)).or_insert_with(|| {
                    self.bytes += size + 64;
                    0
                });
                *count += 1;
            }
        }
        if self.bytes > MOST_BYTES {
            let detail = format!("the facets have more than {} MiB of values", MOST_BYTES >> 20);
            return Err(Error::new(Code::FilterTooBroad, detail));
        }
        Ok(())
    }
}
