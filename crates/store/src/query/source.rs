//! Where candidates come from, in the order asked for: the database, or an index and behind it the
//! log. Each candidate is evaluated by whoever asks.

use std::cmp::Ordering;

use forebay_db::log::find::{Find, Found, Key, find};
use forebay_db::{Conn, Look, Value};
use forebay_filter::lower::Place;
use forebay_model::Error;
use forebay_model::stream::Stream;
use forebay_search::Hit;

use crate::Store;
use crate::query::Asked;
use crate::query::index::{self, Index, Reach};

/// Where candidates come from.
pub(crate) enum Source {
    /// The stream's table.
    Sql(Box<Conn>),
    /// The stream's index, then the log.
    Index(Box<Index>),
}

/// Some candidates, in order.
pub(crate) struct Batch {
    pub(crate) found: Vec<Found>,
    /// The keys of the last one that was looked at, which may have gone meanwhile.
    pub(crate) last: Option<Vec<Value>>,
    /// Whether there may be more.
    pub(crate) more: bool,
}

impl Source {
    /// Chooses: an index answers what only an index can narrow.
    ///
    /// # Errors
    /// When the index that is needed stays too far behind.
    pub(crate) async fn of(
        store: &Store,
        stream: &Stream,
        (asked, reach): (&Asked, Reach),
        order: &[Key],
    ) -> Result<Source, Error> {
        if asked.needs_index(stream) {
            let index = Index::exact(store, stream, (asked, reach)).await?;
            if index.orders(order) {
                return Ok(Source::Index(Box::new(index)));
            }
        }
        Ok(Source::Sql(Box::new(store.inner.db.reader(Look::Scan).await?)))
    }

    /// The index, where it answers.
    pub(crate) fn index(&self) -> Option<&Index> {
        match self {
            Source::Sql(_) => None,
            Source::Index(index) => Some(index),
        }
    }

    /// Whether what it finds needs no evaluation.
    pub(crate) fn is_exact(&self, asked: &Asked) -> bool {
        match self {
            Source::Sql(_) => asked.is_exact(),
            Source::Index(index) => index.searched.exact,
        }
    }

    /// Finds candidates; `wanted` has the question's own condition.
    pub(crate) async fn batch(
        &mut self,
        store: &Store,
        stream: i64,
        wanted: Find<'_>,
    ) -> Result<Batch, Error> {
        match self {
            Source::Sql(conn) => {
                let limit = wanted.limit;
                let found = find(conn, stream, wanted).await?;
                let last = found.last().map(|found| found.keys.clone());
                let more = i64::try_from(found.len()).is_ok_and(|found| found >= limit);
                Ok(Batch { found, last, more })
            }
            Source::Index(index) => merged(store, stream, index, wanted).await,
        }
    }
}

/// A candidate of the index, or one of the log behind it.
enum Either {
    Hit(Hit, Vec<Value>),
    Found(Found),
}

impl Either {
    fn keys(&self) -> &[Value] {
        match self {
            Either::Hit(_, keys) => keys,
            Either::Found(found) => &found.keys,
        }
    }
}

async fn merged(
    store: &Store,
    stream: i64,
    index: &Index,
    wanted: Find<'_>,
) -> Result<Batch, Error> {
    let limit = usize::try_from(wanted.limit).unwrap_or(usize::MAX);
    let by_seq = wanted.order.first().filter(|key| key.place == Place::Seq);
    let parted = by_seq.filter(|_| index.rest_is_behind()).map(|key| key.descending);
    let (mut hits, mut rest) = (Vec::new(), Vec::new());
    if parted == Some(true) {
        rest = behind(store, stream, index, &wanted).await?;
    }
    if rest.len() < limit {
        let from = (wanted.order, None);
        hits = index.hits(from, wanted.after.as_deref(), limit - rest.len()).await?;
    }
    let full = rest.len() + hits.len() >= limit;
    if parted != Some(true) && !(parted == Some(false) && full) {
        rest = behind(store, stream, index, &wanted).await?;
    }
    let more = full || rest.len() + hits.len() >= limit;
    let hits = hits.into_iter().map(|hit| {
        let keys = hit.keys.iter().map(index::value).collect();
        Either::Hit(hit, keys)
    });
    let mut all: Vec<Either> = hits.chain(rest.into_iter().map(Either::Found)).collect();
    all.sort_by(|a, b| compare(wanted.order, a.keys(), b.keys()));
    all.truncate(limit);
    let last = all.last().map(|one| one.keys().to_vec());
    Ok(Batch { found: read(store, stream, all).await?, last, more })
}

