//! Measures how far indexes are behind: the age of the oldest record that is not in.

use std::collections::HashMap;
use std::time::Duration;

use forebay_db::log::read::{Page, page};
use forebay_db::{Db, DbError, Look, Order};
use forebay_model::time::Timestamp;

use crate::Inner;

const EVERY: Duration = Duration::from_secs(1);

/// Runs until it is dropped.
pub(super) async fn run(inner: &Inner) {
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut shown: HashMap<i64, String> = HashMap::new();
    loop {
        every.tick().await;
        let now = inner.search.now();
        let behind: Vec<(i64, String, Option<i64>)> = {
            let schedule = inner.search.schedule();
            let mine = schedule.streams.iter().filter(|(number, tracked)| {
                tracked.searched == Some(true) && schedule.may_write(**number, now)
            });
            let behind = mine.map(|(number, tracked)| {
                let live = tracked.live.as_ref().or(tracked.building.as_ref());
                let position = live.map_or(Some(0), |live| live.position);
                let position = position.filter(|position| *position < tracked.head);
                (*number, tracked.name.to_string(), position)
            });
            behind.collect()
        };
        shown.retain(|number, name| {
            let still = behind.iter().any(|(known, ..)| known == number);
            if !still {
                forget(name);
            }
            still
        });
        for (stream, name, position) in behind {
            let lag = match position {
                Some(position) => seconds(&inner.db, stream, position, inner.clock.now()).await,
                None => Ok(0.0),
            };
            // A stream that goes at this moment is seen by the next look.
            let Ok(lag) = lag else { continue };
            metrics::gauge!("forebay_search_lag_seconds", "stream" => name.clone()).set(lag);
            shown.insert(stream, name);
        }
    }
}

/// The age of the first record after a position; 0 when there is none.
pub(crate) async fn seconds(
    db: &Db,
    stream: i64,
    position: i64,
    now: Timestamp,
) -> Result<f64, DbError> {
    let mut conn = db.reader(Look::Point).await?;
    let wanted =
        Page { order: Order::SeqAscending, after: Some((position, 0)), up_to: i64::MAX, limit: 1 };
    let records = page(&mut conn, stream, wanted).await?;
    let age = records.first().map(|record| now.micros() - record.received_at.micros());
    #[expect(clippy::cast_precision_loss, reason = "seconds for people")]
    Ok(age.map_or(0.0, |micros| micros.max(0) as f64 / 1e6))
}

/// Shows nothing of a stream any more: what is no number is not written out.
pub(super) fn forget(name: &str) {
    metrics::gauge!("forebay_search_lag_seconds", "stream" => name.to_owned()).set(f64::NAN);
}
