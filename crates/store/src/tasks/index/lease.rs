//! Shares the streams among the processes that write to one engine: each takes its part by leases, and
//! lets go of them when it stops.

use std::collections::BTreeSet;
use std::time::Duration;

use forebay_db::{Conn, DbError, Lane};

use crate::index::share::share;
use crate::{Inner, sql};

/// How long a lease holds…
const HOLDS: Duration = Duration::from_secs(15);
/// … how often it is renewed…
const EVERY: Duration = Duration::from_secs(5);
/// … and how much earlier than others may take it nothing is begun any more.
const MARGIN: Duration = Duration::from_secs(2);
/// How soon it is looked again when a stream waits for somebody.
const SOON: Duration = Duration::from_millis(200);

/// The streams that have leases.
#[derive(Default)]
struct Held {
    mine: BTreeSet<i64>,
    theirs: BTreeSet<i64>,
}

/// Runs until it is dropped; does nothing for an engine of this process alone.
pub(super) async fn run(inner: &Inner) {
    if inner.search.schedule().leases.is_none() {
        return;
    }
    let holder = uuid::Uuid::now_v7().to_string();
    let mut held = Held::default();
    loop {
        let began = inner.search.now();
        match turn(inner, &holder).await {
            Ok(now) => {
                held = now;
                inner.search.schedule().leased(&held.mine, began + HOLDS - MARGIN);
                inner.search.tell();
            }
            // What it has holds until it is over.
            Err(error) => tracing::debug!(%error, "leases cannot be renewed, will try again"),
        }
        tokio::select! {
            () = inner.stopping.cancelled() => break,
            () = wait(inner, &held) => {}
        }
    }
    inner.search.schedule().leased(&BTreeSet::new(), Duration::ZERO);
    let writer = inner.db.writer();
    let left = writer.run(Lane::Interactive, move |conn| {
        Box::pin(async move { sql::search::leave_all(conn, &holder).await })
    });
    if let Err(error) = left.await {
        tracing::debug!(%error, "leases end by themselves");
    }
    // Nothing is left to do; the others are dropped with this.
    std::future::pending::<()>().await;
}

/// Waits until leases are looked at again: soon when a stream has nobody.
async fn wait(inner: &Inner, held: &Held) {
    let began = inner.search.now();
    loop {
        tokio::time::sleep(SOON).await;
        let schedule = inner.search.schedule();
        let alone = schedule.streams.iter().any(|(number, tracked)| {
            let known = held.mine.contains(number) || held.theirs.contains(number);
            tracked.searched == Some(true) && !known
        });
        if alone || inner.search.now() >= began + EVERY {
            return;
        }
    }
}

/// Renews, takes and leaves leases; what holds then.
async fn turn(inner: &Inner, holder: &str) -> Result<Held, DbError> {
    let all: BTreeSet<i64> = {
        let schedule = inner.search.schedule();
        let searched = schedule.streams.iter().filter(|(_, tracked)| {
            // One whose indexes are to go is kept until they are gone.
            tracked.searched == Some(true) || tracked.leftover || tracked.live.is_some()
        });
        searched.map(|(number, _)| *number).collect()
    };
    let (holder, now) = (holder.to_owned(), inner.clock.now().micros());
    let until = now.saturating_add(i64::try_from(HOLDS.as_micros()).unwrap_or(i64::MAX));
    let writer = inner.db.writer();
    writer
        .run(Lane::Interactive, move |conn| {
            Box::pin(async move { exchange(conn, &holder, all, (now, until)).await })
        })
        .await
}

async fn exchange(
    conn: &mut Conn,
    holder: &str,
    all: BTreeSet<i64>,
    (now, until): (i64, i64),
) -> Result<Held, DbError> {
    let processes = sql::search::report(conn, holder, (now, until)).await?;
    sql::search::renew(conn, holder, (now, until)).await?;
    let Held { mine, theirs } = held(conn, holder, now).await?;
    let change = share(&all, (&mine, &theirs), usize::try_from(processes).unwrap_or(1));
    for stream in change.leave {
        sql::search::leave(conn, stream, holder).await?;
    }
    for stream in change.take {
        sql::search::take(conn, (stream, holder), (now, until)).await?;
    }
    held(conn, holder, now).await
}

async fn held(conn: &mut Conn, holder: &str, now: i64) -> Result<Held, DbError> {
    let mut held = Held::default();
    for (stream, who) in sql::search::leases(conn, now).await? {
        let whose = if who == holder { &mut held.mine } else { &mut held.theirs };
        whose.insert(stream);
    }
    Ok(held)
}
