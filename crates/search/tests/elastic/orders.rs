//! Records in an order, page by page.

use forebay_filter::lower::{Condition, Place};
use forebay_search::{Ask, Cell, Document, Hits, Order};

use crate::docs::{documents, layout};
use crate::naive::{at, sorted};
use crate::{Place as Home, both};

both! {
    pages_follow_the_order
    long_pages_are_fetched_in_parts
}

fn orders() -> Vec<Vec<Order>> {
    let key = |place, descending| Order { place, descending };
    let mut orders = Vec::new();
    for descending in [false, true] {
        for number in [1, 2, 3, 7] {
            orders.push(vec![key(Place::Column(number), descending), key(Place::Seq, !descending)]);
        }
        orders.push(vec![
            key(Place::Column(7), descending),
            key(Place::Column(2), !descending),
            key(Place::Column(3), descending),
            key(Place::Column(1), descending),
            key(Place::Id, descending),
        ]);
        orders.push(vec![key(Place::Time, descending), key(Place::Seq, true)]);
        orders.push(vec![key(Place::Id, descending)]);
    }
    orders
}

async fn pages_follow_the_order(url: String) {
    let documents = documents(300);
    let (home, view) = Home::with(&url, &layout(17), &documents).await;
    let all: Vec<&Document> = documents.iter().collect();
    let ask = Ask { condition: &Condition::All, up_to: i64::MAX, without: &[] };
    for order in orders() {
        let wanted: Vec<i64> = sorted(&all, &order).iter().map(|document| document.seq).collect();
        let (mut found, mut after): (Vec<i64>, Option<Vec<Cell>>) = (Vec::new(), None);
        loop {
            let hits = Hits { ask, score: None, order: &order, after: after.as_deref(), limit: 11 };
            let page = view.hits(&hits).await.unwrap();
            for hit in &page {
                let document = &documents[usize::try_from(hit.seq).unwrap() - 1];
                let keys: Vec<Cell> = order.iter().map(|key| at(document, key.place)).collect();
                assert_eq!(hit.keys, keys, "{order:?}");
                found.push(hit.seq);
            }
            let Some(last) = page.last() else { break };
            after = Some(last.keys.clone());
        }
        assert_eq!(found, wanted, "{order:?}");
    }
    // A position of another order is none.
    let order = [Order { place: Place::Column(2), descending: false }];
    for wrong in [vec![], vec![None, None], vec![Some(forebay_filter::lower::Bound::Real(1.0))]] {
        let hits = Hits { ask, score: None, order: &order, after: Some(&wrong), limit: 1 };
        assert!(view.hits(&hits).await.is_err());
    }
    home.leave().await;
}

async fn long_pages_are_fetched_in_parts(url: String) {
    let documents = documents(10_050);
    let (home, view) = Home::with(&url, &layout(17), &documents).await;
    let ask = Ask { condition: &Condition::All, up_to: i64::MAX, without: &[] };
    let order = [Order { place: Place::Seq, descending: true }];
    let hits = Hits { ask, score: None, order: &order, after: None, limit: 10_020 };
    let found = view.hits(&hits).await.unwrap();
    assert_eq!(found.len(), 10_020);
    assert!(found.iter().zip((0..10_050).map(|n| 10_050 - n)).all(|(hit, seq)| hit.seq == seq));
    assert_eq!(view.count(&ask).await.unwrap(), 10_050);
    home.leave().await;
}
