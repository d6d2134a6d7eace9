//! A page of a list: candidates from the engine, each looked at again, in the order asked for.

use std::time::{Duration, Instant};

use forebay_db::log::find::{Find, Found, Key};
use forebay_model::Error;

use crate::Store;
use crate::query::Asked;
use crate::query::position::Position;
use crate::query::source::Source;

/// A look at more candidates than this ends in a short page and a cursor.
const MOST_LOOKED_AT: usize = 50_000;
/// So does one that takes longer.
const LONGEST_LOOK: Duration = Duration::from_secs(2);
/// Candidates of one query, at first and at most.
const BATCH: (i64, i64) = (100, 2_000);

/// What to list.
pub(crate) struct Wanted<'w> {
    pub(crate) stream: i64,
    pub(crate) asked: &'w Asked,
    pub(crate) order: &'w [Key],
    pub(crate) up_to: i64,
    pub(crate) after: Option<Vec<forebay_db::Value>>,
    pub(crate) limit: usize,
}

/// What was found, and where to go on.
pub(crate) struct Page {
    pub(crate) found: Vec<Found>,
    pub(crate) next: Option<Position>,
}

/// Reads a page. It is short when the look was too long; then it has a cursor all the same.
pub(crate) async fn page(
    store: &Store,
    source: &mut Source,
    wanted: Wanted<'_>,
) -> Result<Page, Error> {
    let began = Instant::now();
    let (limit, exact) = (wanted.limit, source.is_exact(wanted.asked));
    let one_more = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
    let mut batch = if exact { one_more } else { one_more.max(BATCH.0) };
    let (mut found, mut looked_at, mut after) = (Vec::new(), 0, wanted.after.clone());
    loop {
        let ask = Find { after: after.clone(), limit: batch, ..wanted.first() };
        let candidates = source.batch(store, wanted.stream, ask).await?;
        for candidate in candidates.found {
            if found.len() == limit && wanted.asked.takes(&candidate) {
                let next = found.last().map(|last: &Found| wanted.position(last.keys.clone()));
                return Ok(Page { found, next });
            }
            looked_at += 1;
            if found.len() < limit && wanted.asked.takes(&candidate) {
                found.push(candidate);
            }
        }
        after = candidates.last.or(after);
        if !candidates.more {
            return Ok(Page { found, next: None });
        }
        if looked_at >= MOST_LOOKED_AT || began.elapsed() > LONGEST_LOOK {
            let next = after.map(|keys| wanted.position(keys));
            return Ok(Page { found, next });
        }
        batch = (batch * 4).min(BATCH.1.max(one_more));
    }
}

impl Wanted<'_> {
    /// What the engine is asked first.
    pub(crate) fn first(&self) -> Find<'_> {
        Find {
            condition: self.asked.condition(),
            order: self.order,
            up_to: self.up_to,
            after: self.after.clone(),
            limit: i64::try_from(self.limit).unwrap_or(i64::MAX).saturating_add(1),
            few: false,
        }
    }

    fn position(&self, keys: Vec<forebay_db::Value>) -> Position {
        Position { now: self.asked.now, up_to: self.up_to, keys }
    }
}
