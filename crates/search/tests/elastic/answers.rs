//! What only an engine outside is asked: its limits, long pages, what doubles do not have.

use forebay_filter::ast::Operator;
use forebay_filter::lower::{Bound, Condition, Place, Test, WordTest, Words};
use forebay_search::ask::Facet;
use forebay_search::{Ask, Grouping, Hits, Key, Order, Part, Partial, SearchError};

use crate::suite::documents::layout;
use crate::{Place as Home, both, documents};

both! {
    what_a_server_does_not_take_is_said_before
    long_pages_are_fetched_in_parts
    what_scores_does_not_narrow
    what_doubles_do_not_have_is_not_answered
    what_is_asked_wrongly_is_refused
}

fn ask(condition: &Condition) -> Ask<'_> {
    Ask { condition, up_to: i64::MAX, without: &[] }
}

const ALL: Ask<'static> = Ask { condition: &Condition::All, up_to: i64::MAX, without: &[] };

fn compare(place: Place, operator: Operator, bound: Bound) -> Condition {
    Condition::Test(place, Test::Compare(operator, bound))
}

fn words(field: usize, test: WordTest, positive: bool) -> Condition {
    Condition::Words(Words { field, test, positive })
}

type Leaf = Box<dyn Fn(usize) -> Condition>;

/// Each kind of leaf, and how many of it are taken.
fn leaves() -> Vec<(usize, Leaf)> {
    let int = |n: usize| Bound::Int(i64::try_from(n).unwrap());
    let text = |n: usize| Bound::Text(n.to_string());
    let column = Place::Column;
    vec![
        (499, Box::new(move |n| compare(Place::Seq, Operator::Equal, int(n)))),
        (499, Box::new(move |n| compare(column(3), Operator::Less, int(n)))),
        (499, Box::new(move |n| compare(column(5), Operator::Greater, Bound::Real(n as f64)))),
        (332, Box::new(move |n| compare(column(3), Operator::NotEqual, int(n)))),
        (332, Box::new(move |n| Condition::Test(column(3), Test::NotIn(vec![int(n), int(7)])))),
        (
            332,
            Box::new(move |n| {
                Condition::Test(column(5), Test::NotRange(Bound::Real(n as f64), None))
            }),
        ),
        (998, Box::new(move |n| compare(column(1), Operator::GreaterOrEqual, text(n)))),
        (499, Box::new(move |n| compare(column(1), Operator::NotEqual, text(n)))),
        (998, Box::new(move |_| Condition::Test(column(3), Test::Present))),
        (499, Box::new(move |_| Condition::Test(column(3), Test::Absent))),
        (998, Box::new(|n| words(0, WordTest::Word(n.to_string()), true))),
        (499, Box::new(|n| words(0, WordTest::Prefix(n.to_string()), false))),
        (998, Box::new(|n| words(1, WordTest::Phrase(vec![n.to_string(), "b".into()]), true))),
        (499, Box::new(|n| words(2, WordTest::Value(n.to_string()), false))),
    ]
}

async fn what_a_server_does_not_take_is_said_before(url: String) {
    let (home, view) = Home::with(&url, &layout(17), &documents(20)).await;
    for (at, (most, leaf)) in leaves().into_iter().enumerate() {
        for join in [Condition::And, Condition::Or] {
            let taken = view.count(&ask(&join((0..most).map(&leaf).collect()))).await;
            assert!(taken.is_ok(), "{at}: {taken:?}");
            let refused = view.count(&ask(&join((0..=most).map(&leaf).collect()))).await;
            assert!(matches!(refused, Err(SearchError::TooLarge(_))), "{at}: {refused:?}");
        }
    }
    let one = || compare(Place::Seq, Operator::Equal, Bound::Int(1));
    let nested = |depth: usize| {
        (0..depth).fold(one(), |inner, _| Condition::Or(vec![Condition::And(vec![inner, one()])]))
    };
    assert_eq!(view.count(&ask(&nested(8))).await.unwrap(), 1);
    assert!(matches!(view.count(&ask(&nested(9))).await, Err(SearchError::TooLarge(_))));
    let list = Condition::Test(Place::Seq, Test::In((1..100_000).map(Bound::Int).collect()));
    assert_eq!(view.count(&ask(&list)).await.unwrap(), 20);
    let without: Vec<i64> = (10..100_000).collect();
    assert_eq!(view.count(&Ask { without: &without, ..ALL }).await.unwrap(), 9);
    home.leave().await;
}

