//! Aggregates: what is said of groups of records, exactly where that can be.
//!
//! A [`Request`](request::Request) is the body as it was sent, a [`Question`](question::Question)
//! what it means for a stream. It is answered as of one position. The [`plan`] says by whom:
//! the [`engine`], or a [`walk`] along the stream; both fill the same [`table`].

mod accumulate;
mod answer;
mod bucket;
mod distinct;
mod engine;
mod level;
mod metric;
mod plan;
mod question;
mod reader;
mod request;
mod scalar;
mod sketch;
mod sum;
mod table;
mod walk;

use forebay_db::Look;
use forebay_model::Error;
use forebay_model::stream::Stream;
use forebay_model::time::Timestamp;
use serde_json::Value;

use crate::Store;
use crate::controllers::records::positions;
use crate::query::count::not_too_broad;
use plan::Plan;
use question::Question;
pub(crate) use request::Request;
use table::Work;

/// Aggregates that are answered at once; more wait, so that some readers stay for others.
pub(crate) const AT_ONCE: usize = 3;

/// Answers a request as JSON text.
pub(crate) async fn answer(
    store: &Store,
    stream: &Stream,
    request: Request,
    now: Timestamp,
) -> Result<String, Error> {
    let question = Question::compile(request, stream, now)?;
    let _turn = store.inner.aggregates.acquire().await.map_err(Error::internal)?;
    let mut conn = store.inner.db.reader(Look::Scan).await?;
    let here = positions(&mut conn, stream).await?;
    let mut plan = plan::choose(&question, stream);
    if !question.asked.is_exact() {
        not_too_broad(&mut conn, stream.number, &question.asked, here.last_seq).await?;
    }
    let mut work = Box::new(Work::new(question)?);
    if plan == Plan::Sql && !engine::ask(&mut conn, stream, &mut work, here).await? {
        work.begin_anew()?;
        plan = plan::columns(&work.question, stream).map_or(Plan::Records, Plan::Columns);
    }
    drop(conn);
    work = match &plan {
        Plan::Sql => work,
        Plan::Columns(places) => walk::along_values(store, stream, places, work, here).await?,
        Plan::Records => walk::along_records(store, stream, work, here).await?,
    };
    let explained = work.question.explain.then(|| plan::explained(&plan, &work.question, stream));
    write(work, here.last_seq, explained).await
}

/// Writes the answer on a thread of its own: there may be many groups to order.
async fn write(work: Box<Work>, as_of_seq: i64, explained: Option<Value>) -> Result<String, Error> {
    let mut work = work;
    let written = tokio::task::spawn_blocking(move || {
        answer::write(&mut work, as_of_seq, explained.as_ref())
    });
    written.await.map_err(Error::internal)
}
