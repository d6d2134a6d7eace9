//! The behaviour of an engine, checked on each: what it finds is what is meant.
//!
//! A check takes an engine, the number of a stream that nobody else uses, and a seed; it leaves the
//! stream without indexes.

pub(crate) mod answers;
pub(crate) mod conditions;
pub(crate) mod documents;
pub(crate) mod naive;
#[path = "../../../filter/tests/agreement/rng.rs"]
pub(crate) mod rng;
pub(crate) mod writing;

use std::collections::HashSet;

use forebay_filter::lower::{Condition, Place};
use forebay_search::{Ask, Batch, Document, Engine, Erased, Hits, Layout, Order, View, Writer};

use rng::Rng;

/// Everything; streams from `first` on are used.
pub(crate) async fn all(engine: &Engine, first: i64) {
    let seed = rng::seed();
    eprintln!("FOREBAY_TEST_SEED={seed}");
    answers::conditions_mean_the_same(engine, first, seed).await;
    answers::orders_and_their_pages(engine, first + 1, seed).await;
    answers::the_best_come_first(engine, first + 2, seed).await;
    answers::values_are_counted(engine, first + 3, seed).await;
    answers::groups_are_exact(engine, first + 4, seed).await;
    answers::phrases_stay_within_a_text(engine, first + 5).await;
    writing::a_batch_is_taken_once(engine, first + 6, seed).await;
    writing::a_view_stays_as_it_was(engine, first + 7, seed).await;
    writing::what_is_erased_is_gone(engine, first + 8, seed).await;
    writing::generations_follow_each_other(engine, first + 9, seed).await;
    writing::windows_tell_what_is_there(engine, first + 10, seed).await;
}

/// An index with documents, written in several batches, some of them erased since.
pub(crate) struct Filled {
    pub(crate) layout: Layout,
    pub(crate) writer: Writer,
    pub(crate) view: View,
    /// Those that are left.
    pub(crate) documents: Vec<Document>,
    pub(crate) position: i64,
    /// Whether two places of a record may be compared.
    pub(crate) compares: bool,
}

impl Filled {
    pub(crate) fn maker(&self) -> conditions::Maker<'_> {
        conditions::Maker {
            layout: &self.layout,
            documents: &self.documents,
            compares: self.compares,
        }
    }
}

/// Makes a live index of about so many documents.
pub(crate) async fn filled(engine: &Engine, stream: i64, rng: &mut Rng, count: i64) -> Filled {
    let layout = documents::layout(stream);
    let mut writer = fresh(engine, &layout).await;
    let mut left: Vec<Document> = Vec::new();
    let mut position = 0;
    while position < count {
        // A position without a document was something else in the log.
        let next = position + 1 + i64::try_from(rng.below(60)).unwrap();
        let seqs: Vec<i64> = (position + 1..=next).filter(|_| !rng.chance(8)).collect();
        let made = documents::documents(rng, seqs.into_iter());
        left.extend(made.iter().cloned());
        let mut erased = Vec::new();
        while rng.chance(40) && !left.is_empty() {
            let gone = left.swap_remove(rng.below(left.len()));
            erased.push(Erased { seq: next + 1, erased_seq: gone.seq, id: gone.id });
        }
        position = next + 1;
        let written = writer.write(Batch { documents: made, erased, position }).await.unwrap();
        assert_eq!(written.refused, []);
    }
    left.sort_by_key(|document| document.seq);
    let view = shown(engine, stream, position).await;
    let compares = engine.compares_places();
    Filled { layout, writer, view, documents: left, position, compares }
}

/// The live index as soon as it shows what was written: outside that takes a moment.
pub(crate) async fn shown(engine: &Engine, stream: i64, position: i64) -> View {
    for _ in 0..10_000 {
        let view = engine.view(stream).await.unwrap().expect("it is live");
        if view.indexed_seq() >= position {
            assert_eq!(view.indexed_seq(), position);
            return view;
        }
        assert!(!engine.is_local(), "what is written here is seen at once");
        tokio::task::yield_now().await;
    }
    panic!("{position} is never shown");
}

/// A writer of a new index that is live.
pub(crate) async fn fresh(engine: &Engine, layout: &Layout) -> Writer {
    engine.discard(layout.stream, None).await.unwrap();
    let made = engine.create(layout).await.unwrap();
    engine.promote(layout.stream, &made.name).await.unwrap();
    engine.writer(layout.stream, &made.name).await.unwrap()
}

/// Lets go of an index.
pub(crate) async fn over(engine: &Engine, filled: Filled) {
    drop((filled.writer, filled.view));
    engine.discard(filled.layout.stream, None).await.unwrap();
}

/// Those documents that match and are not left out.
pub(crate) fn expected<'d>(filled: &'d Filled, ask: &Ask<'_>) -> Vec<&'d Document> {
    let without: HashSet<i64> = ask.without.iter().copied().collect();
    let meant = |document: &&Document| {
        document.seq <= ask.up_to
            && !without.contains(&document.seq)
            && naive::matches(&filled.layout, document, ask.condition)
    };
    filled.documents.iter().filter(meant).collect()
}

/// The positions of all that match.
pub(crate) async fn seqs(view: &View, condition: &Condition) -> Vec<i64> {
    let order = [Order { place: Place::Seq, descending: false }];
    let ask = Ask { condition, up_to: i64::MAX, without: &[] };
    let hits = Hits { ask, score: None, order: &order, after: None, limit: 5_000 };
    view.hits(&hits).await.unwrap().iter().map(|hit| hit.seq).collect()
}

/// A question about some of the documents: a condition, an end, and what is left out.
pub(crate) struct Question {
    pub(crate) condition: Condition,
    up_to: i64,
    without: Vec<i64>,
}

impl Question {
    pub(crate) fn new(rng: &mut Rng, filled: &Filled) -> Question {
        let maker = filled.maker();
        let some = |rng: &mut Rng| rng.below(usize::try_from(filled.position).unwrap());
        let up_to = match rng.below(3) {
            0 => i64::try_from(some(rng)).unwrap(),
            _ => i64::MAX,
        };
        let without = match rng.below(3) {
            0 => (0..rng.below(20)).map(|_| i64::try_from(some(rng)).unwrap()).collect(),
            _ => Vec::new(),
        };
        Question { condition: maker.condition(rng, 3), up_to, without }
    }

    pub(crate) fn ask(&self) -> Ask<'_> {
        Ask { condition: &self.condition, up_to: self.up_to, without: &self.without }
    }
}
