//! Which records match, and how many.

use forebay_filter::ast::Operator;
use forebay_filter::lower::{Bound, Condition, Place, Test, WordTest, Words};
use forebay_search::ask::Facet;
use forebay_search::elastic::View;
use forebay_search::{Ask, Document, Hits, Order, SearchError};

use crate::docs::{Dice, WORDS, document, documents, layout, value};
use crate::naive::{at, compare, passes};
use crate::{Place as Home, both};

both! {
    conditions_pass_what_they_say
    terms_are_counted_exactly
    what_a_server_does_not_take_is_said_before
    scores_are_paged
    windows_are_added_up
}

fn ask(condition: &Condition) -> Ask<'_> {
    Ask { condition, up_to: i64::MAX, without: &[] }
}

/// A condition that may pass something.
fn condition(dice: &mut Dice, depth: usize) -> Condition {
    let parts = |dice: &mut Dice| (0..=dice.roll(3)).map(|_| condition(dice, depth - 1)).collect();
    match dice.roll(if depth == 0 { 6 } else { 9 }) {
        0 | 1 => Condition::Words(words(dice)),
        2..6 => test(dice),
        6 => Condition::Or(parts(dice)),
        7 => Condition::And(parts(dice)),
        _ if dice.roll(2) == 0 => Condition::All,
        _ => Condition::None,
    }
}

fn words(dice: &mut Dice) -> Words {
    let word = |dice: &mut Dice| dice.of(WORDS).to_owned();
    let prefix = |dice: &mut Dice| word(dice).chars().take(1 + dice.roll(3)).collect();
    let (field, test) = match dice.roll(5) {
        0 => (0, WordTest::Word(word(dice))),
        1 => (2, WordTest::Word(word(dice))),
        2 => (0, WordTest::Prefix(prefix(dice))),
        3 => (2, WordTest::Phrase((0..=1 + dice.roll(2)).map(|_| word(dice)).collect())),
        _ => (
            3,
            WordTest::Value(document(dice, 1).columns[0].clone().map_or_else(
                || "a".to_owned(),
                |value| match value {
                    Bound::Text(text) => text,
                    other => format!("{other:?}"),
                },
            )),
        ),
    };
    Words { field, test, positive: dice.roll(3) > 0 }
}

fn test(dice: &mut Dice) -> Condition {
    let places = [
        Place::Column(1),
        Place::Column(2),
        Place::Column(3),
        Place::Column(7),
        Place::Seq,
        Place::Time,
        Place::Id,
        Place::Version,
        Place::ReceivedAt,
    ];
    let place = places[dice.roll(places.len())];
    let bound = |dice: &mut Dice| match place {
        Place::Column(number) => value(dice, number),
        _ => {
            let seq = i64::try_from(dice.roll(300)).unwrap();
            at(&document(dice, seq), place).unwrap()
        }
    };
    let list = |dice: &mut Dice| (0..dice.roll(4)).map(|_| bound(dice)).collect();
    let operators = [
        Operator::Equal,
        Operator::NotEqual,
        Operator::Less,
        Operator::LessOrEqual,
        Operator::Greater,
        Operator::GreaterOrEqual,
    ];
    let range = |dice: &mut Dice| (bound(dice), (dice.roll(4) > 0).then(|| bound(dice)));
    let test = match dice.roll(10) {
        0..4 => Test::Compare(operators[dice.roll(operators.len())], bound(dice)),
        4 => Test::In(list(dice)),
        5 => Test::NotIn(list(dice)),
        6 => Test::Present,
        7 => Test::Absent,
        8 => {
            let (least, beyond) = range(dice);
            Test::Range(least, beyond)
        }
        _ => {
            let (least, beyond) = range(dice);
            Test::NotRange(least, beyond)
        }
    };
    Condition::Test(place, test)
}

