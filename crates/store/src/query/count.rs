//! How many records match: exactly, or about.

use forebay_db::log::find::{Find, Key, count, find};
use forebay_db::log::read::Span;
use forebay_db::log::tombstone::records_up_to;
use forebay_db::{Conn, Look};
use forebay_filter::lower::{Condition, Place};
use forebay_model::{Code, Error, FieldError};

use crate::Store;
use crate::query::Asked;
use crate::query::index::Index;
use crate::query::source::Source;

/// The most candidates that are looked at one by one for an exact count.
pub(crate) const MOST_CANDIDATES: i64 = 100_000;
/// The newest records that an estimate looks at.
const SAMPLE: i64 = 10_000;
const PAGE: i64 = 2_000;

/// How a list is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counting {
    None,
    Estimated,
    Exact,
}

/// Where matches are counted, and how.
pub(crate) struct Reckoning {
    pub(crate) here: Span,
    /// The head, or where it was when a walk began.
    pub(crate) up_to: i64,
    pub(crate) how: Counting,
}

/// Counts the matches up to a position.
pub(crate) async fn matches(
    store: &Store,
    (stream, source): (i64, &mut Source),
    asked: &Asked,
    Reckoning { here, up_to, how }: Reckoning,
) -> Result<i64, Error> {
    // Every position holds one record, but for those of records that were erased.
    let records = async |up_to: i64| -> Result<i64, Error> {
        let mut conn = store.inner.db.reader(Look::Point).await?;
        Ok(records_up_to(&mut conn, stream, here, up_to).await?)
    };
    let all = here.last_seq - here.first_seq + 1;
    if matches!(asked.condition(), Condition::All) && asked.is_exact() {
        return records(up_to).await;
    }
    let exact = source.is_exact(asked);
    if how == Counting::Estimated && all > SAMPLE && source.index().is_none() {
        let (all, before) = (records(up_to).await?, records(up_to - SAMPLE).await?);
        let taken = look(store, (stream, source), asked, (up_to - SAMPLE, up_to)).await?;
        let estimate = i128::from(taken) * i128::from(all) / i128::from((all - before).max(1));
        return Ok(i64::try_from(estimate).unwrap_or(all).min(all));
    }
    match source {
        Source::Sql(conn) if exact => {
            return Ok(count(conn, stream, asked.condition(), (up_to, None)).await?);
        }
        Source::Index(index) if exact => {
            let held = index.count().await?;
            return Ok(held + behind(store, stream, (index, asked), up_to).await?);
        }
        Source::Index(index) => {
            let candidates = index.count().await?;
            if how == Counting::Estimated && candidates > SAMPLE {
                return guess(store, (stream, source), asked, (up_to, candidates)).await;
            }
            if candidates > MOST_CANDIDATES {
                return Err(too_broad(asked));
            }
        }
        Source::Sql(conn) => not_too_broad(conn, stream, asked, up_to).await?,
    }
    look(store, (stream, source), asked, (0, up_to)).await
}

/// How many of an index's candidates match, by the newest of them.
async fn guess(
    store: &Store,
    (stream, source): (i64, &mut Source),
    asked: &Asked,
    (up_to, candidates): (i64, i64),
) -> Result<i64, Error> {
    let (mut after, mut looked_at, mut taken) = (None, 0, 0);
    let order = [Key { place: Place::Seq, descending: true }];
    loop {
        let condition = asked.condition();
        let page =
            Find { condition, order: &order, up_to, after: after.clone(), limit: PAGE, few: false };
        let batch = source.batch(store, stream, page).await?;
        looked_at += batch.found.len();
        taken += batch.found.iter().filter(|candidate| asked.takes(candidate)).count();
        if !batch.more || i64::try_from(looked_at).is_ok_and(|looked_at| looked_at >= SAMPLE) {
            break;
        }
        after = batch.last.or(after);
    }
    let whole = |count: usize| i128::try_from(count).unwrap_or(i128::MAX);
    let estimate = whole(taken).saturating_mul(candidates.into()) / whole(looked_at).max(1);
    Ok(i64::try_from(estimate).unwrap_or(candidates).min(candidates))
}

/// Counts the matches among what an index does not hold.
async fn behind(
    store: &Store,
    stream: i64,
    (index, asked): (&Index, &Asked),
    up_to: i64,
) -> Result<i64, Error> {
    let (mut taken, mut after) = (0, 0);
    if index.is_whole(up_to) {
        return Ok(0);
    }
    let mut conn = store.inner.db.reader(Look::Scan).await?;
    loop {
        let page = Find { condition: &index.rest, ..along(up_to, after) };
        let candidates = find(&mut conn, stream, page).await?;
        taken += candidates.iter().filter(|candidate| asked.takes(candidate)).count();
        match candidates.last() {
            Some(last) => after = last.record.seq,
            None => return Ok(i64::try_from(taken).unwrap_or(i64::MAX)),
        }
    }
}

/// Refuses a question over too many candidates that must be looked at one by one.
pub(crate) async fn not_too_broad(
    conn: &mut Conn,
    stream: i64,
    asked: &Asked,
    up_to: i64,
) -> Result<(), Error> {
    let bounds = (up_to, Some(MOST_CANDIDATES + 1));
    let candidates = count(conn, stream, asked.condition(), bounds).await?;
    if candidates <= MOST_CANDIDATES { Ok(()) } else { Err(too_broad(asked)) }
}

/// The refusal of a question over too many candidates; it names what no index answers.
pub(crate) fn too_broad(asked: &Asked) -> Error {
    let mut error = Error::new(
        Code::FilterTooBroad,
        format!("more than {MOST_CANDIDATES} records would have to be looked at one by one"),
    );
    if let Some((filter, lowered)) = asked.parts() {
        for span in &lowered.evaluated {
            let part = span.of(filter.source());
            let message = format!("no index answers `{part}`; narrow by an indexed field or time");
            let mut field = FieldError::new(asked.path, "not_indexed", message);
            let before = filter.source().get(..span.start).unwrap_or_default().chars().count();
            field.column = u64::try_from(before + 1).ok();
            field.length = u64::try_from(part.chars().count()).ok();
            error = error.field(field);
        }
    }
    error
}

const BY_SEQ: &[Key] = &[Key { place: Place::Seq, descending: false }];

/// A page along the stream.
fn along(up_to: i64, after: i64) -> Find<'static> {
    let (condition, after) = (&Condition::All, Some(vec![after.into()]));
    Find { condition, order: BY_SEQ, up_to, after, limit: PAGE, few: false }
}

/// Looks at the candidates within a range of positions, one by one.
async fn look(
    store: &Store,
    (stream, source): (i64, &mut Source),
    asked: &Asked,
    (after, up_to): (i64, i64),
) -> Result<i64, Error> {
    let (mut after, mut taken) = (Some(vec![after.into()]), 0);
    loop {
        let page = Find { condition: asked.condition(), after: after.clone(), ..along(up_to, 0) };
        let candidates = source.batch(store, stream, page).await?;
        taken += candidates.found.iter().filter(|candidate| asked.takes(candidate)).count();
        if !candidates.more {
            return Ok(i64::try_from(taken).unwrap_or(i64::MAX));
        }
        after = candidates.last.or(after);
    }
}
