//! Appends what waits in the outbox to the system's streams.

use std::collections::BTreeMap;
use std::time::Duration;

use forebay_db::log::{Append, NewRow, Outcome, Part, append, column_value};
use forebay_db::outbox::{self, Waiting};
use forebay_db::{Conn, DbError, Lane, Look};
use forebay_model::time::Timestamp;

use crate::{Inner, sql};

/// Entries of one step.
const STEP: i64 = 200;
/// How long an entry waits at most for somebody to look.
const EVERY: Duration = Duration::from_millis(200);

/// Runs until it is dropped.
pub(crate) async fn run(inner: &Inner) {
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        if let Err(error) = drain(inner).await {
            tracing::warn!(%error, "the outbox cannot be emptied, will try again");
        }
    }
}

async fn drain(inner: &Inner) -> Result<(), DbError> {
    // A look costs no turn of the writer.
    while !outbox::is_empty(&mut inner.db.reader(Look::Point).await?).await? {
        let now = inner.clock.now();
        let writer = inner.db.writer();
        let moved = writer.run(Lane::Maintenance, move |conn| Box::pin(step(conn, now)));
        let heads = moved.await?;
        if heads.is_empty() {
            // Another process holds what is there.
            return Ok(());
        }
        for (stream, head) in heads {
            inner.db.heads().advance(stream, head);
        }
    }
    Ok(())
}

/// Appends some entries and strikes them, in one transaction; the heads that have moved.
async fn step(conn: &mut Conn, now: Timestamp) -> Result<Vec<(i64, i64)>, DbError> {
    let mut streams: BTreeMap<String, Vec<Waiting>> = BTreeMap::new();
    for waiting in outbox::take(conn, STEP).await? {
        streams.entry(waiting.stream.clone()).or_default().push(waiting);
    }
    let mut heads = Vec::new();
    for (name, waiting) in streams {
        // They are made before anything is written to them, and never go.
        let stream = sql::stream::find(conn, &name).await?;
        let stream = stream.ok_or_else(|| DbError::Internal(format!("{name} is not there")))?;
        let rows = waiting.iter().map(|entry| row(entry, &stream.columns));
        let part = Part {
            stream: stream.number,
            version: stream.version,
            columns: stream.columns.clone(),
            rows: rows.collect::<Result<_, _>>()?,
        };
        let request = Append { parts: vec![part], atomic: false, idempotency: None };
        let outcome = append(conn, &[&request], now).await?;
        match outcome.into_iter().next() {
            Some(Outcome::Done(done)) => {
                heads.extend(done.parts.iter().map(|part| (stream.number, part.last_seq)));
            }
            // Its definition changes at this moment: the next look finds the new one.
            _ => return Err(DbError::Race(format!("{name} changes"))),
        }
        for entry in &waiting {
            outbox::strike(conn, &entry.id).await?;
        }
    }
    Ok(heads)
}

fn row(entry: &Waiting, columns: &[forebay_model::stream::Column]) -> Result<NewRow, DbError> {
    let data = serde_json::from_str(&entry.data)
        .map_err(|error| DbError::Internal(format!("outbox {}: {error}", entry.id)))?;
    let values = columns.iter().map(|c| column_value(&c.path, c.scalar, &data)).collect();
    Ok(NewRow {
        id: entry.id.clone(),
        // Its id was made by the system, and is struck out with the append.
        input_hash: None,
        time: Some(entry.time.micros()),
        data: entry.data.clone(),
        values,
    })
}
