//! Tells subscriptions when rights or rules may have changed, so that each looks again.

use std::collections::HashMap;
use std::time::Duration;

use forebay_contract::Catalog;
use forebay_model::Code;

use crate::Inner;

/// How often the rules of followed streams are looked at: a change bites within a second.
const EVERY: Duration = Duration::from_millis(250);

/// Runs until it is dropped.
pub(crate) async fn run(inner: &Inner) {
    let mut rights = inner.identity.changes();
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut known = HashMap::new();
    loop {
        let changed = tokio::select! {
            // Without anybody who could change rights there is nothing to hear.
            Ok(()) = rights.changed() => true,
            _ = every.tick() => rules_changed(inner, &mut known).await,
        };
        if changed {
            inner.access_changes.send_modify(|number| *number += 1);
        }
    }
}

/// Whether a followed stream's definition is not what it was.
async fn rules_changed(inner: &Inner, known: &mut HashMap<i64, i64>) -> bool {
    let followed = inner.hubs.streams();
    known.retain(|number, _| followed.iter().any(|stream| stream.number == *number));
    let mut changed = false;
    for stream in followed {
        // One that is gone, or made again, ends its subscriptions when they look.
        let now = match inner.catalog.stream(&stream.name).await {
            Ok(now) => now,
            Err(error) => {
                // A database that is away says nothing of the stream.
                changed |= error.code == Code::NotFound;
                continue;
            }
        };
        let before = known.insert(stream.number, now.version).unwrap_or(stream.version);
        changed |= before != now.version || now.number != stream.number;
    }
    changed
}