async fn conditions_pass_what_they_say(url: String) {
    let documents = documents(300);
    let (home, view) = Home::with(&url, &layout(17), &documents).await;
    let order = [Order { place: Place::Seq, descending: false }];
    let mut dice = Dice(0xd1ce);
    for round in 0..400 {
        let condition = condition(&mut dice, 3);
        let up_to = if round % 3 == 0 { 150 } else { i64::MAX };
        let without: Vec<i64> = if round % 4 == 0 { vec![1, 7, 8, 290] } else { Vec::new() };
        let passed = documents.iter().filter(|document| {
            document.seq <= up_to
                && !without.contains(&document.seq)
                && passes(document, &condition)
        });
        let wanted: Vec<i64> = passed.map(|document| document.seq).collect();
        let ask = Ask { condition: &condition, up_to, without: &without };
        let hits = Hits { ask, score: None, order: &order, after: None, limit: 1000 };
        let found = view.hits(&hits).await.unwrap();
        let found: Vec<i64> = found.iter().map(|hit| hit.seq).collect();
        assert_eq!(found, wanted, "round {round}: {condition:?}");
        let count = view.count(&ask).await.unwrap();
        assert_eq!(count, i64::try_from(wanted.len()).unwrap(), "round {round}: {condition:?}");
    }
    home.leave().await;
}

async fn terms_are_counted_exactly(url: String) {
    let documents = documents(300);
    let (home, view) = Home::with(&url, &layout(17), &documents).await;
    let seventy = Condition::Test(Place::Seq, Test::Compare(Operator::Greater, Bound::Int(70)));
    for condition in [Condition::All, Condition::None, seventy] {
        let among = || documents.iter().filter(|document| passes(document, &condition));
        for number in [1, 2, 3, 7] {
            let place = Place::Column(number);
            let values = among().filter_map(|document| at(document, place)).collect();
            counted(&view, &condition, Facet::Place(place), values).await;
        }
        let tags = among().flat_map(|document| {
            let mut tags: Vec<String> = document.fields[3].concat();
            tags.sort();
            tags.dedup();
            tags.into_iter().map(Bound::Text)
        });
        counted(&view, &condition, Facet::Field(3), tags.collect()).await;
    }
    for none in [Facet::Field(0), Facet::Field(1), Facet::Field(9)] {
        let said = view.terms(&ask(&Condition::All), none, 5).await;
        assert!(matches!(said, Err(SearchError::Internal(_))), "{said:?}");
    }
    home.leave().await;
}

async fn counted(view: &View, condition: &Condition, facet: Facet, mut values: Vec<Bound>) {
    values.sort_by(compare);
    let mut wanted: Vec<(Bound, i64)> = Vec::new();
    for value in values {
        match wanted.last_mut() {
            Some((last, count)) if compare(last, &value).is_eq() => *count += 1,
            _ => wanted.push((value, 1)),
        }
    }
    wanted.sort_by_key(|(_, count)| -count);
    for limit in [1, 3, 100] {
        let found = view.terms(&ask(condition), facet, limit).await.unwrap();
        assert_eq!(found.more, wanted.len() > limit, "{facet:?}");
        let first = wanted.get(..limit).unwrap_or(&wanted);
        assert_eq!(found.values, first, "{facet:?}");
    }
}

