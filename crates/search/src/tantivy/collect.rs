//! Goes through the documents of a snapshot that are asked for.

use tantivy::columnar::Column;
use tantivy::query::{EnableScoring, Query, Weight};
use tantivy::{COLLECT_BLOCK_BUFFER_LEN, DocId, Searcher, SegmentReader, i64_to_u64};

use super::column::seqs;
use super::fault::from_tantivy;
use super::fields::Fields;
use super::query::matching;
use crate::ask::Ask;
use crate::error::SearchError;
use forebay_filter::lower::Condition;

/// The most documents of a block.
pub(super) const BLOCK: usize = COLLECT_BLOCK_BUFFER_LEN;

/// [`Ask`], to be taken along.
pub(super) struct Asked {
    pub(super) condition: Condition,
    /// As columns hold positions.
    up_to: u64,
    without: Vec<u64>,
}

impl Asked {
    /// What of an index at a position is asked for.
    pub(super) fn new(ask: &Ask<'_>, position: i64) -> Asked {
        let mut without: Vec<u64> = ask.without.iter().map(|seq| i64_to_u64(*seq)).collect();
        without.sort_unstable();
        without.dedup();
        let up_to = i64_to_u64(ask.up_to.min(position));
        Asked { condition: ask.condition.clone(), up_to, without }
    }

    /// Its query's weight, without scores.
    pub(super) fn weight(
        &self,
        fields: &Fields,
        searcher: &Searcher,
    ) -> Result<Box<dyn Weight>, SearchError> {
        let query: Box<dyn Query> = matching(fields, &self.condition)?;
        query.weight(EnableScoring::disabled_from_searcher(searcher)).map_err(from_tantivy)
    }

    /// What is left out of a segment; nothing when all of it is.
    pub(super) fn narrow<'s>(
        &self,
        reader: &'s SegmentReader,
    ) -> Result<Option<Narrow<'s>>, SearchError> {
        let seqs = seqs(reader).map_err(from_tantivy)?;
        let (first, last) = (seqs.min_value(), seqs.max_value());
        if reader.num_docs() == 0 || first > self.up_to {
            return Ok(None);
        }
        let here = |seq: &u64| (first..=last).contains(seq);
        let without: Vec<u64> = self.without.iter().copied().filter(here).collect();
        let bounded = last > self.up_to || !without.is_empty();
        Ok(Some(Narrow { reader, seqs, up_to: self.up_to, without, bounded }))
    }
}

/// A segment, and what is left out of it.
pub(super) struct Narrow<'s> {
    pub(super) reader: &'s SegmentReader,
    pub(super) seqs: Column<u64>,
    up_to: u64,
    without: Vec<u64>,
    bounded: bool,
}

impl Narrow<'_> {
    /// The position of a document, as columns hold it.
    pub(super) fn seq(&self, doc: DocId) -> u64 {
        self.seqs.values.get_val(doc)
    }

    /// Whether it is asked for.
    pub(super) fn holds(&self, doc: DocId) -> bool {
        if self.reader.is_deleted(doc) {
            return false;
        }
        if !self.bounded {
            return true;
        }
        let seq = self.seq(doc);
        seq <= self.up_to && self.without.binary_search(&seq).is_err()
    }

    /// Whether nothing is left out.
    fn is_whole(&self) -> bool {
        !self.bounded && !self.reader.has_deletes()
    }

    /// Hands out the documents that match, in order, in blocks of at most [`BLOCK`].
    pub(super) fn each(
        &self,
        weight: &dyn Weight,
        take: &mut dyn FnMut(&[DocId]),
    ) -> Result<(), SearchError> {
        if self.is_whole() {
            return weight.for_each_no_score(self.reader, take).map_err(from_tantivy);
        }
        let mut kept = Vec::with_capacity(BLOCK);
        let mut narrowed = |docs: &[DocId]| {
            kept.clear();
            kept.extend(docs.iter().copied().filter(|doc| self.holds(*doc)));
            take(&kept);
        };
        weight.for_each_no_score(self.reader, &mut narrowed).map_err(from_tantivy)
    }

    /// How many match.
    pub(super) fn count(&self, weight: &dyn Weight) -> Result<i64, SearchError> {
        if !self.bounded {
            return weight.count(self.reader).map(i64::from).map_err(from_tantivy);
        }
        let mut count = 0;
        self.each(weight, &mut |docs| count += docs.len())?;
        Ok(i64::try_from(count).unwrap_or(i64::MAX))
    }
}

/// How many documents match.
pub(super) fn count(
    asked: &Asked,
    fields: &Fields,
    searcher: &Searcher,
) -> Result<i64, SearchError> {
    let weight = asked.weight(fields, searcher)?;
    let mut count = 0;
    for reader in searcher.segment_readers() {
        if let Some(narrow) = asked.narrow(reader)? {
            count += narrow.count(weight.as_ref())?;
        }
    }
    Ok(count)
}
