//! How many records match: exactly, or about.

use forebay_db::log::find::{Find, Key, count, find};
use forebay_db::log::read::Span;
use forebay_db::{Conn, DbError};
use forebay_filter::lower::{Condition, Place};
use forebay_model::{Code, Error, FieldError};

use crate::query::Asked;

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

/// Counts the matches up to the head.
pub(crate) async fn matches(
    conn: &mut Conn,
    stream: i64,
    asked: &Asked,
    here: Span,
    how: Counting,
) -> Result<i64, Error> {
    // Every position up to the head holds one record: the log has no gaps.
    let all = here.last_seq - here.first_seq + 1;
    if matches!(asked.condition(), Condition::All) && asked.is_exact() {
        return Ok(all);
    }
    if how == Counting::Estimated && all > SAMPLE {
        let taken = look(conn, stream, asked, (here.last_seq - SAMPLE, here.last_seq)).await?;
        return Ok(
            i64::try_from(i128::from(taken) * i128::from(all) / i128::from(SAMPLE)).unwrap_or(all)
        );
    }
    let bounds = (here.last_seq, None);
    if asked.is_exact() {
        return Ok(count(conn, stream, asked.condition(), bounds).await?);
    }
    not_too_broad(conn, stream, asked, here.last_seq).await?;
    Ok(look(conn, stream, asked, (0, here.last_seq)).await?)
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
    if candidates <= MOST_CANDIDATES {
        return Ok(());
    }
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
    Err(error)
}

/// Looks at the candidates within a range of positions, one by one.
async fn look(
    conn: &mut Conn,
    stream: i64,
    asked: &Asked,
    (after, up_to): (i64, i64),
) -> Result<i64, DbError> {
    let order = [Key { place: Place::Seq, descending: false }];
    let (mut after, mut taken) = (after, 0);
    loop {
        let page = Find {
            condition: asked.condition(),
            order: &order,
            up_to,
            after: Some(vec![after.into()]),
            limit: PAGE,
        };
        let candidates = find(conn, stream, page).await?;
        taken += candidates.iter().filter(|candidate| asked.takes(candidate)).count();
        match candidates.last() {
            Some(last) => after = last.record.seq,
            None => return Ok(i64::try_from(taken).unwrap_or(i64::MAX)),
        }
    }
}
