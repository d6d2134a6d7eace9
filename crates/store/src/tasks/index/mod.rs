//! Keeps the indexes of all streams up to the log: hears of streams and heads, and has two workers
//! write what is behind.

pub(crate) mod lag;
mod lease;
mod turn;
mod work;

use std::collections::BTreeSet;
use std::time::Duration;

use forebay_db::{DbError, Look};
use forebay_search::{Engine, SearchError};

use crate::index::schedule::pause;
use crate::{Inner, sql};

/// How many indexes are written at once.
const WORKERS: usize = 2;
/// How often streams are looked at where other processes write too; a record is found so much later.
const LOOK_SHARED: Duration = Duration::from_millis(100);
/// How often they are looked at where this process alone writes: it hears of each record at once.
const LOOK_ALONE: Duration = Duration::from_secs(1);
/// How long after news the next are looked at: many come together.
const GATHER: Duration = Duration::from_millis(10);
/// How often indexes of streams that are no more are looked for.
const SWEEP: Duration = Duration::from_secs(600);

/// Runs until it is dropped.
pub(crate) async fn run(inner: &Inner) {
    let engine = reach(inner).await;
    let workers = (0..WORKERS).map(|worker| work::run(inner, &engine, worker));
    let workers = futures_util::future::join_all(workers);
    tokio::join!(workers, watch(inner), sweep(inner, &engine), lag::run(inner), lease::run(inner));
}

/// Opens the engine, however long that takes.
async fn reach(inner: &Inner) -> Engine {
    let mut failures = 0;
    loop {
        match inner.search.reopen().await {
            Ok(engine) => {
                if failures > 0 {
                    tracing::info!(engine = engine.name(), "the search engine answers");
                }
                return engine;
            }
            Err(error) if failures == 0 && !matches!(error, SearchError::Unavailable(_)) => {
                tracing::error!(%error, "the search engine cannot be used");
            }
            Err(_) => {}
        }
        tokio::time::sleep(pause(failures, 0)).await;
        failures = failures.saturating_add(1);
    }
}

/// Hears of streams and how far they are.
async fn watch(inner: &Inner) {
    let every = if inner.db.is_shared() { LOOK_SHARED } else { LOOK_ALONE };
    let mut every = tokio::time::interval(every);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut failed = false;
    loop {
        let known = tokio::select! {
            moved = inner.db.heads().moved() => {
                let mut schedule = inner.search.schedule();
                moved.into_iter().fold(true, |known, (stream, head)| {
                    schedule.heard(stream, head) && known
                })
            }
            () = inner.search.look.notified() => false,
            _ = every.tick() => false,
        };
        if !known {
            match look(inner).await {
                Ok(()) => failed = false,
                Err(error) if !failed => {
                    failed = true;
                    tracing::warn!(%error, "streams cannot be looked at, will try again");
                }
                Err(_) => {}
            }
        }
        inner.search.tell();
        tokio::time::sleep(GATHER).await;
    }
}

/// Looks at all streams.
async fn look(inner: &Inner) -> Result<(), DbError> {
    let mut conn = inner.db.reader(Look::Scan).await?;
    let heads = sql::search::heads(&mut conn).await?;
    let builds = sql::search::builds(&mut conn).await?;
    drop(conn);
    let mut schedule = inner.search.schedule();
    let alive: BTreeSet<i64> = heads.iter().map(|head| head.number).collect();
    for head in heads {
        schedule.saw(head.number, &head.name, head.version, head.last_seq);
    }
    for build in builds {
        schedule.asked(build.stream, (build.number, build.done));
    }
    schedule.only(&alive);
    Ok(())
}

/// Drops indexes of streams that went while nobody looked, and looks at those that have some.
async fn sweep(inner: &Inner, engine: &Engine) {
    let mut failures = 0;
    loop {
        match sweep_once(inner, engine).await {
            Ok(()) => {
                failures = 0;
                tokio::time::sleep(SWEEP).await;
            }
            Err(error) => {
                tracing::debug!(error, "indexes cannot be listed");
                tokio::time::sleep(pause(failures, 1)).await;
                failures = failures.saturating_add(1);
            }
        }
    }
}

async fn sweep_once(inner: &Inner, engine: &Engine) -> Result<(), String> {
    // Before the streams: an index that is there then has a stream that was there before.
    let indexed = engine.streams().await.map_err(|error| error.to_string())?;
    let heads = async {
        let mut conn = inner.db.reader(Look::Scan).await?;
        sql::search::heads(&mut conn).await
    };
    let heads = heads.await.map_err(|error| error.to_string())?;
    let alive: BTreeSet<i64> = heads.iter().map(|head| head.number).collect();
    for stream in indexed {
        if alive.contains(&stream) {
            inner.search.schedule().left_over(stream);
        } else {
            engine.discard(stream, None).await.map_err(|error| error.to_string())?;
            tracing::info!(stream, "the index of a stream that is no more was dropped");
        }
    }
    inner.search.tell();
    Ok(())
}
