//! A stream's index, for one question: up to where it is asked, and what is left to look at in the log.

use std::collections::HashMap;
use std::sync::Arc;

use forebay_db::log::find::{Find, Found, Key, find};
use forebay_db::log::tombstone::tombstones;
use forebay_db::{Conn, Kind, Look, Value};
use forebay_filter::ast::Operator;
use forebay_filter::lower::{Bound, Condition, Place, Test};
use forebay_model::record::Record;
use forebay_model::stream::{Column, Stream};
use forebay_model::{Code, Error};
use forebay_search::{Ask, Cell, Hit, Hits, Layout, Order, SearchError, View};

use crate::Store;
use crate::query::{Asked, Searched, together};

/// Records that are read by their positions at once.
const READ: usize = 500;

/// The most records that are left out of what an index says.
const MOST_ERASED: i64 = 10_000;

/// An index, and what it is asked. Without one everything is left to look at in the log.
pub(crate) struct Index {
    view: Option<Arc<View>>,
    engine: String,
    /// The question as the index answers it.
    pub(crate) searched: Searched,
    /// Up to where it is asked.
    pub(crate) position: i64,
    /// Records that were erased since.
    without: Vec<i64>,
    /// Records up to its position that it does not hold.
    refused: Vec<i64>,
    /// What narrows the records that are left to look at in the log.
    pub(crate) rest: Condition,
}

/// Where an index is to answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reach {
    /// The first position that is kept.
    pub(crate) first: i64,
    /// Nothing beyond this position.
    pub(crate) up_to: i64,
}

impl Index {
    /// The index for a question that is to be answered exactly up to a position: what is left behind
    /// the index is short enough to look at. Waits a moment for one that is further behind.
    ///
    /// # Errors
    /// `index_behind` when it stays so; `engine_unavailable` when there is no engine to wait for.
    pub(crate) async fn exact(
        store: &Store,
        stream: &Stream,
        (asked, reach): (&Asked, Reach),
    ) -> Result<Index, Error> {
        let config = &store.inner.search.config;
        let mut found = look(store, stream).await;
        if reach.left(found.position()) > config.tail {
            if let Looked::Away(error) = found {
                return Err(error);
            }
            let enough = reach.up_to - config.tail;
            store.inner.search.reached(stream.number, enough, config.wait).await;
            found = look(store, stream).await;
        }
        if reach.left(found.position()) > config.tail {
            let message = format!("the index has not come near seq {} yet", reach.up_to);
            return Err(Error::new(Code::IndexBehind, message).retry_after(5));
        }
        Index::of(store, stream, (asked, reach.up_to), found.view().map(Arc::new)).await
    }

    /// The index for a question, if it is so near to a position that asking it pays.
    pub(crate) async fn near(
        store: &Store,
        stream: &Stream,
        (asked, reach): (&Asked, Reach),
        most: i64,
    ) -> Result<Option<Index>, Error> {
        let found = look(store, stream).await;
        if found.position() == 0 || reach.left(found.position()) > most {
            return Ok(None);
        }
        let index = Index::of(store, stream, (asked, reach.up_to), found.view().map(Arc::new));
        index.await.map(Some)
    }

    /// The index as it is, however far that may be.
    ///
    /// # Errors
    /// `engine_unavailable` when there is no engine that answers.
    pub(crate) async fn ranked(store: &Store, stream: &Stream) -> Result<Option<View>, Error> {
        match look(store, stream).await {
            Looked::Away(error) => Err(error),
            found => Ok(found.view()),
        }
    }

