//! The stream's index groups what it holds; what stands behind it is taken record by record.

use forebay_db::log::find::{Find, Key as OrderKey};
use forebay_db::log::group::{Group, Part, Partial, RealSum};
use forebay_db::log::read::Span;
use forebay_db::log::scan::{Window, records};
use forebay_db::{Look, Value};
use forebay_filter::lower::Place;
use forebay_model::Error;
use forebay_model::record::Record;
use forebay_model::stream::Stream;
use forebay_search as search;

use super::engine::{Asking, MOST_PARTS, Parts, asking};
use super::plan::{By, by_sql, columns};
use super::question::Question;
use super::table::Work;
use super::walk::apart;
use crate::Store;
use crate::query::count::{MOST_CANDIDATES, too_broad};
use crate::query::index::{Index, Reach, told, value};
use crate::query::source::Source;

/// An index pays when so few records are behind it.
const NEAR: i64 = 5_000;
/// Records that are taken at once.
const STEP: i64 = 500;

/// The index to ask: that which alone can narrow the question, or one that groups quickest.
///
/// # Errors
/// When the index is needed and stays too far behind, or leaves too much to be looked at.
pub(crate) async fn index(
    store: &Store,
    stream: &Stream,
    question: &Question,
    here: Span,
) -> Result<Option<Index>, Error> {
    let reach = Reach { first: here.first_seq, up_to: here.last_seq };
    let asked = (&question.asked, reach);
    if question.asked.needs_index(stream) {
        let index = Index::exact(store, stream, asked).await?;
        if !index.searched.exact && index.count().await? > MOST_CANDIDATES {
            return Err(too_broad(&question.asked));
        }
        return Ok(Some(index));
    }
    let pays = !question.levels.is_empty() && question.asked.is_exact();
    if !pays || search::Layout::of(stream).is_none() || !groups(question, stream) {
        return Ok(None);
    }
    Ok(Index::near(store, stream, asked, NEAR).await?.filter(|index| index.searched.exact))
}

/// Whether all of it is of a kind that an index groups.
fn groups(question: &Question, stream: &Stream) -> bool {
    by_sql(question, stream) && columns(question, stream).is_some()
}

/// Asks the index for groups; nothing when it cannot give them as exact as promised.
pub(crate) async fn ask(
    store: &Store,
    stream: &Stream,
    (question, index): (&Question, &Index),
    here: Span,
) -> Result<Option<Parts>, Error> {
    let Some(view) = index.view().filter(|_| index.searched.exact && groups(question, stream))
    else {
        return Ok(None);
    };
    let held = columns(question, stream).unwrap_or_default();
    if !held.iter().all(|place| view.holds(*place)) {
        return Ok(None);
    }
    let mut conn = store.inner.db.reader(Look::Scan).await?;
    let Some(asking) = asking(&mut conn, stream, question, here).await? else { return Ok(None) };
    drop(conn);
    let parts: Vec<search::Part> = asking.parts.iter().map(part).collect();
    let grouping = search::Grouping {
        ask: index.ask(&index.searched.condition),
        keys: &asking.keys,
        parts: &parts,
        limit: MOST_PARTS,
    };
    let groups = view.group(&grouping).await.map_err(told)?;
    Ok(groups.and_then(|groups| answered(asking, groups)))
}

fn answered(asking: Asking, groups: Vec<search::Group>) -> Option<Parts> {
    let group = |group: search::Group| Group {
        keys: group.keys.iter().map(value).collect(),
        partials: group.partials.into_iter().map(partial).collect(),
    };
    asking.answered(groups.into_iter().map(group).collect())
}

/// Takes the records behind the index.
pub(crate) async fn behind(
    store: &Store,
    stream: &Stream,
    index: &Index,
    (mut work, here): (Box<Work>, Span),
) -> Result<Box<Work>, Error> {
    let mut window = Window { after: here.first_seq - 1, up_to: here.last_seq, limit: STEP };
    while !index.is_whole(here.last_seq) {
        let mut conn = store.inner.db.reader(Look::Scan).await?;
        let found = records(&mut conn, stream.number, &index.rest, window).await?;
        drop(conn);
        let Some(last) = found.last() else { break };
        window.after = last.seq;
        (work, ()) = apart(work, move |work| work.take_records(&found)).await?;
    }
    Ok(work)
}

/// Takes the records that the index finds, and those behind it.
pub(crate) async fn along_hits(
    store: &Store,
    stream: &Stream,
    index: Index,
    (mut work, here): (Box<Work>, Span),
) -> Result<(Box<Work>, By), Error> {
    let by = by(&index);
    let mut source = Source::Index(Box::new(index));
    let order = [OrderKey { place: Place::Seq, descending: false }];
    let mut after = Some(vec![Value::Int(here.first_seq - 1)]);
    loop {
        let wanted = Find {
            condition: work.question.asked.condition(),
            order: &order,
            up_to: here.last_seq,
            after: after.clone(),
            limit: STEP,
            few: false,
        };
        let batch = source.batch(store, stream.number, wanted).await?;
        let found: Vec<Record> = batch.found.into_iter().map(|found| found.record).collect();
        (work, ()) = apart(work, move |work| work.take_records(&found)).await?;
        if !batch.more {
            return Ok((work, by));
        }
        after = batch.last.or(after);
    }
}

/// What is told of an index that answered.
pub(crate) fn by(index: &Index) -> By {
    By { engine: index.engine().to_owned(), position: index.position }
}

fn part(part: &Part) -> search::Part {
    match part {
        Part::Count => search::Part::Count,
        Part::CountOf(place) => search::Part::CountOf(*place),
        Part::Whole { place, .. } => search::Part::Whole(*place),
        Part::Real { place, .. } => search::Part::Real(*place),
        Part::Least(place) => search::Part::Least(*place),
        Part::Greatest(place) => search::Part::Greatest(*place),
    }
}

fn partial(partial: search::Partial) -> Partial {
    match partial {
        search::Partial::Count(count) => Partial::Count(count),
        search::Partial::Whole(sum) => Partial::Whole(sum),
        search::Partial::Real(sum) => Partial::Real(sum.map(|(sum, error)| RealSum { sum, error })),
        search::Partial::Value(cell) => Partial::Value(value(&cell)),
    }
}
