//! Pages of records, by score or in an order.

use serde_json::{Value as Json, json};

use super::order::Sorting;
use super::query;
use super::view::{View, unread};
use crate::ask::{Hit, Hits};
use crate::error::SearchError;

/// The most hits that a server gives at once.
const MAX_PAGE: usize = 10_000;

impl View {
    /// Finds a page of records.
    ///
    /// # Errors
    /// When the server cannot answer.
    pub async fn hits(&self, hits: &Hits<'_>) -> Result<Vec<Hit>, SearchError> {
        let query = query::of(&self.layout, &hits.ask, self.up_to(), hits.score)?;
        let sorting = Sorting::of(&self.layout, hits.order)?;
        let mut body = json!({
            "track_total_hits": false, "stored_fields": "_none_", "docvalue_fields": ["seq"],
            "query": query, "sort": sorting.json(),
            "track_scores": hits.score.is_some(),
        });
        if let Some(after) = hits.after {
            body["search_after"] = sorting.after(after)?;
        }
        let mut found = Vec::new();
        while found.len() < hits.limit {
            let size = (hits.limit - found.len()).min(MAX_PAGE);
            body["size"] = size.into();
            let answer = self.search(&body).await?;
            let page = answer.pointer("/hits/hits").and_then(Json::as_array).ok_or_else(unread)?;
            for hit in page {
                found.push(read(&sorting, hit)?);
            }
            let last = page.last().and_then(|hit| hit.get("sort"));
            let (true, Some(last)) = (page.len() == size, last) else { break };
            body["search_after"] = last.clone();
        }
        Ok(found)
    }
}

fn read(sorting: &Sorting, hit: &Json) -> Result<Hit, SearchError> {
    let seq = hit.pointer("/fields/seq/0").and_then(Json::as_i64).ok_or_else(unread)?;
    let sorted = hit.get("sort").and_then(Json::as_array).ok_or_else(unread)?;
    // Scores are floats; they come as the shortest decimals that are read as them.
    #[allow(clippy::cast_possible_truncation)]
    let score = hit.get("_score").and_then(Json::as_f64).unwrap_or_default() as f32;
    let mut keys = sorting.keys(sorted)?;
    if let (Sorting::Score, Some(first)) = (sorting, keys.first_mut()) {
        *first = Some(forebay_filter::lower::Bound::Real(score.into()));
    }
    Ok(Hit { seq, score, keys })
}
