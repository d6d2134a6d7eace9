//! How an index is written: once, durably, and what is erased leaves it.

use std::collections::BTreeMap;

use forebay_filter::lower::{Condition, Place};
use forebay_search::{Ask, Batch, Document, Engine, Erased, Hits, Order, SearchError, Window};

use super::documents::{documents, layout};
use super::rng::Rng;
use super::{filled, fresh, over, seqs, shown};

fn batch(documents: &[Document], position: i64) -> Batch {
    Batch { documents: documents.to_vec(), erased: Vec::new(), position }
}

/// What is in already changes nothing; a new writer goes on where the last one was.
pub(crate) async fn a_batch_is_taken_once(engine: &Engine, stream: i64, seed: u64) {
    let layout = layout(stream);
    let mut writer = fresh(engine, &layout).await;
    let mut rng = Rng::new(seed);
    let made = documents(&mut rng, 1..=30);
    assert_eq!(writer.position(), 0);
    writer.write(batch(&made[..10], 10)).await.unwrap();
    writer.write(batch(&made[..10], 10)).await.unwrap();
    writer.write(batch(&made[3..20], 20)).await.unwrap();
    writer.write(batch(&made[..5], 5)).await.unwrap();
    assert_eq!(writer.position(), 20);
    drop(writer);
    let name = engine.generations(stream).await.unwrap()[0].name.clone();
    let mut writer = engine.writer(stream, &name).await.unwrap();
    assert_eq!(writer.position(), 20);
    writer.write(batch(&made[20..], 30)).await.unwrap();
    // The log may go on without a record.
    writer.write(batch(&[], 35)).await.unwrap();
    let view = shown(engine, stream, 35).await;
    assert_eq!(writer.position(), 35);
    assert_eq!(seqs(&view, &Condition::All).await, (1..=30).collect::<Vec<i64>>());
    drop((writer, view));
    engine.discard(stream, None).await.unwrap();
}

/// What is written later is not in a view; what is there is.
pub(crate) async fn a_view_stays_as_it_was(engine: &Engine, stream: i64, seed: u64) {
    let layout = layout(stream);
    let mut writer = fresh(engine, &layout).await;
    let mut rng = Rng::new(seed);
    let made = documents(&mut rng, 1..=40);
    writer.write(batch(&made[..20], 20)).await.unwrap();
    let before = shown(engine, stream, 20).await;
    for upto in [25, 30, 40] {
        writer.write(batch(&made[20..upto], upto.try_into().unwrap())).await.unwrap();
    }
    let after = shown(engine, stream, 40).await;
    assert_eq!((before.indexed_seq(), after.indexed_seq()), (20, 40));
    assert_eq!(seqs(&before, &Condition::All).await, (1..=20).collect::<Vec<i64>>());
    assert_eq!(seqs(&after, &Condition::All).await, (1..=40).collect::<Vec<i64>>());
    drop((writer, before, after));
    engine.discard(stream, None).await.unwrap();
}

/// A record that was erased is found no more, whether it was there before or comes along.
pub(crate) async fn what_is_erased_is_gone(engine: &Engine, stream: i64, seed: u64) {
    let layout = layout(stream);
    let mut writer = fresh(engine, &layout).await;
    let mut rng = Rng::new(seed);
    let made = documents(&mut rng, 1..=20);
    let erased = |seq: i64, of: i64| {
        let id = made[usize::try_from(of).unwrap() - 1].id.clone();
        Erased { seq, erased_seq: of, id }
    };
    writer.write(batch(&made[..10], 10)).await.unwrap();
    let next = Batch {
        documents: made[10..].to_vec(),
        erased: vec![erased(21, 3), erased(22, 15)],
        position: 22,
    };
    writer.write(next.clone()).await.unwrap();
    writer.write(next).await.unwrap();
    let last = Batch { documents: Vec::new(), erased: vec![erased(23, 20)], position: 23 };
    writer.write(last).await.unwrap();
    let left: Vec<i64> = (1..20).filter(|seq| ![3, 15].contains(seq)).collect();
    let view = shown(engine, stream, 23).await;
    assert_eq!(seqs(&view, &Condition::All).await, left);
    // The second time there is nothing to do.
    for _ in 0..2 {
        match writer.expunge().await {
            // A server keeps it for a while.
            Err(SearchError::Unavailable(_)) if !engine.is_local() => {}
            done => done.unwrap(),
        }
    }
    let view = shown(engine, stream, 23).await;
    assert_eq!(seqs(&view, &Condition::All).await, left);
    let ask = Ask { condition: &Condition::All, up_to: 12, without: &[1, 2, 99] };
    assert_eq!(view.count(&ask).await.unwrap(), 9);
    drop((writer, view));
    engine.discard(stream, None).await.unwrap();
}

