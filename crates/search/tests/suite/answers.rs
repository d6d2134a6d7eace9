//! What an index answers, against what a naive reader of the documents says.

use forebay_filter::lower::{Bound, Condition, Place, WordTest, Words};
use forebay_search::ask::Facet;
use forebay_search::{
    Ask, Batch, Cell, Document, Engine, Group, Grouping, Hits, Key, Order, Part, Partial, View,
};

use super::documents::{TAGS, layout, places};
use super::naive;
use super::rng::Rng;
use super::{Filled, Question, expected, filled, fresh, over, seqs, shown};

/// Random conditions find the documents that a naive evaluation finds, and count them.
pub(crate) async fn conditions_mean_the_same(engine: &Engine, stream: i64, seed: u64) {
    let mut rng = Rng::new(seed);
    let filled = filled(engine, stream, &mut rng, 400).await;
    let order = [Order { place: Place::Seq, descending: false }];
    for case in 0..400 {
        let question = Question::new(&mut rng, &filled);
        let meant: Vec<i64> =
            expected(&filled, &question.ask()).iter().map(|found| found.seq).collect();
        let hits =
            Hits { ask: question.ask(), score: None, order: &order, after: None, limit: 5_000 };
        let found = filled.view.hits(&hits).await.unwrap();
        let found: Vec<i64> = found.iter().map(|hit| hit.seq).collect();
        assert_eq!(found, meant, "case {case}: {:?}", question.ask());
        let count = filled.view.count(&question.ask()).await.unwrap();
        assert_eq!(usize::try_from(count).unwrap(), meant.len(), "case {case}");
    }
    over(engine, filled).await;
}

/// Pages by an order join to the whole, sorted.
pub(crate) async fn orders_and_their_pages(engine: &Engine, stream: i64, seed: u64) {
    let mut rng = Rng::new(seed);
    let filled = filled(engine, stream, &mut rng, 300).await;
    let places = places(&filled.layout);
    for case in 0..60 {
        let question = Question::new(&mut rng, &filled);
        let mut orders: Vec<Order> = (0..rng.below(3))
            .map(|_| Order { place: rng.pick(&places), descending: rng.chance(50) })
            .collect();
        let last = rng.pick(&[Place::Seq, Place::Id]);
        orders.push(Order { place: last, descending: rng.chance(50) });
        let meant = naive::sorted(&filled.layout, &expected(&filled, &question.ask()), &orders);
        let limit = 1 + rng.below(120);
        let mut found: Vec<(i64, Vec<Cell>)> = Vec::new();
        let mut after: Option<Vec<Cell>> = None;
        loop {
            let hits = Hits {
                ask: question.ask(),
                score: None,
                order: &orders,
                after: after.as_deref(),
                limit,
            };
            let page = filled.view.hits(&hits).await.unwrap();
            assert!(page.len() <= limit);
            found.extend(page.iter().map(|hit| (hit.seq, hit.keys.clone())));
            after = page.last().map(|hit| hit.keys.clone());
            if page.len() < limit {
                break;
            }
        }
        assert_eq!(found, meant, "case {case}: {:?} by {orders:?}", question.ask());
    }
    over(engine, filled).await;
}

/// By score: all that match, each once whatever the size of a page, the better before the worse, of
/// equal ones the newest.
pub(crate) async fn the_best_come_first(engine: &Engine, stream: i64, seed: u64) {
    let mut rng = Rng::new(seed);
    let filled = filled(engine, stream, &mut rng, 300).await;
    for case in 0..60 {
        let (ask, score) = scored(&mut rng, &filled);
        let ask = Ask { condition: &ask, up_to: i64::MAX, without: &[] };
        let mut meant: Vec<i64> = expected(&filled, &ask).iter().map(|found| found.seq).collect();
        let whole = pages(&filled.view, (ask, &score), 5_000).await;
        for pair in whole.windows(2) {
            assert!((pair[0].0, pair[0].1) > (pair[1].0, pair[1].1), "case {case}: {pair:?}");
        }
        for (points, seq) in &whole {
            let document = filled.documents.iter().find(|known| known.seq == *seq).unwrap();
            let fits = naive::matches(&filled.layout, document, &score);
            assert_eq!(*points > 0.0, fits, "case {case}: {seq} has {points} of {score:?}");
        }
        let limit = 1 + rng.below(40);
        assert_eq!(pages(&filled.view, (ask, &score), limit).await, whole, "case {case}: {limit}");
        let mut found: Vec<i64> = whole.iter().map(|(_, seq)| *seq).collect();
        found.sort_unstable();
        meant.sort_unstable();
        assert_eq!(found, meant, "case {case}");
    }
    over(engine, filled).await;
}

/// A condition, and words that may or may not be a part of it.
fn scored(rng: &mut Rng, filled: &Filled) -> (Condition, Condition) {
    let maker = filled.maker();
    let words = (0..1 + rng.below(5)).map(|_| {
        let words = maker.words(rng);
        Condition::Words(Words { positive: true, ..words })
    });
    let words: Vec<Condition> = words.collect();
    let score = Condition::Or(words.clone());
    let asked = match rng.below(4) {
        0 => score.clone(),
        1 => Condition::And(vec![score.clone(), maker.condition(rng, 2)]),
        2 => Condition::And(words),
        _ => maker.condition(rng, 2),
    };
    (asked, score)
}

