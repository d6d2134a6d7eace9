//! Clears away what the engine's files still have of erased records: some seconds later, also when the
//! process was stopped in between.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use forebay_db::{Db, DbError, Lane, Look, scrub};

/// How often it is looked for.
const EVERY: Duration = Duration::from_secs(1);
/// How long it rests after it was seen, and after a try that failed: what is erased meanwhile goes with
/// it, and whoever was just reading it has ended.
const REST: Duration = Duration::from_secs(3);
/// What is left after so long is worth a warning: it is promised to be gone within a minute.
const LATE: Duration = Duration::from_secs(60);

/// A stream's erased records that were seen.
struct Seen {
    /// The last tombstone.
    seq: i64,
    first: Instant,
    tried: Instant,
    warned: bool,
}

/// Runs until it is dropped.
pub(crate) async fn run(db: &Db) {
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut seen = HashMap::new();
    loop {
        every.tick().await;
        if let Err(error) = look(db, &mut seen).await {
            tracing::warn!(%error, "erased records are not looked for, will try again");
        }
    }
}

async fn look(db: &Db, seen: &mut HashMap<i64, Seen>) -> Result<(), DbError> {
    let pending = scrub::pending(&mut db.reader(Look::Point).await?).await?;
    seen.retain(|known, _| pending.iter().any(|(stream, _)| stream == known));
    for (stream, seq) in pending {
        let now = Instant::now();
        let fresh = || Seen { seq, first: now, tried: now, warned: false };
        let seen = seen.entry(stream).or_insert_with(fresh);
        if seen.tried.elapsed() < REST {
            continue;
        }
        let cleared = clear(db, stream, seen).await;
        if !matches!(cleared, Ok(true)) {
            seen.tried = Instant::now();
            if seen.first.elapsed() > LATE && !std::mem::replace(&mut seen.warned, true) {
                let error = cleared.err().map(|error| error.to_string());
                tracing::warn!(stream, error, "erased records are not cleared away yet");
            }
            continue;
        }
        // What was erased since is seen anew.
        *seen = fresh();
    }
    Ok(())
}

/// Clears a stream's files, and says so.
async fn clear(db: &Db, stream: i64, seen: &Seen) -> Result<bool, DbError> {
    if !db.scrub(stream, seen.first).await? {
        return Ok(false);
    }
    let up_to = seen.seq;
    let settle = db.writer().run(Lane::Maintenance, move |conn| {
        Box::pin(async move { scrub::settle(conn, stream, up_to).await })
    });
    settle.await?;
    tracing::debug!(stream, up_to, "erased records are cleared away");
    Ok(true)
}
