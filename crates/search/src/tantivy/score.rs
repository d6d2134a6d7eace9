//! The best first, of equal ones the newest.
//!
//! tantivy adds the scores of words in another order whenever it passes over documents, and sums of
//! floats depend on their order. A page that goes on behind a score must know it exactly: where
//! three words or more are added, each document that may be on the page is scored again, word by
//! word, in one order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use forebay_filter::lower::{Bound, Condition};
use tantivy::query::{EnableScoring, Scorer, Weight};
use tantivy::{DocId, Score, Searcher, u64_to_i64};

use super::collect::Narrow;
use super::fault::from_tantivy;
use super::fields::Fields;
use super::hits::Page;
use super::query::scored;
use crate::ask::{Cell, Hit};
use crate::error::SearchError;

/// Sums of so many floats are the same in any order.
const SAME: usize = 2;

/// Finds a page by score.
pub(super) fn find(
    page: &Page,
    fields: &Fields,
    searcher: &Searcher,
) -> Result<Vec<Hit>, SearchError> {
    let score = page.score.as_ref().unwrap_or(&Condition::None);
    let scored = scored(fields, &page.asked.condition, score)?;
    let scoring = EnableScoring::enabled_from_searcher(searcher);
    let weight = scored.query.weight(scoring).map_err(from_tantivy)?;
    let leaves = scored.leaves.iter().map(|leaf| leaf.weight(scoring).map_err(from_tantivy));
    let leaves = leaves.collect::<Result<Vec<_>, _>>()?;
    let mut best = Best::new(page, leaves.len())?;
    for reader in searcher.segment_readers() {
        if let Some(narrow) = page.asked.narrow(reader)? {
            best.collect(&narrow, weight.as_ref(), &leaves)?;
        }
    }
    Ok(best.hits())
}

/// A score that is compared as its bits are: no score is negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    score: u32,
    seq: i64,
}

/// The best so far, the worst of them on top.
struct Best {
    heap: BinaryHeap<Reverse<Rank>>,
    limit: usize,
    after: Option<Rank>,
    /// How many words are added.
    words: usize,
}

impl Best {
    fn new(page: &Page, words: usize) -> Result<Best, SearchError> {
        let after = match page.after.as_deref() {
            None => None,
            #[allow(clippy::cast_possible_truncation, reason = "it was a float")]
            Some([Some(Bound::Real(score)), Some(Bound::Int(seq))]) => {
                Some(Rank { score: (*score as Score).to_bits(), seq: *seq })
            }
            Some(_) => return Err(SearchError::Internal("no keys of a score".into())),
        };
        Ok(Best { heap: BinaryHeap::new(), limit: page.limit, after, words })
    }

    fn collect(
        &mut self,
        narrow: &Narrow<'_>,
        weight: &dyn Weight,
        leaves: &[Box<dyn Weight>],
    ) -> Result<(), SearchError> {
        let mut exact = match self.words > SAME {
            true => Some(Exact::new(narrow, leaves)?),
            false => None,
        };
        let begin = self.least();
        let mut least = begin;
        let mut take = |doc: DocId, score: Score| {
            if narrow.holds(doc) {
                let score = exact.as_mut().map_or(score, |exact| exact.score(doc));
                let rank =
                    Rank { score: score.max(0.0).to_bits(), seq: u64_to_i64(narrow.seq(doc)) };
                if self.push(rank) {
                    least = self.least();
                }
            }
            least
        };
        weight.for_each_pruning(begin, narrow.reader, &mut take).map_err(from_tantivy)
    }

    /// Whether it is among the best.
    fn push(&mut self, rank: Rank) -> bool {
        if self.after.is_some_and(|after| rank >= after) {
            return false;
        }
        if self.heap.len() < self.limit {
            self.heap.push(Reverse(rank));
            return true;
        }
        match self.heap.peek_mut() {
            Some(mut worst) if rank > worst.0 => {
                *worst = Reverse(rank);
                true
            }
            _ => false,
        }
    }

    /// A score below which, or with which, no document is wanted any more.
    #[allow(clippy::cast_precision_loss, reason = "few words")]
    fn least(&self) -> Score {
        if self.heap.len() < self.limit {
            return Score::MIN;
        }
        let worst = self.heap.peek().map_or(Score::MIN, |worst| Score::from_bits(worst.0.score));
        let least = match self.words > SAME {
            // As far as rounding may go.
            true => worst * (1.0 - (self.words + 1) as Score * Score::EPSILON),
            false => worst,
        };
        // One with the same score may be newer.
        least.next_down()
    }

    fn hits(self) -> Vec<Hit> {
        let ranks = self.heap.into_sorted_vec();
        ranks
            .into_iter()
            .map(|Reverse(rank)| {
                let score = Score::from_bits(rank.score);
                let keys: Vec<Cell> =
                    vec![Some(Bound::Real(score.into())), Some(Bound::Int(rank.seq))];
                Hit { seq: rank.seq, score, keys }
            })
            .collect()
    }
}

/// Scores documents of a segment word by word; they come in order.
struct Exact(Vec<Box<dyn Scorer>>);

impl Exact {
    fn new(narrow: &Narrow<'_>, leaves: &[Box<dyn Weight>]) -> Result<Exact, SearchError> {
        let scorers = leaves.iter().map(|leaf| leaf.scorer(narrow.reader, 1.0));
        Ok(Exact(scorers.collect::<Result<_, _>>().map_err(from_tantivy)?))
    }

    #[allow(clippy::cast_possible_truncation, reason = "a score is a float")]
    fn score(&mut self, doc: DocId) -> Score {
        let mut sum = 0.0;
        for scorer in &mut self.0 {
            if scorer.doc() < doc {
                scorer.seek(doc);
            }
            if scorer.doc() == doc {
                sum += f64::from(scorer.score());
            }
        }
        sum as Score
    }
}
