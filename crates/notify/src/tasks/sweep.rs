//! Clears, in short steps, what is over and old.

use std::time::Duration;

use forebay_db::{DbError, Lane};
use forebay_model::time::Timestamp;

use crate::Inner;
use crate::sql::{inbox, sweep};

/// Steps of one round; the next goes on.
const STEPS: usize = 1000;

/// Runs until it is dropped.
pub(crate) async fn run(inner: &Inner) {
    let mut every = tokio::time::interval(Duration::from_secs(60));
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        if let Err(error) = round(inner).await {
            tracing::warn!(%error, "clearing up failed, will try again");
        }
    }
}

async fn round(inner: &Inner) -> Result<(), DbError> {
    let (now, writer) = (inner.clock.now(), inner.db.writer());
    let keep = i64::try_from(inner.config.keep.as_micros()).unwrap_or(i64::MAX);
    let before = Timestamp::from_micros(now.micros().saturating_sub(keep));
    for _ in 0..STEPS {
        let step = writer.run(Lane::Maintenance, move |conn| {
            Box::pin(async move { sweep::deliveries(conn, before).await })
        });
        if !step.await? {
            break;
        }
    }
    let keep = i64::try_from(inner.config.keep_inbox.as_micros()).unwrap_or(i64::MAX);
    let old = Timestamp::from_micros(now.micros().saturating_sub(keep));
    for _ in 0..STEPS {
        let step = writer.run(Lane::Maintenance, move |conn| Box::pin(inbox::sweep(conn, old)));
        if !step.await? {
            break;
        }
    }
    let mut after = Timestamp::MIN;
    for _ in 0..STEPS {
        let step = writer.run(Lane::Maintenance, move |conn| {
            Box::pin(async move { sweep::notifications(conn, (after, before), now).await })
        });
        match step.await? {
            Some(next) => after = next,
            None => break,
        }
    }
    Ok(())
}
