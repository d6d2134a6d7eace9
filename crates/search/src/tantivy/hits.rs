//! A page of records: by score or by an order.

use forebay_filter::lower::Condition;
use tantivy::Searcher;

use super::collect::Asked;
use super::fields::Fields;
use super::{order, score};
use crate::ask::{Cell, Hit, Hits, Order};
use crate::error::SearchError;

/// [`Hits`], to be taken along.
pub(super) struct Page {
    pub(super) asked: Asked,
    pub(super) score: Option<Condition>,
    pub(super) order: Vec<Order>,
    pub(super) after: Option<Vec<Cell>>,
    pub(super) limit: usize,
}

impl Page {
    /// A page of an index at a position.
    pub(super) fn new(hits: &Hits<'_>, position: i64) -> Page {
        Page {
            asked: Asked::new(&hits.ask, position),
            score: hits.score.cloned(),
            order: hits.order.to_vec(),
            after: hits.after.map(<[Cell]>::to_vec),
            limit: hits.limit,
        }
    }

    /// Finds it.
    pub(super) fn find(
        &self,
        fields: &Fields,
        searcher: &Searcher,
    ) -> Result<Vec<Hit>, SearchError> {
        match (self.limit, self.order.is_empty()) {
            (0, _) => Ok(Vec::new()),
            (_, true) => score::find(self, fields, searcher),
            (_, false) => order::find(self, fields, searcher),
        }
    }
}