    /// Asks a view up to a position.
    pub(crate) async fn of(
        store: &Store,
        stream: &Stream,
        (asked, up_to): (&Asked, i64),
        view: Option<Arc<View>>,
    ) -> Result<Index, Error> {
        let held: Vec<Column> = match &view {
            None => Vec::new(),
            Some(view) => {
                let held = |c: &&Column| view.holds(Place::Column(c.number));
                stream.columns.iter().filter(held).cloned().collect()
            }
        };
        let compares = view.as_ref().is_some_and(|view| view.compares_places());
        let searched = asked.searched(stream, (&held, compares));
        let position = view.as_ref().map_or(0, |view| view.indexed_seq().min(up_to));
        let mut refused = Vec::new();
        if view.is_some() {
            refused = store.inner.search.refused(stream.number).await?;
            refused.retain(|seq| *seq <= position);
        }
        let behind = Test::Compare(Operator::Greater, Bound::Int(position));
        let mut left = vec![Condition::Test(Place::Seq, behind)];
        if !refused.is_empty() {
            let refused = refused.iter().copied().map(Bound::Int).collect();
            left.push(Condition::Test(Place::Seq, Test::In(refused)));
        }
        let left = if left.len() == 1 { left.swap_remove(0) } else { Condition::Or(left) };
        let rest = together(vec![left, asked.condition().clone()]);
        let engine = store.inner.search.engine().map(|engine| engine.name()).unwrap_or_default();
        let without = erased_since(store, stream, view.as_deref()).await?;
        Ok(Index { view, engine, searched, position, without, refused, rest })
    }

    /// The engine's name.
    pub(crate) fn engine(&self) -> &str {
        &self.engine
    }

    /// The view that is asked.
    pub(crate) fn view(&self) -> Option<&Arc<View>> {
        self.view.as_ref()
    }

    /// Whether it can put records in an order.
    pub(crate) fn orders(&self, order: &[Key]) -> bool {
        self.view.as_ref().is_none_or(|view| order.iter().all(|key| view.holds(key.place)))
    }

    /// Whether all that is left to look at stands behind all that it holds.
    pub(crate) fn rest_is_behind(&self) -> bool {
        self.refused.is_empty()
    }

    /// Whether nothing is left to look at, up to a position.
    pub(crate) fn is_whole(&self, up_to: i64) -> bool {
        self.position >= up_to && self.refused.is_empty()
    }

    /// What is asked of it, narrowed by `condition`.
    pub(crate) fn ask<'a>(&'a self, condition: &'a Condition) -> Ask<'a> {
        Ask { condition, up_to: self.position, without: &self.without }
    }

    /// How many records it finds.
    pub(crate) async fn count(&self) -> Result<i64, Error> {
        let Some(view) = &self.view else { return Ok(0) };
        view.count(&self.ask(&self.searched.condition)).await.map_err(told)
    }

    /// A page of what it finds; `score` is what the score is of, and the order without another.
    pub(crate) async fn hits(
        &self,
        (order, score): (&[Key], Option<&Condition>),
        after: Option<&[Value]>,
        limit: usize,
    ) -> Result<Vec<Hit>, Error> {
        let Some(view) = self.view.as_ref().filter(|_| limit > 0) else { return Ok(Vec::new()) };
        let order = order.iter().map(|key| Order { place: key.place, descending: key.descending });
        let order: Vec<Order> = order.collect();
        let after: Option<Vec<Cell>> = after.map(|keys| keys.iter().map(cell).collect());
        let ask = self.ask(&self.searched.condition);
        let hits = Hits { ask, score, order: &order, after: after.as_deref(), limit };
        view.hits(&hits).await.map_err(told)
    }
}

impl Reach {
    /// How many records are left when an index ends at a position.
    fn left(self, position: i64) -> i64 {
        self.up_to - position.max(self.first - 1)
    }
}

/// What there is of a stream's index.
enum Looked {
    /// One that answers what is asked of the stream today.
    There(Box<View>),
    /// None that helps.
    Nothing,
    /// The engine does not answer.
    Away(Error),
}

impl Looked {
    fn position(&self) -> i64 {
        match self {
            Looked::There(view) => view.indexed_seq(),
            Looked::Nothing | Looked::Away(_) => 0,
        }
    }

    fn view(self) -> Option<View> {
        match self {
            Looked::There(view) => Some(*view),
            Looked::Nothing | Looked::Away(_) => None,
        }
    }
}

