//! Aggregates: what is said of groups of records, exactly where that can be.
//!
//! A [`Request`](request::Request) is the body as it was sent, a [`Question`](question::Question)
//! what it means for a stream. It is answered as of one position. The [`plan`] says by whom:
//! the [`engine`], or a [`walk`] along the stream; both fill the same [`table`].

mod accumulate;
mod answer;
mod bucket;
mod engine;
mod indexed;
mod level;
mod metric;
mod plan;
mod question;
mod reader;
mod request;
mod scalar;
mod table;
mod walk;

use forebay_db::Look;
use forebay_db::log::read::Span;
use forebay_model::Error;
use forebay_model::principal::Principal;
use forebay_model::stream::Stream;
use forebay_model::time::Timestamp;

use crate::Store;
use crate::controllers::records::positions;
use crate::query::count::not_too_broad;
use crate::query::index::Index;
use plan::Plan;
use question::Question;
pub(crate) use request::Request;
use table::Work;

/// Aggregates that are answered at once; more wait, so that some readers stay for others.
pub(crate) const AT_ONCE: usize = 3;

/// Answers a request as JSON text, over the records that the asker may see.
pub(crate) async fn answer(
    store: &Store,
    stream: &Stream,
    who: &Principal,
    request: Request,
    now: Timestamp,
) -> Result<String, Error> {
    let question = Question::compile(request, stream, who, now)?;
    let _turn = store.inner.aggregates.acquire().await.map_err(Error::internal)?;
    let mut conn = store.inner.db.reader(Look::Scan).await?;
    let here = positions(&mut conn, stream).await?;
    drop(conn);
    let index = indexed::index(store, stream, &question, here).await?;
    if index.is_none() && !question.asked.is_exact() {
        let mut conn = store.inner.db.reader(Look::Scan).await?;
        not_too_broad(&mut conn, stream.number, &question.asked, here.last_seq).await?;
    }
    let work = Box::new(Work::new(question)?);
    let (work, plan) = match index {
        Some(index) => by_index(store, stream, index, (work, here)).await?,
        None => run(store, stream, work, here).await?,
    };
    let explained = work.question.explain.then(|| plan::explained(&plan, &work.question, stream));
    let write = move |work: &mut Work| answer::write(work, here.last_seq, explained.as_ref());
    Ok(walk::apart(work, move |work| Ok(write(work))).await?.1)
}

/// Fills the table by an index; where that is not as exact as promised, by another plan.
async fn by_index(
    store: &Store,
    stream: &Stream,
    index: Index,
    (mut work, here): (Box<Work>, Span),
) -> Result<(Box<Work>, Plan), Error> {
    let parts = indexed::ask(store, stream, (&work.question, &index), here).await?;
    if let Some(parts) = parts {
        let is_sure;
        (work, is_sure) = walk::apart(work, move |work| engine::take(work, &parts)).await?;
        if is_sure {
            work = indexed::behind(store, stream, &index, (work, here)).await?;
            return Ok((work, Plan::Index(indexed::by(&index))));
        }
        work.begin_anew()?;
    }
    if work.question.asked.is_exact() {
        return run(store, stream, work, here).await;
    }
    let (work, by) = indexed::along_hits(store, stream, index, (work, here)).await?;
    Ok((work, Plan::Hits(by)))
}

/// Fills the table by the first plan that can; says which it was.
async fn run(
    store: &Store,
    stream: &Stream,
    mut work: Box<Work>,
    here: Span,
) -> Result<(Box<Work>, Plan), Error> {
    let mut conn = store.inner.db.reader(Look::Scan).await?;
    let mut plan = plan::choose(&work.question, stream, conn.dialect());
    let asked = match plan {
        Plan::Sql => engine::ask(&mut conn, stream, &work.question, here).await?,
        _ => None,
    };
    drop(conn);
    if plan == Plan::Sql {
        if let Some(parts) = asked {
            let is_sure;
            (work, is_sure) = walk::apart(work, move |work| engine::take(work, &parts)).await?;
            if is_sure {
                return Ok((work, plan));
            }
            work.begin_anew()?;
        }
        plan = plan::columns(&work.question, stream).map_or(Plan::Records, Plan::Columns);
    }
    work = match &plan {
        Plan::Columns(places) => walk::along_values(store, stream, places, work, here).await?,
        _ => walk::along_records(store, stream, work, here).await?,
    };
    Ok((work, plan))
}
