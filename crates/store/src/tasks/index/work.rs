//! A worker: takes whose turn it is, and keeps one writer open for as long as nobody else waits.

use std::time::Duration;

use forebay_db::DbError;
use forebay_search::{Engine, SearchError, Writer};

use crate::Inner;
use crate::index::schedule::{Ended, Job, Next, pause};

use super::turn::{self, Fault};

/// How long a writer stays open that has nothing to write.
const LINGER: Duration = Duration::from_secs(2);

/// A writer that is open.
struct Open {
    job: Job,
    writer: Writer,
    since: Duration,
}

/// Runs until it is dropped.
pub(super) async fn run(inner: &Inner, engine: &Engine, worker: usize) {
    let search = &inner.search;
    let mut open: Option<Open> = None;
    let mut changes = search.changes();
    let mut away = 0;
    loop {
        changes.mark_unchanged();
        let now = search.now();
        let over = |open: &mut Open| {
            now >= open.since + LINGER || search.schedule().is_stale(&open.job, now)
        };
        if let Some(closed) = open.take_if(over) {
            close(inner, worker, closed).await;
        }
        let next = search.schedule().next(worker, now);
        let until = match next {
            Next::Job(job) => {
                let kept = open.take();
                let mut writer = None;
                if let Some(kept) = kept {
                    if job.open {
                        writer = Some(kept.writer);
                    } else {
                        close(inner, worker, kept).await;
                    }
                }
                let done = turn::take(inner, engine, (worker, &job), writer).await;
                let (ended, writer) = match done {
                    Ok(Some(writer)) => (Ended::Kept, Some(writer)),
                    Ok(None) => (Ended::Closed, None),
                    Err(fault) => (failed(inner, engine, &job, fault, &mut away).await, None),
                };
                if ended != Ended::Failed {
                    came_back(engine, &mut away);
                }
                let now = search.now();
                search.schedule().ended(worker, &job, ended, now);
                search.tell();
                open = writer.map(|writer| Open { job: *job, writer, since: now });
                continue;
            }
            Next::At(moment) => Some(moment),
            Next::Nothing => None,
        };
        let ends = open.as_ref().map(|open| open.since + LINGER);
        let until = [until, ends].into_iter().flatten().min();
        // Its sender is there as long as this is.
        let changed = async { changes.changed().await.is_ok() };
        match until {
            Some(moment) => {
                let wait = moment.saturating_sub(search.now());
                let _ = tokio::time::timeout(wait, changed).await;
            }
            None => {
                changed.await;
            }
        }
    }
}

async fn close(inner: &Inner, worker: usize, open: Open) {
    let Open { job, writer, .. } = open;
    // What closes files and waits for threads is kept away from those who answer.
    let _ = tokio::task::spawn_blocking(move || drop(writer)).await;
    inner.search.schedule().closed(worker, &job);
    inner.search.tell();
}

/// What becomes of a turn that went wrong.
async fn failed(inner: &Inner, engine: &Engine, job: &Job, fault: Fault, away: &mut u32) -> Ended {
    let name = &job.name;
    let first = inner.search.schedule().failures(job) == 0;
    match fault {
        Fault::Search(SearchError::Damaged(what)) => {
            tracing::warn!(stream = %name, what, "an index is damaged, it is built anew");
            inner.search.schedule().damaged(job);
            return Ended::Closed;
        }
        // The stream goes at this moment: the next look sees it.
        Fault::Db(DbError::Gone(_)) => {}
        Fault::Search(SearchError::Fenced(what)) => {
            tracing::info!(stream = %name, what, "an index is opened again");
        }
        Fault::Search(SearchError::Unavailable(what)) => {
            tracing::debug!(stream = %name, what, "an index cannot be written now");
            if let Err(error) = engine.check().await {
                if *away == 0 {
                    tracing::warn!(%error, "the search engine does not answer, it is waited for");
                }
                let until = inner.search.now() + pause(*away, 0);
                *away = away.saturating_add(1);
                inner.search.schedule().held_back = until;
            } else if first {
                tracing::warn!(stream = %name, what, "an index cannot be written, will try again");
            }
        }
        Fault::Search(error) if first => {
            tracing::warn!(stream = %name, %error, "an index cannot be written, will try again");
        }
        Fault::Db(error) if first => {
            tracing::warn!(stream = %name, %error, "a log cannot be indexed, will try again");
        }
        Fault::Search(_) | Fault::Db(_) => {}
    }
    metrics::counter!("forebay_search_failures_total").increment(1);
    Ended::Failed
}

fn came_back(engine: &Engine, away: &mut u32) {
    if *away > 0 {
        *away = 0;
        tracing::info!(engine = engine.name(), "the search engine answers again");
    }
}
