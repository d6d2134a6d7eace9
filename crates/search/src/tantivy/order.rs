//! Records in an order of places; missing values come last.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use forebay_filter::lower::Bound;
use smallvec::SmallVec;
use tantivy::{DocId, Searcher, SegmentReader, u64_to_i64};

use super::column::Values;
use super::fault::from_tantivy;
use super::fields::Fields;
use super::hits::Page;
use crate::ask::{Cell, Hit, Order};
use crate::error::SearchError;

/// Finds a page by an order: the first of each segment, of them the first.
pub(super) fn find(
    page: &Page,
    fields: &Fields,
    searcher: &Searcher,
) -> Result<Vec<Hit>, SearchError> {
    let weight = page.asked.weight(fields, searcher)?;
    let mut hits = Vec::new();
    for reader in searcher.segment_readers() {
        let Some(narrow) = page.asked.narrow(reader)? else { continue };
        let keys = Keys::open(page, fields, reader)?;
        let mut first = First { heap: BinaryHeap::new(), limit: page.limit, keys: &keys };
        narrow.each(weight.as_ref(), &mut |docs| docs.iter().for_each(|doc| first.push(*doc)))?;
        for (ranks, doc) in first.heap {
            let seq = u64_to_i64(narrow.seq(doc));
            hits.push(Hit { seq, score: 0.0, keys: keys.cells(&ranks)? });
        }
    }
    hits.sort_by(|a, b| compare(&page.order, &a.keys, &b.keys));
    hits.truncate(page.limit);
    Ok(hits)
}

/// What a document is ordered by within its segment: ascending, whatever the order's direction.
type Ranks = SmallVec<[u128; 3]>;

/// Comes behind every value.
const MISSING: u128 = u128::MAX;
/// Beyond every rank of a value.
const BEYOND: u128 = 1 << 66;

struct Keys {
    each: Vec<(Values, bool)>,
    after: Option<Ranks>,
}

impl Keys {
    fn open(page: &Page, fields: &Fields, reader: &SegmentReader) -> Result<Keys, SearchError> {
        let mut each = Vec::with_capacity(page.order.len());
        for order in &page.order {
            let held = fields.held(order.place).ok_or_else(|| {
                SearchError::Internal(format!("the index does not hold {:?}", order.place))
            })?;
            each.push((Values::open(reader, held).map_err(from_tantivy)?, order.descending));
        }
        let mut keys = Keys { each, after: None };
        if let Some(after) = &page.after {
            keys.after = Some(keys.after(after)?);
        }
        Ok(keys)
    }

    /// Where the last page ended. A text that this segment does not have stands between two.
    fn after(&self, cells: &[Cell]) -> Result<Ranks, SearchError> {
        if cells.len() != self.each.len() {
            return Err(SearchError::Internal("other keys than the order's".into()));
        }
        let ranks = self.each.iter().zip(cells).map(|((values, descending), cell)| {
            let Some(bound) = cell else { return Ok(MISSING) };
            let spot = values.spot(bound)?;
            Ok(directed(u128::from(spot.from) * 2 + u128::from(spot.exact), *descending))
        });
        ranks.collect::<tantivy::Result<_>>().map_err(from_tantivy)
    }

    fn rank(&self, at: usize, doc: DocId) -> u128 {
        let Some((values, descending)) = self.each.get(at) else { return MISSING };
        match values.of(doc) {
            None => MISSING,
            Some(value) => directed(u128::from(value) * 2 + 1, *descending),
        }
    }

    fn cells(&self, ranks: &Ranks) -> Result<Vec<Cell>, SearchError> {
        let cells = self.each.iter().zip(ranks).map(|((values, descending), rank)| {
            if *rank == MISSING {
                return Ok(None);
            }
            let value = (directed(*rank, *descending) - 1) / 2;
            values.value(u64::try_from(value).unwrap_or(u64::MAX)).map(Some)
        });
        cells.collect::<tantivy::Result<_>>().map_err(from_tantivy)
    }
}

fn directed(rank: u128, descending: bool) -> u128 {
    if descending { BEYOND - rank } else { rank }
}

/// The first of a segment, the last of them on top.
struct First<'k> {
    heap: BinaryHeap<(Ranks, DocId)>,
    limit: usize,
    keys: &'k Keys,
}

impl First<'_> {
    fn push(&mut self, doc: DocId) {
        let first = self.keys.rank(0, doc);
        let full = self.heap.len() >= self.limit;
        let is_behind = |last: &(Ranks, DocId)| last.0.first().is_some_and(|last| first > *last);
        if full && self.heap.peek().is_some_and(is_behind) {
            return;
        }
        let rest = (1..self.keys.each.len()).map(|at| self.keys.rank(at, doc));
        let ranks: Ranks = std::iter::once(first).chain(rest).collect();
        if self.keys.after.as_ref().is_some_and(|after| ranks <= *after) {
            return;
        }
        if !full {
            self.heap.push((ranks, doc));
        } else if let Some(mut last) = self.heap.peek_mut()
            && ranks < last.0
        {
            *last = (ranks, doc);
        }
    }
}

/// The order of values of one type.
pub(super) fn by_value(a: &Bound, b: &Bound) -> Ordering {
    match (a, b) {
        (Bound::Int(a), Bound::Int(b)) => a.cmp(b),
        (Bound::Real(a), Bound::Real(b)) => a.total_cmp(b),
        (Bound::Text(a), Bound::Text(b)) => a.cmp(b),
        // Never of one place.
        _ => Ordering::Equal,
    }
}

fn compare(orders: &[Order], a: &[Cell], b: &[Cell]) -> Ordering {
    let each = orders.iter().zip(a.iter().zip(b)).map(|(order, pair)| match pair {
        (None, None) => Ordering::Equal,
        (None, _) => Ordering::Greater,
        (_, None) => Ordering::Less,
        (Some(a), Some(b)) if order.descending => by_value(b, a),
        (Some(a), Some(b)) => by_value(a, b),
    });
    each.fold(Ordering::Equal, Ordering::then)
}
