//! A page of hits: by score, or in an order. The index says which and in which order, the record
//! itself whether it is one.

use std::time::{Duration, Instant};

use forebay_db::log::find::Key;
use forebay_db::{Look, Value};
use forebay_filter::View;
use forebay_filter::lower::Condition;
use forebay_model::Error;
use forebay_model::record::Record;

use crate::Store;
use crate::query::Asked;
use crate::query::index::{self, Index};

/// A look at more hits than this ends in a short page and a cursor.
const MOST_LOOKED_AT: usize = 50_000;
/// So does one that takes longer.
const LONGEST_LOOK: Duration = Duration::from_secs(2);
/// Hits of one query that must be looked at, at first and at most.
const BATCH: (usize, usize) = (100, 1_000);

/// What to look for.
pub(crate) struct Wanted<'w> {
    pub(crate) stream: i64,
    pub(crate) asked: &'w Asked,
    pub(crate) index: &'w Index,
    /// Empty: by score.
    pub(crate) order: &'w [Key],
    pub(crate) score: Option<&'w Condition>,
    pub(crate) after: Option<Vec<Value>>,
    pub(crate) limit: usize,
}

/// A record that was found.
pub(crate) struct Scored {
    pub(crate) record: Record,
    pub(crate) score: f32,
    keys: Vec<Value>,
}

/// What was found, and the keys to go on behind.
pub(crate) struct Page {
    pub(crate) found: Vec<Scored>,
    pub(crate) next: Option<Vec<Value>>,
}

/// Reads a page. It is short when the look was too long; then it goes on all the same.
pub(crate) async fn page(store: &Store, wanted: Wanted<'_>) -> Result<Page, Error> {
    let began = Instant::now();
    let Wanted { index, asked, limit, .. } = wanted;
    let mut batch = if index.searched.exact { limit + 1 } else { BATCH.0.max(limit + 1) };
    let (mut found, mut looked_at, mut after) = (Vec::new(), 0, wanted.after);
    loop {
        let from = (wanted.order, wanted.score);
        let hits = index.hits(from, after.as_deref(), batch).await?;
        let last = hits.len() < batch;
        let seqs: Vec<i64> = hits.iter().map(|hit| hit.seq).collect();
        let mut conn = store.inner.db.reader(Look::Scan).await?;
        let mut records = index::records(&mut conn, wanted.stream, &seqs).await?;
        drop(conn);
        for hit in hits {
            looked_at += 1;
            let keys: Vec<Value> = hit.keys.iter().map(index::value).collect();
            after = Some(keys.clone());
            // One that was erased meanwhile is not there.
            let Some(record) = records.remove(&hit.seq) else { continue };
            if !asked.matches(&View::from(&record)) {
                continue;
            }
            if found.len() == limit {
                let next = found.last().map(|last: &Scored| last.keys.clone());
                return Ok(Page { found, next });
            }
            found.push(Scored { record, score: hit.score, keys });
        }
        if last {
            return Ok(Page { found, next: None });
        }
        if looked_at >= MOST_LOOKED_AT || began.elapsed() > LONGEST_LOOK {
            return Ok(Page { found, next: after });
        }
        batch = (batch * 4).min(BATCH.1.max(limit + 1));
    }
}