/// An index is built beside the live one, which answers until the other takes its place.
pub(crate) async fn generations_follow_each_other(engine: &Engine, stream: i64, seed: u64) {
    engine.discard(stream, None).await.unwrap();
    assert!(engine.view(stream).await.unwrap().is_none());
    assert_eq!(engine.generations(stream).await.unwrap(), []);
    let mut rng = Rng::new(seed);
    let first = filled(engine, stream, &mut rng, 30).await;
    let old = engine.generations(stream).await.unwrap();
    assert_eq!(old.len(), 1);
    assert_eq!((old[0].live, old[0].layout.as_ref()), (true, Some(&first.layout)));
    let mut other = layout(stream);
    other.epoch = 2;
    let new = engine.create(&other).await.unwrap();
    assert!(!new.live && new.name != old[0].name);
    let mut writer = engine.writer(stream, &new.name).await.unwrap();
    writer.write(batch(&documents(&mut rng, 1..=3), 3)).await.unwrap();
    let view = engine.view(stream).await.unwrap().unwrap();
    assert_eq!((view.layout(), view.indexed_seq()), (&first.layout, first.position));
    assert!(engine.streams().await.unwrap().contains(&stream));
    assert_eq!(engine.generations(stream).await.unwrap().len(), 2);
    engine.promote(stream, &new.name).await.unwrap();
    let view = shown(engine, stream, 3).await;
    assert_eq!(view.layout(), &other);
    let left = engine.generations(stream).await.unwrap();
    assert_eq!((left.len(), left[0].name == new.name, left[0].live), (1, true, true));
    assert!(engine.promote(stream, "g0").await.is_err());
    drop((writer, view, first));
    engine.discard(stream, Some(&new.name)).await.unwrap();
    assert!(engine.view(stream).await.unwrap().is_none());
    let again = engine.create(&other).await.unwrap();
    assert_ne!(again.name, new.name);
    engine.discard(stream, None).await.unwrap();
    assert!(!engine.streams().await.unwrap().contains(&stream));
}

/// Counts and sums of what is there, window by window.
pub(crate) async fn windows_tell_what_is_there(engine: &Engine, stream: i64, seed: u64) {
    let mut rng = Rng::new(seed);
    let filled = filled(engine, stream, &mut rng, 300).await;
    for size in [1, 7, 100, 1_000_000] {
        let mut meant: BTreeMap<i64, Window> = BTreeMap::new();
        for document in &filled.documents {
            let number = document.seq / size;
            let window = meant.entry(number).or_insert(Window { number, count: 0, sum: 0 });
            window.count += 1;
            window.sum += i64::from(document.checksum);
        }
        let mut found = filled.view.windows(size).await.unwrap();
        found.sort_by_key(|window| window.number);
        assert_eq!(found, meant.into_values().collect::<Vec<_>>(), "windows of {size}");
    }
    // The newest first, by an order that nothing else is asked for.
    let order = [Order { place: Place::Seq, descending: true }];
    let ask = Ask { condition: &Condition::All, up_to: i64::MAX, without: &[] };
    let hits = Hits { ask, score: None, order: &order, after: None, limit: 1 };
    let newest = filled.documents.iter().map(|document| document.seq).max();
    assert_eq!(filled.view.hits(&hits).await.unwrap().first().map(|hit| hit.seq), newest);
    over(engine, filled).await;
}