/// What is found in the log of that which the index does not hold.
async fn behind(
    store: &Store,
    stream: i64,
    index: &Index,
    wanted: &Find<'_>,
) -> Result<Vec<Found>, Error> {
    if index.is_whole(wanted.up_to) {
        return Ok(Vec::new());
    }
    let mut conn = store.inner.db.reader(Look::Scan).await?;
    // Along seq it is found where it begins.
    let few = wanted.order.first().is_some_and(|key| key.place != Place::Seq);
    let wanted = Find { condition: &index.rest, few, ..wanted.clone() };
    Ok(find(&mut conn, stream, wanted).await?)
}

/// Reads the records of hits from the log; those that are no more are left out.
async fn read(store: &Store, stream: i64, all: Vec<Either>) -> Result<Vec<Found>, Error> {
    let seqs: Vec<i64> = all
        .iter()
        .filter_map(|one| match one {
            Either::Hit(hit, _) => Some(hit.seq),
            Either::Found(_) => None,
        })
        .collect();
    let mut conn = store.inner.db.reader(Look::Scan).await?;
    let mut records = index::records(&mut conn, stream, &seqs).await?;
    let found = all.into_iter().filter_map(|one| match one {
        Either::Hit(hit, keys) => records.remove(&hit.seq).map(|record| Found { record, keys }),
        Either::Found(found) => Some(found),
    });
    Ok(found.collect())
}

/// How two positions stand in an order; missing values are last, whichever way it runs.
fn compare(order: &[Key], a: &[Value], b: &[Value]) -> Ordering {
    let each = order.iter().zip(a.iter().zip(b)).map(|(key, (a, b))| {
        let (a, b) = match (a, b) {
            (Value::Null(_), Value::Null(_)) => return Ordering::Equal,
            (Value::Null(_), _) => return Ordering::Greater,
            (_, Value::Null(_)) => return Ordering::Less,
            both if key.descending => (both.1, both.0),
            both => both,
        };
        match (a, b) {
            (Value::Int(a), Value::Int(b)) => a.cmp(b),
            (Value::Real(a), Value::Real(b)) => a.total_cmp(b),
            (Value::Text(a), Value::Text(b)) => a.cmp(b),
            _ => Ordering::Equal,
        }
    });
    each.fold(Ordering::Equal, Ordering::then)
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_db::Kind;

    #[test]
    fn missing_values_are_last_whichever_way_it_runs() {
        let (null, int) = (Value::Null(Kind::Int), Value::Int);
        for descending in [false, true] {
            let order = [
                Key { place: Place::Column(1), descending },
                Key { place: Place::Seq, descending },
            ];
            let mut all = vec![
                vec![null.clone(), int(1)],
                vec![int(5), int(2)],
                vec![int(7), int(3)],
                vec![int(5), int(4)],
                vec![null.clone(), int(5)],
            ];
            all.sort_by(|a, b| compare(&order, a, b));
            let seqs: Vec<Value> = all.into_iter().map(|keys| keys[1].clone()).collect();
            let expected = if descending { [3, 4, 2, 5, 1] } else { [2, 4, 3, 1, 5] };
            assert_eq!(seqs, expected.map(int), "descending: {descending}");
        }
    }
}