async fn pages(view: &View, (ask, score): (Ask<'_>, &Condition), limit: usize) -> Vec<(f32, i64)> {
    let (mut found, mut after): (Vec<(f32, i64)>, Option<Vec<Cell>>) = (Vec::new(), None);
    loop {
        let after_keys = after.as_deref();
        let hits = Hits { ask, score: Some(score), order: &[], after: after_keys, limit };
        let page = view.hits(&hits).await.unwrap();
        for hit in &page {
            let keys = [Some(Bound::Real(hit.score.into())), Some(Bound::Int(hit.seq))];
            assert_eq!(hit.keys, keys);
            found.push((hit.score, hit.seq));
        }
        after = page.last().map(|hit| hit.keys.clone());
        if page.len() < limit {
            return found;
        }
    }
}

/// The most frequent values, exactly.
pub(crate) async fn values_are_counted(engine: &Engine, stream: i64, seed: u64) {
    let mut rng = Rng::new(seed);
    let filled = filled(engine, stream, &mut rng, 300).await;
    for case in 0..60 {
        let question = Question::new(&mut rng, &filled);
        let facet = match rng.below(3) {
            0 => Facet::Field(TAGS),
            _ => Facet::Place(rng.pick(&[1, 2, 3, 5, 7, 8].map(Place::Column))),
        };
        let limit = 1 + rng.below(12);
        let found = filled.view.terms(&question.ask(), facet, limit).await.unwrap();
        let meant = naive::terms(&filled.layout, &expected(&filled, &question.ask()), facet, limit);
        assert_eq!(found, meant, "case {case}: {facet:?} of {:?}", question.ask());
    }
    over(engine, filled).await;
}

/// Groups, with sums that are exact, or as far off as they say.
pub(crate) async fn groups_are_exact(engine: &Engine, stream: i64, seed: u64) {
    let mut rng = Rng::new(seed);
    let filled = filled(engine, stream, &mut rng, 300).await;
    let all = [
        Part::Count,
        Part::CountOf(Place::Column(3)),
        Part::Whole(Place::Column(3)),
        Part::Whole(Place::Seq),
        Part::Real(Place::Column(7)),
        Part::Least(Place::Column(1)),
        Part::Greatest(Place::Column(2)),
        Part::Least(Place::Column(5)),
        Part::Greatest(Place::Column(4)),
        Part::Least(Place::Id),
    ];
    for case in 0..80 {
        let question = Question::new(&mut rng, &filled);
        let keys: Vec<Key> = (0..rng.below(4)).map(|_| key(&mut rng)).collect();
        let parts: Vec<Part> = (0..rng.below(6)).map(|_| rng.pick(&all)).collect();
        let ask = question.ask();
        let grouping = Grouping { ask, keys: &keys, parts: &parts, limit: 10_000 };
        let Some(found) = filled.view.group(&grouping).await.unwrap() else { continue };
        compare(&filled, &grouping, found, case);
    }
    over(engine, filled).await;
}

fn key(rng: &mut Rng) -> Key {
    match rng.below(6) {
        0 => Key::Value(Place::Column(rng.pick(&[1, 3, 5, 7, 8]))),
        1 => Key::Value(rng.pick(&[Place::Version, Place::Time, Place::ReceivedAt])),
        2 => Key::Step { place: Place::ReceivedAt, shift: 3, step: 5 },
        3 => Key::Step { place: Place::Time, shift: 62_135_596_800_000_009, step: 86_400_000_000 },
        4 => Key::Range(Place::Column(3), [-1, 0, 3, i64::MAX].map(Bound::Int).to_vec()),
        _ => Key::Range(Place::Column(5), [-0.5, 0.1, 1.0].map(Bound::Real).to_vec()),
    }
}

/// The same keys may come in several groups.
fn compare(filled: &Filled, grouping: &Grouping<'_>, mut found: Vec<Group>, case: usize) {
    let mut meant: Vec<(Vec<Cell>, Vec<&Document>)> = Vec::new();
    for document in expected(filled, &grouping.ask) {
        let each = grouping.keys.iter().map(|key| naive::key(&filled.layout, document, key));
        let keys: Vec<Cell> = each.collect();
        match meant.iter_mut().find(|(known, _)| *known == keys) {
            Some((_, documents)) => documents.push(document),
            None => meant.push((keys, vec![document])),
        }
    }
    for (keys, documents) in &meant {
        let (same, rest) = found.into_iter().partition(|group| group.keys == *keys);
        found = rest;
        let same: Vec<Group> = same;
        for (at, part) in grouping.parts.iter().enumerate() {
            let partials: Vec<&Partial> = same.iter().map(|group| &group.partials[at]).collect();
            check_part(filled, documents, *part, &partials, case);
        }
        assert!(!same.is_empty(), "case {case}: {keys:?} are missing of {grouping:?}");
    }
    // Without keys there may be a group of nothing.
    assert!(found.is_empty() || grouping.keys.is_empty(), "case {case}: {found:?}");
}

fn check_part(
    filled: &Filled,
    documents: &[&Document],
    part: Part,
    partials: &[&Partial],
    case: usize,
) {
    let of = |place: Place| -> Vec<Bound> {
        documents.iter().filter_map(|d| naive::cell(&filled.layout, d, place)).collect()
    };
    let ints = |partials: &[&Partial]| -> i128 {
        let each = partials.iter().map(|partial| match partial {
            Partial::Count(count) => i128::from(*count),
            Partial::Whole(sum) => sum.unwrap_or_default(),
            other => panic!("case {case}: {other:?}"),
        });
        each.sum()
    };
    let values = || -> Vec<Bound> {
        let each = partials.iter().filter_map(|partial| match partial {
            Partial::Value(value) => value.clone(),
            other => panic!("case {case}: {other:?}"),
        });
        let mut values: Vec<Bound> = each.collect();
        values.sort_by(naive::order);
        values
    };
    match part {
        Part::Count => assert_eq!(ints(partials), documents.len() as i128, "case {case}"),
        Part::CountOf(place) => assert_eq!(ints(partials), of(place).len() as i128, "case {case}"),
        Part::Whole(place) => {
            let each = of(place).into_iter().map(|value| match value {
                Bound::Int(value) => i128::from(value),
                other => panic!("{other:?}"),
            });
            assert_eq!(ints(partials), each.sum::<i128>(), "case {case}: {part:?}");
        }
        Part::Real(place) => check_real(&of(place), partials, case),
        Part::Least(place) => {
            let least = of(place).into_iter().min_by(naive::order);
            assert_eq!(values().first(), least.as_ref(), "case {case}: {part:?}");
        }
        Part::Greatest(place) => {
            let greatest = of(place).into_iter().max_by(naive::order);
            assert_eq!(values().last(), greatest.as_ref(), "case {case}: {part:?}");
        }
    }
}

fn check_real(values: &[Bound], partials: &[&Partial], case: usize) {
    let (mut sum, mut error, mut some) = (0.0, 0.0, false);
    for partial in partials {
        let Partial::Real(real) = partial else { panic!("case {case}: {partial:?}") };
        if let Some((part, off)) = real {
            (sum, error, some) = (sum + part, error + off, true);
        }
    }
    let real = |value: &Bound| match value {
        Bound::Real(value) => *value,
        other => panic!("{other:?}"),
    };
    let exact: f64 = values.iter().map(real).sum();
    let size: f64 = values.iter().map(|value| real(value).abs()).sum();
    assert_eq!(some, !values.is_empty(), "case {case}");
    // The plain sum that is compared with is off a little as well.
    let slack = 1000.0 * f64::EPSILON * size;
    assert!((sum - exact).abs() <= error + slack, "case {case}: {sum} ± {error}, not {exact}");
    assert!(error <= size * 1e-10, "case {case}: {sum} ± {error}");
}

/// A phrase is found in one text, not across two.
pub(crate) async fn phrases_stay_within_a_text(engine: &Engine, stream: i64) {
    let layout = layout(stream);
    let mut writer = fresh(engine, &layout).await;
    let texts = |texts: &[&str]| -> Vec<Vec<String>> {
        texts.iter().map(|text| text.split(' ').map(str::to_owned).collect()).collect()
    };
    let mut rng = Rng::new(1);
    let mut make = |seq: i64, field: Vec<Vec<String>>| {
        let mut document = super::documents::document(&mut rng, seq);
        document.fields[0] = field;
        document
    };
    let long = format!("{}near end", "far ".repeat(2_000));
    let documents = vec![
        make(1, texts(&["disk full"])),
        make(2, texts(&["disk", "full"])),
        make(3, texts(&["full disk", "full disk"])),
        make(4, texts(&["disk is full", "the disk full of disk"])),
        make(5, texts(&["end", &long])),
    ];
    writer.write(Batch { documents, erased: Vec::new(), position: 5 }).await.unwrap();
    let view = shown(engine, stream, 5).await;
    let asked = |test: WordTest| Condition::Words(Words { field: 0, test, positive: true });
    let phrase =
        |words: &str| asked(WordTest::Phrase(words.split(' ').map(str::to_owned).collect()));
    assert_eq!(seqs(&view, &phrase("disk full")).await, [1, 4]);
    assert_eq!(seqs(&view, &phrase("full disk")).await, [3]);
    assert_eq!(seqs(&view, &phrase("far near end")).await, [5]);
    assert_eq!(seqs(&view, &phrase("disk")).await, [1, 2, 3, 4]);
    assert_eq!(seqs(&view, &phrase("full full")).await, [0; 0]);
    assert_eq!(seqs(&view, &asked(WordTest::Prefix("fu".into()))).await, [1, 2, 3, 4]);
    drop((writer, view));
    engine.discard(stream, None).await.unwrap();
}
