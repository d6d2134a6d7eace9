//! Groups: counted, added up, least and greatest; nothing where doubles would not have it.

use std::collections::BTreeMap;

use forebay_filter::lower::{Bound, Condition, Place};
use forebay_search::{Ask, Cell, Document, Grouping, Key, Part, Partial};

use crate::docs::{documents, layout};
use crate::naive::{at, compare};
use crate::{Place as Home, both};

both! {
    groups_are_counted_exactly
    what_doubles_do_not_have_is_not_answered
}

fn all() -> Ask<'static> {
    Ask { condition: &Condition::All, up_to: i64::MAX, without: &[] }
}

fn key_of(document: &Document, key: &Key) -> Cell {
    match key {
        Key::Value(place) => at(document, *place),
        Key::Step { place, shift, step } => match at(document, *place)? {
            Bound::Int(time) => Some(Bound::Int((time + shift).div_euclid(*step))),
            other => panic!("{other:?} is no time"),
        },
        Key::Range(place, bounds) => {
            let value = at(document, *place)?;
            let reached = bounds.iter().filter(|bound| compare(&value, bound).is_ge()).count();
            Some(Bound::Int(i64::try_from(reached).unwrap()))
        }
    }
}

fn part_of(documents: &[&Document], part: Part) -> Partial {
    let values = |place| documents.iter().filter_map(move |document| at(document, place));
    let count = |count: usize| Partial::Count(i64::try_from(count).unwrap());
    match part {
        Part::Count => count(documents.len()),
        Part::CountOf(place) => count(values(place).count()),
        Part::Least(place) => Partial::Value(values(place).min_by(compare)),
        Part::Greatest(place) => Partial::Value(values(place).max_by(compare)),
        Part::Whole(place) => {
            let wholes = values(place).map(|value| match value {
                Bound::Int(value) => i128::from(value),
                other => panic!("{other:?} is no integer"),
            });
            Partial::Whole(wholes.reduce(|a, b| a + b))
        }
        Part::Real(_) => panic!("compared otherwise"),
    }
}

fn wanted(documents: &[Document], keys: &[Key], parts: &[Part]) -> Vec<String> {
    let mut groups: BTreeMap<String, Vec<&Document>> = BTreeMap::new();
    for document in documents {
        let key: Vec<Cell> = keys.iter().map(|key| key_of(document, key)).collect();
        groups.entry(format!("{key:?}")).or_default().push(document);
    }
    let group = |(key, documents): (String, Vec<&Document>)| {
        let partials: Vec<Partial> = parts.iter().map(|part| part_of(&documents, *part)).collect();
        format!("{key} {partials:?}")
    };
    groups.into_iter().map(group).collect()
}

async fn groups_are_counted_exactly(url: String) {
    let documents = documents(300);
    let (home, view) = Home::with(&url, &layout(17), &documents).await;
    let column = Place::Column;
    let step = Key::Step { place: Place::Time, shift: 123_457, step: 1_000_000 };
    let bounds = vec![Bound::Int(-1), Bound::Int(2), Bound::Int(i64::MAX)];
    let reals = Key::Range(column(3), vec![Bound::Real(-1.5), Bound::Real(0.0)]);
    let parts = [
        Part::Count,
        Part::CountOf(column(2)),
        Part::Least(column(2)),
        Part::Greatest(column(2)),
        Part::Least(column(1)),
        Part::Greatest(column(3)),
        Part::Whole(Place::Seq),
        Part::Whole(column(7)),
        Part::Greatest(Place::Id),
    ];
    for keys in [
        vec![],
        vec![Key::Value(column(1))],
        vec![Key::Value(column(2)), Key::Value(column(7))],
        vec![Key::Range(column(2), bounds), step.clone()],
        vec![step, Key::Value(column(3)), reals],
        vec![Key::Range(column(1), vec![])],
    ] {
        let grouping = Grouping { ask: all(), keys: &keys, parts: &parts, limit: 1000 };
        let found = view.group(&grouping).await.unwrap().unwrap();
        let mut found: Vec<String> =
            found.iter().map(|group| format!("{:?} {:?}", group.keys, group.partials)).collect();
        found.sort();
        let mut wanted = wanted(&documents, &keys, &parts);
        wanted.sort();
        assert_eq!(found, wanted, "{keys:?}");
    }
    let keys = [Key::Value(column(1))];
    let few = Grouping { ask: all(), keys: &keys, parts: &parts, limit: 2 };
    assert_eq!(view.group(&few).await.unwrap().unwrap().len(), 2);
    home.leave().await;
}

async fn what_doubles_do_not_have_is_not_answered(url: String) {
    let mut documents = documents(40);
    for document in &mut documents {
        document.columns[2] = Some(Bound::Real(0.1));
    }
    let (home, view) = Home::with(&url, &layout(17), &documents).await;
    let group = async |keys: &[Key], parts: &[Part]| {
        view.group(&Grouping { ask: all(), keys, parts, limit: 100 }).await.unwrap()
    };
    assert_eq!(group(&[], &[Part::Whole(Place::Column(2))]).await, None);
    assert_eq!(group(&[], &[Part::Whole(Place::Time)]).await, None);
    let far = Key::Step { place: Place::Column(2), shift: 0, step: 1000 };
    assert_eq!(group(&[far], &[Part::Count]).await, None);
    let groups = group(&[], &[Part::Real(Place::Column(3))]).await.unwrap();
    let [Partial::Real(Some((sum, error)))] = groups[0].partials[..] else { panic!("{groups:?}") };
    assert!((sum - 4.0).abs() <= error && error < 1e-12, "{sum} ± {error}");
    home.leave().await;
}
