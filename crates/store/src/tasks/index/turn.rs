//! One turn: to see which indexes a stream has and should have, or to write one for a while.

use std::sync::Arc;
use std::time::Duration;

use forebay_contract::Catalog;
use forebay_db::{DbError, Lane};
use forebay_model::Code;
use forebay_search::{Engine, Generation, Layout, SearchError, Writer, Written};

use crate::index::feed;
use crate::index::plan::Plan;
use crate::index::schedule::{Index, Job, Role};
use crate::{Inner, sql};

/// How long a turn lasts when somebody else waits.
const SLICE: Duration = Duration::from_millis(500);

/// Why a turn ended.
#[derive(Debug)]
pub(super) enum Fault {
    Search(SearchError),
    Db(DbError),
}

impl From<SearchError> for Fault {
    fn from(error: SearchError) -> Self {
        Fault::Search(error)
    }
}

impl From<DbError> for Fault {
    fn from(error: DbError) -> Self {
        Fault::Db(error)
    }
}

/// Takes a turn; what it gives back is to be kept open.
pub(super) async fn take(
    inner: &Inner,
    engine: &Engine,
    (worker, job): (usize, &Job),
    writer: Option<Writer>,
) -> Result<Option<Writer>, Fault> {
    let Some(index) = &job.index else {
        plan(inner, engine, job).await?;
        return Ok(None);
    };
    let fresh = writer.is_none();
    let mut writer = match writer {
        Some(writer) => writer,
        None => {
            let writer = engine.writer(job.stream, &index.generation).await?;
            inner.search.schedule().opened(job, writer.position());
            if job.role == Role::Live {
                inner.search.advance(job.stream, writer.position());
            }
            writer
        }
    };
    tracing::trace!(stream = %job.name, worker, fresh, position = writer.position(), "indexing");
    let turn = Turn { inner, job, index };
    let (wrote, whole) = turn.write(&mut writer).await?;
    if !whole {
        return Ok(None);
    }
    if job.role == Role::Building {
        turn.promote(engine).await?;
        return Ok(None);
    }
    let wait = inner.search.schedule().others_wait(job, inner.search.now());
    Ok((wrote && !wait).then_some(writer))
}

struct Turn<'t> {
    inner: &'t Inner,
    job: &'t Job,
    index: &'t Index,
}

impl Turn<'_> {
    /// Writes until the head, or until somebody else waits for long: whether anything was written, and
    /// whether the head was reached.
    async fn write(&self, writer: &mut Writer) -> Result<(bool, bool), Fault> {
        let Turn { inner, job, index } = self;
        let search = &inner.search;
        let began = search.now();
        let (mut wrote, mut erased) = (false, false);
        loop {
            let after = writer.position();
            let Some(part) = feed::next(&inner.db, &index.layout, after).await? else {
                // The stream is gone: the next look sees it.
                return Ok((wrote, false));
            };
            let (position, head) = (part.batch.position, part.head);
            let now = search.now();
            search.schedule().heard(job.stream, head);
            // A lease that was lost while the log was read ends it here.
            if search.schedule().is_stale(job, now) {
                return Ok((wrote, false));
            }
            // Whoever wrote before this may have ended before it was merged away.
            erased |= index.position.is_none() && part.erased > 0;
            if position > after {
                erased |= !part.batch.erased.is_empty();
                let count = part.batch.documents.len();
                let written = writer.write(part.batch).await?;
                wrote = true;
                self.note(position, &written, count).await?;
            }
            let now = search.now();
            let over = now >= began + SLICE && search.schedule().others_wait(job, now);
            if erased && (over || position >= head) {
                // Whoever pages through an old view holds files that are to go.
                inner.held.let_go(job.stream);
                writer.expunge().await?;
            }
            if over || position >= head {
                return Ok((wrote, position >= head));
            }
        }
    }

    /// Notes what was written.
    async fn note(&self, position: i64, written: &Written, count: usize) -> Result<(), Fault> {
        let Turn { inner, job, index } = self;
        if !written.refused.is_empty() {
            self.refused(written).await?;
        }
        let search = &inner.search;
        search.schedule().wrote(job, position, search.now());
        search.tell();
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        metrics::counter!("forebay_search_indexed_total", "stream" => job.name.to_string())
            .increment(count);
        if job.role == Role::Live {
            search.advance(job.stream, position);
        } else if search.says_progress(job.stream) {
            let (stream, generation) = (job.stream, index.generation.clone());
            let target = search.schedule().streams.get(&stream).map_or(position, |t| t.head);
            let writer = inner.db.writer();
            let said = writer.run(Lane::Maintenance, move |conn| {
                Box::pin(async move {
                    let what = (position, target);
                    sql::search::progress(conn, (stream, &generation), what).await
                })
            });
            said.await?;
        }
        Ok(())
    }

    /// Sets aside what the engine will never take.
    async fn refused(&self, written: &Written) -> Result<(), Fault> {
        let Turn { inner, job, index } = self;
        let (seq, reason) = written.refused.first().cloned().unwrap_or_default();
        let count = written.refused.len();
        tracing::warn!(
            stream = %job.name, seq, reason, count,
            "the search engine refuses records, they are found without it"
        );
        metrics::counter!("forebay_search_refused_total", "stream" => job.name.to_string())
            .increment(u64::try_from(count).unwrap_or(u64::MAX));
        let (stream, generation) = (job.stream, index.generation.clone());
        let (refused, now) = (written.refused.clone(), inner.clock.now());
        let writer = inner.db.writer();
        let noted = writer.run(Lane::Maintenance, move |conn| {
            Box::pin(async move {
                sql::search::refuse(conn, (stream, &generation), &refused, now).await
            })
        });
        Ok(noted.await?)
    }

    /// Has the index that was built answer from now on.
    async fn promote(&self, engine: &Engine) -> Result<(), Fault> {
        let Turn { inner, job, index } = self;
        let search = &inner.search;
        if !search.schedule().may_promote(job, search.now()) {
            return Ok(());
        }
        if let Err(error) = engine.promote(job.stream, &index.generation).await {
            search.schedule().plan(job.stream);
            return Err(error.into());
        }
        let number = search.schedule().promoted(job);
        let position = search
            .schedule()
            .streams
            .get(&job.stream)
            .and_then(|tracked| tracked.live.as_ref().and_then(|live| live.position));
        search.advance(job.stream, position.unwrap_or(0));
        tracing::info!(stream = %job.name, index = index.generation, "an index was built");
        let (stream, generation) = (job.stream, index.generation.clone());
        let writer = inner.db.writer();
        let said = writer.run(Lane::Maintenance, move |conn| {
            Box::pin(async move {
                sql::search::built(conn, stream, number).await?;
                sql::search::forgive(conn, stream, &generation).await
            })
        });
        Ok(said.await?)
    }
}