async fn what_a_server_does_not_take_is_said_before(url: String) {
    let (home, view) = Home::with(&url, &layout(17), &documents(20)).await;
    let one = |n: i64| Condition::Test(Place::Seq, Test::Compare(Operator::Equal, Bound::Int(n)));
    let many = Condition::Or((0..2000).map(one).collect());
    assert!(matches!(view.count(&ask(&many)).await, Err(SearchError::TooLarge(_))));
    let most = Condition::Or((0..890).map(one).collect());
    assert_eq!(view.count(&ask(&most)).await.unwrap(), 20);
    let not = |n: i64| {
        Condition::Test(Place::Column(2), Test::Compare(Operator::NotEqual, Bound::Int(n)))
    };
    view.count(&ask(&Condition::And((0..440).map(not).collect()))).await.unwrap();
    let nested = |depth: usize| {
        (0..depth).fold(one(1), |inner, _| Condition::Or(vec![Condition::And(vec![inner, one(1)])]))
    };
    assert_eq!(view.count(&ask(&nested(8))).await.unwrap(), 1);
    assert!(matches!(view.count(&ask(&nested(9))).await, Err(SearchError::TooLarge(_))));
    let list = Condition::Test(Place::Seq, Test::In((1..100_000).map(Bound::Int).collect()));
    assert_eq!(view.count(&ask(&list)).await.unwrap(), 20);
    let without: Vec<i64> = (10..100_000).collect();
    let but = Ask { condition: &Condition::All, up_to: i64::MAX, without: &without };
    assert_eq!(view.count(&but).await.unwrap(), 9);
    let between = Condition::Between(Operator::Less, Place::Seq, Place::Time);
    assert!(matches!(view.count(&ask(&between)).await, Err(SearchError::Internal(_))));
    home.leave().await;
}

async fn scores_are_paged(url: String) {
    let documents = documents(300);
    let (home, view) = Home::with(&url, &layout(17), &documents).await;
    let word = |field, word: &str| {
        Condition::Words(Words { field, test: WordTest::Word(word.to_owned()), positive: true })
    };
    let score = Condition::Or(vec![word(0, "disk"), word(0, "größe"), word(2, "full")]);
    let ask = ask(&score);
    let all = Hits { ask, score: Some(&score), order: &[], after: None, limit: 1000 };
    let whole = view.hits(&all).await.unwrap();
    let matching = documents.iter().filter(|document| passes(document, &score)).count();
    assert_eq!(whole.len(), matching);
    assert!(whole.iter().all(|hit| hit.score > 0.0));
    assert!(whole.is_sorted_by(|a, b| (a.score, a.seq) > (b.score, b.seq)));
    let (mut paged, mut after) = (Vec::new(), None);
    loop {
        let page = Hits { after: after.as_deref(), limit: 7, ..all };
        let page = view.hits(&page).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.keys.clone());
        paged.extend(page);
    }
    assert_eq!(paged, whole);
    // What scores does not narrow, and an order may stand beside it.
    let order = [Order { place: Place::Seq, descending: true }];
    let every = Ask { condition: &Condition::All, ..ask };
    let ordered = Hits { ask: every, order: &order, ..all };
    let ordered = view.hits(&ordered).await.unwrap();
    assert_eq!(ordered.len(), documents.len());
    assert_eq!(ordered.iter().filter(|hit| hit.score > 0.0).count(), matching);
    // Without anything to score the newest come first.
    let newest = Hits { ask: every, score: None, limit: 3, ..all };
    let newest: Vec<_> =
        view.hits(&newest).await.unwrap().iter().map(|h| (h.seq, h.score)).collect();
    assert_eq!(newest, [(300, 0.0), (299, 0.0), (298, 0.0)]);
    home.leave().await;
}

async fn windows_are_added_up(url: String) {
    let documents: Vec<Document> =
        documents(300).into_iter().filter(|document| document.seq % 100 > 20).collect();
    let (home, view) = Home::with(&url, &layout(17), &documents).await;
    for size in [1, 7, 64, 65_536, 1 << 21] {
        let mut wanted: Vec<(i64, i64, i64)> = Vec::new();
        for document in &documents {
            let (number, sum) = (document.seq / size, i64::from(document.checksum));
            match wanted.last_mut() {
                Some(last) if last.0 == number => *last = (number, last.1 + 1, last.2 + sum),
                _ => wanted.push((number, 1, sum)),
            }
        }
        let found = view.windows(size).await.unwrap();
        let found: Vec<_> = found.iter().map(|w| (w.number, w.count, w.sum)).collect();
        assert_eq!(found, wanted, "{size}");
    }
    assert!(view.windows(0).await.is_err());
    assert!(view.windows(1 << 22).await.is_err());
    home.leave().await;
}