async fn long_pages_are_fetched_in_parts(url: String) {
    let (home, view) = Home::with(&url, &layout(17), &documents(10_050)).await;
    let order = [Order { place: Place::Seq, descending: true }];
    let hits = Hits { ask: ALL, score: None, order: &order, after: None, limit: 10_020 };
    let found = view.hits(&hits).await.unwrap();
    assert_eq!(found.len(), 10_020);
    assert!(found.iter().zip((0..10_050).map(|n| 10_050 - n)).all(|(hit, seq)| hit.seq == seq));
    assert_eq!(view.count(&ALL).await.unwrap(), 10_050);
    assert_eq!(
        view.terms(&ALL, Facet::Place(Place::Seq), 10_049).await.unwrap().values.len(),
        10_049
    );
    home.leave().await;
}

async fn what_scores_does_not_narrow(url: String) {
    let (home, view) = Home::with(&url, &layout(17), &documents(60)).await;
    let score = Condition::Or(vec![words(0, WordTest::Word("disk".to_owned()), true)]);
    let matching = view.count(&ask(&score)).await.unwrap();
    let order = [Order { place: Place::Seq, descending: true }];
    let hits = Hits { ask: ALL, score: Some(&score), order: &order, after: None, limit: 100 };
    let found = view.hits(&hits).await.unwrap();
    assert_eq!(found.len(), 60);
    let scored = found.iter().filter(|hit| hit.score > 0.0).count();
    assert_eq!(i64::try_from(scored).unwrap(), matching);
    // Without anything to score the newest come first.
    let newest = view.hits(&Hits { score: None, order: &[], limit: 3, ..hits }).await.unwrap();
    let newest: Vec<_> = newest.iter().map(|hit| (hit.seq, hit.score)).collect();
    assert_eq!(newest, [(60, 0.0), (59, 0.0), (58, 0.0)]);
    home.leave().await;
}

async fn what_doubles_do_not_have_is_not_answered(url: String) {
    let mut documents = documents(40);
    for document in &mut documents {
        document.columns[5] = Some(Bound::Real(0.1));
    }
    let (home, view) = Home::with(&url, &layout(17), &documents).await;
    let group = async |keys: &[Key], parts: &[Part]| {
        view.group(&Grouping { ask: ALL, keys, parts, limit: 100 }).await.unwrap()
    };
    assert_eq!(group(&[], &[Part::Whole(Place::Column(3))]).await, None);
    assert_eq!(group(&[], &[Part::Real(Place::Column(5))]).await, None);
    let far = Key::Step { place: Place::Column(3), shift: 0, step: 1000 };
    assert_eq!(group(&[far], &[Part::Count]).await, None);
    let groups = group(&[], &[Part::Real(Place::Column(7))]).await.unwrap();
    let [Partial::Real(Some((sum, error)))] = groups[0].partials[..] else { panic!("{groups:?}") };
    assert!((sum - 4.0).abs() <= error && error < 1e-12, "{sum} ± {error}");
    // What it has, it answers.
    let near = Key::Step { place: Place::ReceivedAt, shift: 3, step: 5 };
    let range = Key::Range(Place::Column(3), vec![Bound::Int(0), Bound::Int(i64::MAX)]);
    let keys = [near, range, Key::Value(Place::Column(1))];
    let column = Place::Column(3);
    let parts = [Part::CountOf(column), Part::Least(column), Part::Whole(Place::Seq)];
    assert!(group(&keys, &parts).await.is_some_and(|groups| groups.len() > 5));
    let one = Grouping { ask: ALL, keys: &keys, parts: &parts, limit: 5 };
    assert_eq!(view.group(&one).await.unwrap().unwrap().len(), 5);
    home.leave().await;
}

async fn what_is_asked_wrongly_is_refused(url: String) {
    let (home, view) = Home::with(&url, &layout(17), &documents(5)).await;
    for none in [Facet::Field(0), Facet::Field(9), Facet::Place(Place::Column(6))] {
        let said = view.terms(&ALL, none, 5).await;
        assert!(matches!(said, Err(SearchError::Internal(_))), "{said:?}");
    }
    let order = [Order { place: Place::Column(3), descending: false }];
    for wrong in [vec![], vec![None, None], vec![Some(Bound::Real(1.0))]] {
        let hits = Hits { ask: ALL, score: None, order: &order, after: Some(&wrong), limit: 1 };
        assert!(matches!(view.hits(&hits).await, Err(SearchError::Internal(_))));
    }
    for size in [0, (1 << 21) + 1] {
        assert!(view.windows(size).await.is_err());
    }
    let between = Condition::Between(Operator::Less, Place::Seq, Place::Time);
    let keyword = words(0, WordTest::Value("a".to_owned()), true);
    for condition in [between, keyword, words(7, WordTest::Word("a".to_owned()), true)] {
        let said = view.count(&ask(&condition)).await;
        assert!(matches!(said, Err(SearchError::Internal(_))), "{said:?}");
    }
    home.leave().await;
}