async fn look(store: &Store, stream: &Stream) -> Looked {
    let Some(engine) = store.inner.search.engine() else {
        return Looked::Away(away("it was not reached yet"));
    };
    let wanted = Layout::of(stream);
    match engine.view(stream.number).await {
        Ok(Some(view)) if wanted.is_some_and(|wanted| view.layout().serves(&wanted)) => {
            Looked::There(Box::new(view))
        }
        Ok(_) => Looked::Nothing,
        Err(SearchError::Unavailable(what)) => Looked::Away(away(&what)),
        // It is built anew, which the indexer tells of.
        Err(SearchError::Damaged(_) | SearchError::Fenced(_)) => Looked::Nothing,
        Err(error) => Looked::Away(told(error)),
    }
}

/// The cause where another index became the live one.
const ANOTHER: &str = "another index answers now";

/// Whether the same question would be answered at once, by another index.
pub(crate) fn is_overtaken(error: &Error) -> bool {
    error.code == Code::EngineUnavailable && error.cause.as_deref() == Some(ANOTHER)
}

fn away(cause: &str) -> Error {
    Error::new(Code::EngineUnavailable, "the search engine does not answer")
        .retry_after(2)
        .cause(cause)
}

/// What a client is told of an engine's error.
pub(crate) fn told(error: SearchError) -> Error {
    match error {
        SearchError::Unavailable(what) | SearchError::Damaged(what) => away(&what),
        // Another index became the live one meanwhile: a new look finds it.
        SearchError::Fenced(_) => away(ANOTHER),
        SearchError::TooLarge(what) => {
            Error::new(Code::FilterTooBroad, "the question has more parts than the engine takes")
                .cause(what)
        }
        SearchError::Unfit(what) | SearchError::Internal(what) => Error::internal(what),
    }
}

/// Records that were erased after a view's position.
async fn erased_since(
    store: &Store,
    stream: &Stream,
    view: Option<&View>,
) -> Result<Vec<i64>, Error> {
    let Some(view) = view else { return Ok(Vec::new()) };
    let mut conn = store.inner.db.reader(Look::Point).await?;
    let bounds = (view.indexed_seq(), i64::MAX);
    let tombstones = tombstones(&mut conn, stream.number, bounds, MOST_ERASED + 1).await?;
    if i64::try_from(tombstones.len()).is_ok_and(|erased| erased > MOST_ERASED) {
        let message = "more was erased than the index has heard of";
        return Err(Error::new(Code::IndexBehind, message).retry_after(1));
    }
    Ok(tombstones.into_iter().map(|tombstone| tombstone.erased_seq).collect())
}

/// Reads records by their positions; those that are no more are missing.
pub(crate) async fn records(
    conn: &mut Conn,
    stream: i64,
    seqs: &[i64],
) -> Result<HashMap<i64, Record>, Error> {
    let order = [Key { place: Place::Seq, descending: false }];
    let mut records = HashMap::with_capacity(seqs.len());
    for seqs in seqs.chunks(READ) {
        let among = Test::In(seqs.iter().copied().map(Bound::Int).collect());
        let condition = Condition::Test(Place::Seq, among);
        let limit = i64::try_from(seqs.len()).unwrap_or(i64::MAX);
        let find_them = Find {
            condition: &condition,
            order: &order,
            up_to: i64::MAX,
            after: None,
            limit,
            few: true,
        };
        let found = find(conn, stream, find_them).await?;
        records.extend(found.into_iter().map(|Found { record, .. }| (record.seq, record)));
    }
    Ok(records)
}

/// A value of a database as one of an index.
pub(crate) fn cell(value: &Value) -> Cell {
    match value {
        Value::Int(n) => Some(Bound::Int(*n)),
        Value::Real(d) => Some(Bound::Real(*d)),
        Value::Text(text) => Some(Bound::Text(text.clone())),
        Value::Null(_) | Value::Blob(_) => None,
    }
}

/// A value of an index as one of a database.
pub(crate) fn value(cell: &Cell) -> Value {
    cell.as_ref().map_or(Value::Null(Kind::Int), Value::from)
}
