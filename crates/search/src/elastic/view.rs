//! A stream's live index at one position.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value as Json, json};

use super::Server;
use super::catalog::POSITION;
use super::client::Call;
use super::order::whole;
use super::query;
use crate::ask::{Ask, Window};
use crate::error::SearchError;
use crate::layout::Layout;

/// The most positions of a window: the sum of so many checksums of 32 bits is below 2^53, so that the
/// server's doubles have it exactly.
const MAX_WINDOW: i64 = 1 << 21;
/// Windows that are asked for at a time.
const WINDOWS: i64 = 10_000;

/// A stream's live index at one position.
///
/// The position is the one that could be found when the view was opened, so everything before it can
/// be, too; what came later is left out by its seq. All questions name the same preference, so that
/// one copy of the index answers them.
pub struct View {
    server: Arc<Server>,
    pub(super) layout: Arc<Layout>,
    index: String,
    position: i64,
    preference: String,
}

impl View {
    pub(super) async fn open(
        server: &Arc<Server>,
        stream: i64,
    ) -> Result<Option<View>, SearchError> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let preference = format!("v{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let body = json!({
            "size": 1, "track_total_hits": false, "stored_fields": "_none_",
            "docvalue_fields": ["position"], "query": {"ids": {"values": [POSITION]}},
        });
        let path = search_path(&server.names.live(stream), &preference);
        let answer = match server.client.ask(&Call::post(path, &body)).await {
            Err(fault) if fault.is_gone() => return Ok(None),
            answer => answer?,
        };
        let (index, position) = match answer.pointer("/hits/hits/0") {
            Some(hit) => {
                let index = hit.get("_index").and_then(Json::as_str).unwrap_or_default();
                let position = hit.pointer("/fields/position/0").and_then(Json::as_i64);
                (index.to_owned(), position.unwrap_or_default())
            }
            // Nothing was written yet that can be seen.
            None => {
                let found = server.of_stream(stream).await?;
                let Some(live) = found.into_iter().find(|index| index.live) else {
                    return Ok(None);
                };
                (live.name, 0)
            }
        };
        let layout = server.layout(&index).await?;
        if layout.stream != stream {
            let what = format!("{index} holds stream {}, not {stream}", layout.stream);
            return Err(SearchError::Damaged(what));
        }
        Ok(Some(View { server: server.clone(), layout, index, position, preference }))
    }

    /// What it holds.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Up to where the log is in.
    pub fn indexed_seq(&self) -> i64 {
        self.position
    }

    /// Counts records.
    ///
    /// # Errors
    /// When the server cannot answer.
    pub async fn count(&self, ask: &Ask<'_>) -> Result<i64, SearchError> {
        let query = self.query(ask)?;
        let answer =
            self.search(&json!({"size": 0, "track_total_hits": true, "query": query})).await?;
        total(&answer)
    }

    /// What is in the index, in windows of `size` positions; those without a record are left out.
    ///
    /// # Errors
    /// When the server cannot answer, or a window has more than 2^21 positions.
    pub async fn windows(&self, size: i64) -> Result<Vec<Window>, SearchError> {
        if !(1..=MAX_WINDOW).contains(&size) {
            let what = format!("windows have from 1 to {MAX_WINDOW} positions");
            return Err(SearchError::Internal(what));
        }
        let (mut windows, mut from) = (Vec::new(), 0);
        while from <= self.position {
            let beyond = from.saturating_add(WINDOWS.saturating_mul(size));
            let answer = self.search(&window_body(from, beyond, self.position, size)).await?;
            for bucket in buckets(answer.pointer("/aggregations/w"))? {
                let first = bucket.get("key").and_then(whole).ok_or_else(unread)?;
                windows.push(Window {
                    number: first / size,
                    count: bucket.get("doc_count").and_then(Json::as_i64).ok_or_else(unread)?,
                    sum: bucket.pointer("/sum/value").and_then(whole).ok_or_else(unread)?,
                });
            }
            from = beyond;
        }
        Ok(windows)
    }

    pub(super) fn query(&self, ask: &Ask<'_>) -> Result<Json, SearchError> {
        query::of(&self.layout, ask, self.position, None)
    }

    /// The bound of everything that is asked.
    pub(super) fn up_to(&self) -> i64 {
        self.position
    }

    /// Asks this index, as it was when the view was opened.
    pub(super) async fn search(&self, body: &Json) -> Result<Json, SearchError> {
        let path = search_path(&self.index, &self.preference);
        match self.server.client.ask(&Call::post(path, body)).await {
            Err(fault) if fault.is_gone() => {
                Err(SearchError::Fenced(format!("{} is not there any more", self.index)))
            }
            answer => Ok(answer?),
        }
    }
}

fn search_path(index: &str, preference: &str) -> String {
    format!("{index}/_search?allow_partial_search_results=false&preference={preference}")
}

fn window_body(from: i64, beyond: i64, position: i64, size: i64) -> Json {
    json!({
        "size": 0, "track_total_hits": false,
        "query": {"bool": {"filter": [
            {"range": {"seq": {"gte": from, "lt": beyond}}},
            {"range": {"seq": {"lte": position}}},
        ]}},
        "aggs": {"w": {
            "histogram": {"field": "seq", "interval": size, "min_doc_count": 1},
            "aggs": {"sum": {"sum": {"field": "checksum"}}},
        }},
    })
}

/// How many records an answer counted.
pub(super) fn total(answer: &Json) -> Result<i64, SearchError> {
    let total = answer.pointer("/hits/total/value").and_then(Json::as_i64);
    total.ok_or_else(unread)
}

/// The buckets of an aggregation.
pub(super) fn buckets(aggregation: Option<&Json>) -> Result<&[Json], SearchError> {
    let buckets = aggregation.and_then(|found| found.get("buckets")).and_then(Json::as_array);
    buckets.map(Vec::as_slice).ok_or_else(unread)
}

/// An answer that is none of what we know.
pub(super) fn unread() -> SearchError {
    SearchError::Unavailable("the search engine answered something else".to_owned())
}
