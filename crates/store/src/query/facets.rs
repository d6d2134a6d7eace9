//! How often values occur among the records that match: `?facets=data.host:10,data.tags`.
//!
//! As exact as a count: the index says it of what it holds, what stands behind it is looked at.

mod tally;
mod wanted;

use forebay_db::Look;
use forebay_db::log::find::{Find, Key, find};
use forebay_filter::lower::{Condition, Place, Test, WordTest, Words};
use forebay_model::Error;
use forebay_model::stream::Stream;
use forebay_search::ask::Facet as Asking;
use serde_json::{Value, json};

use crate::Store;
use crate::query::count::{MOST_CANDIDATES, too_broad};
use crate::query::index::{Index, Reach, told};
use crate::query::source::Source;
use crate::query::{Asked, together};
use tally::{Counts, Tally, Term};
pub(crate) use wanted::{Facet, read};

/// Candidates that are looked at in one step.
const PAGE: i64 = 1_000;
/// Values whose counts are asked for at once.
const TERMS: usize = 200;
/// Values in an answer to that; more than these can only come from records with several values.
const MOST_TERMS: usize = 10_000;
const ORDER: &[Key] = &[Key { place: Place::Seq, descending: false }];

/// Counts values, up to a position; one object by the names of the facets.
///
/// # Errors
/// `index_behind` and `filter_too_broad`, as for a count.
pub(crate) async fn answer(
    store: &Store,
    stream: &Stream,
    (asked, reach): (&Asked, Reach),
    facets: &[Facet],
) -> Result<Value, Error> {
    let index = Index::exact(store, stream, (asked, reach)).await?;
    let mut tally = Tally::new(stream, facets);
    let by_index = index.searched.exact && facets.iter().all(|facet| facet.is_held(&index));
    if !by_index && index.count().await? > MOST_CANDIDATES {
        return Err(too_broad(asked));
    }
    let mut out = serde_json::Map::new();
    if by_index {
        rest(store, stream, (asked, &index, reach.up_to), &mut tally).await?;
        for (facet, counts) in facets.iter().zip(tally.counts) {
            let found = held(&index, facet, counts).await?;
            out.insert(facet.name.clone(), written(facet, found));
        }
        return Ok(Value::Object(out));
    }
    let mut source = Source::Index(Box::new(index));
    let mut after = Some(vec![0.into()]);
    loop {
        let page = along(asked.condition(), reach.up_to, after.clone());
        let batch = source.batch(store, stream.number, page).await?;
        for candidate in batch.found.iter().filter(|candidate| asked.takes(candidate)) {
            tally.take(&candidate.record)?;
        }
        if !batch.more {
            break;
        }
        after = batch.last.or(after);
    }
    for (facet, counts) in facets.iter().zip(tally.counts) {
        out.insert(facet.name.clone(), written(facet, counts));
    }
    Ok(Value::Object(out))
}

fn along(condition: &Condition, up_to: i64, after: Option<Vec<forebay_db::Value>>) -> Find<'_> {
    Find { condition, order: ORDER, up_to, after, limit: PAGE, few: false }
}

/// Counts the values of what the index does not hold.
async fn rest(
    store: &Store,
    stream: &Stream,
    (asked, index, up_to): (&Asked, &Index, i64),
    tally: &mut Tally,
) -> Result<(), Error> {
    let mut after = 0;
    while !index.is_whole(up_to) {
        let mut conn = store.inner.db.reader(Look::Scan).await?;
        let page = along(&index.rest, up_to, Some(vec![after.into()]));
        let candidates = find(&mut conn, stream.number, page).await?;
        drop(conn);
        let Some(last) = candidates.last() else { break };
        after = last.record.seq;
        for candidate in candidates.iter().filter(|candidate| asked.takes(candidate)) {
            tally.take(&candidate.record)?;
        }
    }
    Ok(())
}

/// Adds what the index says. Its most frequent values are asked for, and those that were found
/// behind it: no other can be among the most frequent of all.
async fn held(index: &Index, facet: &Facet, mut counts: Counts) -> Result<Counts, Error> {
    let Some(view) = index.view() else { return Ok(counts) };
    let (asking, condition) = (facet.asking, &index.searched.condition);
    let first = view.terms(&index.ask(condition), asking, facet.most).await.map_err(told)?;
    let known: Counts = first.values.into_iter().map(|(value, n)| (Term(value), n)).collect();
    let behind: Vec<Term> =
        counts.keys().filter(|term| first.more && !known.contains_key(term)).cloned().collect();
    for terms in behind.chunks(TERMS) {
        let narrowed = together(vec![among(asking, terms), condition.clone()]);
        let said = view.terms(&index.ask(&narrowed), asking, MOST_TERMS).await.map_err(told)?;
        let said_counts: Counts = said.values.into_iter().map(|(v, n)| (Term(v), n)).collect();
        for term in terms {
            let n = match said_counts.get(term) {
                Some(n) => *n,
                None if !said.more => 0,
                None => {
                    let one = std::slice::from_ref(term);
                    let narrowed = together(vec![among(asking, one), condition.clone()]);
                    view.count(&index.ask(&narrowed)).await.map_err(told)?
                }
            };
            *counts.entry(term.clone()).or_default() += n;
        }
    }
    for (term, n) in known {
        *counts.entry(term).or_default() += n;
    }
    Ok(counts)
}

/// Having one of some values.
fn among(asking: Asking, terms: &[Term]) -> Condition {
    match asking {
        Asking::Place(place) => {
            Condition::Test(place, Test::In(terms.iter().map(|term| term.0.clone()).collect()))
        }
        Asking::Field(field) => {
            let each = terms.iter().map(|term| {
                let test = WordTest::Value(term.text().to_owned());
                Condition::Words(Words { field, test, positive: true })
            });
            Condition::Or(each.collect())
        }
    }
}

/// The most frequent values, of equal ones the least first.
fn written(facet: &Facet, counts: Counts) -> Value {
    let mut all: Vec<(Term, i64)> = counts.into_iter().filter(|(_, n)| *n > 0).collect();
    all.sort_by(|(a, more), (b, most)| most.cmp(more).then_with(|| a.cmp(b)));
    all.truncate(facet.most);
    let one = |(term, count): (Term, i64)| json!({"value": facet.json(&term), "count": count});
    Value::Array(all.into_iter().map(one).collect())
}
