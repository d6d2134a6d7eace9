//! An index as it was when it was looked at.

use std::collections::BTreeMap;
use std::sync::Arc;

use tantivy::query::{AllQuery, EnableScoring, Query as _};
use tantivy::{Searcher, u64_to_i64};
use tokio::sync::Semaphore;

use super::blocking::blocking;
use super::collect::{Asked, count};
use super::column::checksums;
use super::fault::from_tantivy;
use super::fields::Fields;
use super::group::{self, Wanted};
use super::hits::Page;
use super::shard::{Shard, Snapshot};
use super::terms::terms;
use crate::ask::{Ask, Facet, Group, Grouping, Hit, Hits, Terms, Window};
use crate::error::SearchError;
use crate::layout::Layout;
use forebay_filter::lower::Condition;

/// A stream's index at one position.
pub struct View {
    shard: Arc<Shard>,
    snapshot: Arc<Snapshot>,
    searches: Arc<Semaphore>,
}

impl View {
    pub(super) fn new(shard: Arc<Shard>, searches: Arc<Semaphore>) -> View {
        let snapshot = shard.now();
        View { shard, snapshot, searches }
    }

    /// What it holds.
    pub fn layout(&self) -> &Layout {
        &self.shard.layout
    }

    /// Up to where the log is in.
    pub fn indexed_seq(&self) -> i64 {
        self.snapshot.position
    }

    /// Finds a page of records.
    ///
    /// # Errors
    /// When the files are damaged.
    pub async fn hits(&self, hits: &Hits<'_>) -> Result<Vec<Hit>, SearchError> {
        let page = Page::new(hits, self.indexed_seq());
        self.search(move |fields, searcher| page.find(fields, searcher)).await
    }

    /// Counts records.
    ///
    /// # Errors
    /// When the files are damaged.
    pub async fn count(&self, ask: &Ask<'_>) -> Result<i64, SearchError> {
        let asked = self.asked(ask);
        self.search(move |fields, searcher| count(&asked, fields, searcher)).await
    }

    /// Counts records by the values that they have.
    ///
    /// # Errors
    /// When the files are damaged, or there are too many numbers.
    pub async fn terms(
        &self,
        ask: &Ask<'_>,
        facet: Facet,
        limit: usize,
    ) -> Result<Terms, SearchError> {
        let asked = self.asked(ask);
        self.search(move |fields, searcher| terms((&asked, facet, limit), fields, searcher)).await
    }

    /// Groups records; `None` where a sum of doubles leaves their range.
    ///
    /// # Errors
    /// When the files are damaged; [`SearchError::TooLarge`] when there are more groups than are
    /// wanted.
    pub async fn group(&self, grouping: &Grouping<'_>) -> Result<Option<Vec<Group>>, SearchError> {
        let asked = self.asked(&grouping.ask);
        let wanted = Wanted {
            keys: grouping.keys.to_vec(),
            parts: grouping.parts.to_vec(),
            limit: grouping.limit,
        };
        self.search(move |fields, searcher| group::group((&asked, &wanted), fields, searcher)).await
    }

    /// What is in the index, in windows of `size` positions.
    ///
    /// # Errors
    /// When the files are damaged.
    pub async fn windows(&self, size: i64) -> Result<Vec<Window>, SearchError> {
        let ask = Ask { condition: &Condition::All, up_to: i64::MAX, without: &[] };
        let asked = self.asked(&ask);
        self.search(move |_, searcher| windows(&asked, searcher, size.max(1))).await
    }

    fn asked(&self, ask: &Ask<'_>) -> Asked {
        Asked::new(ask, self.indexed_seq())
    }

    /// Searches on a thread for it, when one of the few is free.
    async fn search<T: Send + 'static>(
        &self,
        search: impl FnOnce(&Fields, &Searcher) -> Result<T, SearchError> + Send + 'static,
    ) -> Result<T, SearchError> {
        let permit = self.searches.clone().acquire_owned().await;
        let permit = permit.map_err(|error| SearchError::Internal(error.to_string()))?;
        let (shard, snapshot) = (self.shard.clone(), self.snapshot.clone());
        blocking(Some(self.shard.clone()), move || {
            let _permit = permit;
            search(&shard.fields, &snapshot.searcher)
        })
        .await
    }
}

fn windows(asked: &Asked, searcher: &Searcher, size: i64) -> Result<Vec<Window>, SearchError> {
    let mut windows: BTreeMap<i64, Window> = BTreeMap::new();
    let weight = AllQuery.weight(EnableScoring::disabled_from_searcher(searcher));
    let weight = weight.map_err(from_tantivy)?;
    for reader in searcher.segment_readers() {
        let Some(narrow) = asked.narrow(reader)? else { continue };
        let sums = checksums(reader).map_err(from_tantivy)?;
        narrow.each(weight.as_ref(), &mut |docs| {
            for doc in docs {
                let number = u64_to_i64(narrow.seq(*doc)).div_euclid(size);
                let new = Window { number, count: 0, sum: 0 };
                let window = windows.entry(number).or_insert(new);
                window.count += 1;
                let sum = i64::try_from(sums.values.get_val(*doc)).unwrap_or_default();
                window.sum = window.sum.wrapping_add(sum);
            }
        })?;
    }
    Ok(windows.into_values().collect())
}