/// Sees which indexes a stream has and should have.
async fn plan(inner: &Inner, engine: &Engine, job: &Job) -> Result<(), Fault> {
    let stream = job.stream;
    let Some(known) = inner.search.schedule().streams.get(&stream).cloned() else { return Ok(()) };
    if known.gone {
        engine.discard(stream, None).await?;
        inner.search.forget(stream);
        super::lag::forget(&job.name);
        let writer = inner.db.writer();
        let run = writer.run(Lane::Maintenance, move |conn| {
            Box::pin(async move { sql::search::forget(conn, stream).await })
        });
        return Ok(run.await?);
    }
    // What is remembered may be older than what was seen.
    inner.catalog.forget(&job.name);
    let now = match inner.catalog.stream(&job.name).await {
        Ok(now) if now.number == stream => now,
        Ok(_) => return Ok(()),
        Err(error) if error.code == Code::NotFound => return Ok(()),
        Err(error) => return Err(Fault::Db(DbError::Unavailable(error.to_string()))),
    };
    let wanted = Layout::of(&now);
    let had = known.live.is_some() || known.building.is_some() || known.leftover;
    let may = {
        let mut schedule = inner.search.schedule();
        if let Some(tracked) = schedule.streams.get_mut(&stream) {
            tracked.searched = Some(wanted.is_some());
        }
        schedule.may_write(stream, inner.search.now())
    };
    if !may || (wanted.is_none() && !had) {
        return Ok(());
    }
    let mut generations = engine.generations(stream).await?;
    for generation in &mut generations {
        if known.damaged.contains(&generation.name) {
            generation.layout = None;
        }
    }
    let asked = (known.rebuild > known.rebuilt, known.head == 0);
    let plan = Plan::of(wanted.as_ref(), &generations, asked);
    for name in &plan.discard {
        engine.discard(stream, Some(name)).await?;
    }
    let building = match (plan.create, wanted) {
        (true, Some(wanted)) => Some(engine.create(&wanted).await?),
        _ => plan.building,
    };
    let mut schedule = inner.search.schedule();
    schedule.planned(stream, plan.live.and_then(index), building.and_then(index));
    Ok(())
}

fn index(generation: Generation) -> Option<Index> {
    let layout = Arc::new(generation.layout?);
    Some(Index { generation: generation.name, layout, position: None })
}
