//! The search engine: whether it answers, how far indexes are behind, and what it does not take.

use forebay_contract::Catalog;
use forebay_db::{DbError, Look};
use forebay_search::Layout;

use super::Finding;
use crate::tasks::index::lag as age;
use crate::{Inner, sql};

pub(super) const ENGINE: &str = "search.engine";
pub(super) const LAG: &str = "search.lag";
pub(super) const REFUSED: &str = "search.refused";
/// More is worth a look.
const LONG_SECONDS: f64 = 60.0;
/// Most streams that are named.
const NAMED: usize = 5;

/// Whether the engine answers.
pub(super) async fn engine(inner: &Inner) -> Result<Vec<Finding>, DbError> {
    let name = inner.search.engine().map(|engine| engine.name());
    Ok(vec![match (inner.search.check().await, name) {
        (Ok(()), name) => Finding::ok(ENGINE, name.unwrap_or_default()),
        (Err(why), _) => Finding::fail(
            ENGINE,
            why,
            "see whether the server at search.url (ELASTICSEARCH_URL) runs and can be reached from \
             here; what is written meanwhile is indexed when it is back",
        ),
    }])
}

/// How far indexes are behind.
pub(super) async fn lag(inner: &Inner) -> Result<Vec<Finding>, DbError> {
    let Some(engine) = inner.search.engine() else { return Ok(Vec::new()) };
    let (mut behind, mut all) = (Vec::new(), 0);
    for head in super::streams(inner).await? {
        let Ok(stream) = inner.catalog.stream(&head.name).await else { continue };
        if Layout::of(&stream).is_none() || head.last_seq == 0 {
            continue;
        }
        all += 1;
        let view = engine.view(head.number).await.ok().flatten();
        let position = view.map_or(0, |view| view.indexed_seq());
        if position < head.last_seq {
            let seconds = age::seconds(&inner.db, head.number, position, inner.clock.now()).await?;
            behind.push((seconds, head.name, head.last_seq - position));
        }
    }
    behind.sort_by(|a, b| b.0.total_cmp(&a.0));
    let text = |(seconds, name, records): &(f64, String, i64)| {
        format!("{name} is {records} records behind, {seconds:.1} s")
    };
    let named: Vec<String> = behind.iter().take(NAMED).map(text).collect();
    let late = behind.first().is_some_and(|(seconds, ..)| *seconds > LONG_SECONDS);
    Ok(vec![if late {
        let advice = "indexes catch up by themselves while the engine answers; when they do not, more \
                      is written than it can take: give it more CPU, or run more processes with `store`";
        Finding::warn(LAG, named.join("; "), advice)
    } else if named.is_empty() {
        Finding::ok(LAG, format!("{all} indexes, none is behind"))
    } else {
        Finding::ok(LAG, named.join("; "))
    }])
}

/// What the engine does not take.
pub(super) async fn refused(inner: &Inner) -> Result<Vec<Finding>, DbError> {
    let mut conn = inner.db.reader(Look::Scan).await?;
    let refused = sql::search::all_refused(&mut conn).await?;
    drop(conn);
    if refused.is_empty() {
        return Ok(vec![Finding::ok(REFUSED, "no record is refused")]);
    }
    let names = super::streams(inner).await?;
    let text = |(stream, count, reason): &(i64, i64, String)| {
        let name = names.iter().find(|head| head.number == *stream);
        let name = name.map_or("?", |head| head.name.as_str());
        format!("{name}: {count} records, {reason}")
    };
    let measured: Vec<String> = refused.iter().take(NAMED).map(text).collect();
    let advice = "these records are found all the same, more slowly; when many are refused, build the \
                  index anew: forebay search rebuild STREAM";
    Ok(vec![Finding::warn(REFUSED, measured.join("; "), advice)])
}
