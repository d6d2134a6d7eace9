//! What is written, by whom, and what is left of it when a server or a writer ends.

use forebay_filter::lower::{Condition, WordTest, Words};
use forebay_search::elastic::{Engine, View, Writer};
use forebay_search::settings::Outside;
use forebay_search::{Ask, Batch, Document, Erased, SearchError};
use forebay_testkit::{Product, SearchServer, Stop, lacks};

use serde_json::{Value as Json, json};

use crate::fake::Fake;
use crate::suite::documents::layout;
use crate::{Place as Home, ask, both, documents, settings};

both! {
    a_generation_is_made_beside_the_live_one
    the_second_of_two_writers_is_fenced
    what_is_erased_never_comes_back
    an_index_that_goes_is_damaged_and_not_made_again
    a_refused_document_is_told_and_the_others_are_in
}

fn batch(documents: &[Document], position: i64) -> Batch {
    Batch { documents: documents.to_vec(), erased: Vec::new(), position }
}

fn all() -> Ask<'static> {
    Ask { condition: &Condition::All, up_to: i64::MAX, without: &[] }
}

async fn a_generation_is_made_beside_the_live_one(url: String) {
    let documents = documents(30);
    let (home, old) = Home::with(&url, &layout(17), &documents[..10]).await;
    let engine = &home.engine;
    let next = engine.create(&layout(17)).await.unwrap();
    assert!(!next.live);
    let found = engine.generations(17).await.unwrap();
    assert_eq!(found.iter().map(|one| one.live).collect::<Vec<_>>(), [true, false]);
    assert!(found.iter().all(|one| one.layout.as_ref() == Some(&layout(17))));
    assert_eq!(found[1].name, next.name);
    let mut writer = engine.writer(17, &next.name).await.unwrap();
    assert_eq!(writer.position(), 0);
    writer.write(batch(&documents, 30)).await.unwrap();
    assert_eq!(home.view(17, 10).await.count(&all()).await.unwrap(), 10);
    engine.promote(17, &next.name).await.unwrap();
    engine.promote(17, &next.name).await.unwrap();
    assert_eq!(home.view(17, 30).await.count(&all()).await.unwrap(), 30);
    assert_eq!(engine.generations(17).await.unwrap().len(), 1);
    // A view of what is gone says that a new one is needed.
    assert!(matches!(old.count(&all()).await, Err(SearchError::Fenced(_))));
    // A writer goes on where it was, also anew; a stretch without a record moves it too.
    writer.write(batch(&[], 44)).await.unwrap();
    assert_eq!(engine.writer(17, &next.name).await.unwrap().position(), 44);
    writer.write(batch(&[], 43)).await.unwrap();
    assert_eq!(writer.position(), 44);
    assert!(engine.promote(17, "nonsense").await.is_err());
    assert!(engine.writer(18, &next.name).await.is_err());
    assert_eq!(engine.streams().await.unwrap(), [17]);
    engine.discard(17, Some(&next.name)).await.unwrap();
    assert_eq!(engine.streams().await.unwrap(), Vec::<i64>::new());
    home.leave().await;
}

async fn the_second_of_two_writers_is_fenced(url: String) {
    let documents = documents(30);
    let home = Home::new(&url).await;
    let made = home.engine.create(&layout(17)).await.unwrap();
    home.engine.promote(17, &made.name).await.unwrap();
    let mut paused = home.engine.writer(17, &made.name).await.unwrap();
    let mut other = home.engine.writer(17, &made.name).await.unwrap();
    other.write(batch(&documents[..20], 20)).await.unwrap();
    let said = paused.write(batch(&documents[..10], 10)).await;
    assert!(matches!(said, Err(SearchError::Fenced(_))), "{said:?}");
    let said = paused.write(batch(&documents[..20], 20)).await;
    assert!(matches!(said, Err(SearchError::Fenced(_))), "{said:?}");
    other.write(batch(&documents[20..], 30)).await.unwrap();
    assert_eq!(home.view(17, 30).await.count(&all()).await.unwrap(), 30);
    home.leave().await;
}

/// The records that have a word that only the erased one had.
async fn marked(view: &View) -> i64 {
    let test = WordTest::Word("unheard".to_owned());
    let word = Condition::Words(Words { field: 0, test, positive: true });
    view.count(&Ask { condition: &word, ..all() }).await.unwrap()
}

async fn what_is_erased_never_comes_back(url: String) {
    let mut documents = documents(9);
    for document in &mut documents {
        document.fields[0] = vec![vec!["unheard".to_owned()]];
    }
    let home = Home::new(&url).await;
    let made = home.engine.create(&layout(17)).await.unwrap();
    home.engine.promote(17, &made.name).await.unwrap();
    let mut paused = home.engine.writer(17, &made.name).await.unwrap();
    let mut writer = home.engine.writer(17, &made.name).await.unwrap();
    let erased = |seq: i64, at: usize| Erased {
        seq,
        erased_seq: documents[at].seq,
        id: documents[at].id.clone(),
    };
    // One that is in, one of the same batch, one that never was in.
    writer.write(batch(&documents[..6], 6)).await.unwrap();
    assert_eq!(marked(&home.view(17, 6).await).await, 6);
    let next = Batch {
        documents: documents[6..8].to_vec(),
        erased: vec![erased(9, 2), erased(10, 7), erased(11, 8)],
        position: 11,
    };
    writer.write(next).await.unwrap();
    let view = home.view(17, 11).await;
    let left = (marked(&view).await, view.count(&all()).await.unwrap());
    assert_eq!(left, (6, 6));
    // Somebody who read the log before the records were erased.
    let said = paused.write(batch(&documents, 9)).await;
    assert!(matches!(said, Err(SearchError::Fenced(_))), "{said:?}");
    let view = home.view(17, 11).await;
    assert_eq!((marked(&view).await, view.count(&all()).await.unwrap()), left);
    let windows: i64 = view.windows(64).await.unwrap().iter().map(|window| window.count).sum();
    assert_eq!(windows, 6);
    // What was replaced is merged away, or the server says that it is kept for a while; also to a
    // writer that has not erased it.
    let mut writer = home.engine.writer(17, &made.name).await.unwrap();
    let merged = writer.expunge().await;
    let stats = ask("GET", &url, &format!("{}/_stats/docs", made.name), "").await;
    let is_gone = stats.contains(r#""deleted":0"#);
    match merged {
        Ok(()) => assert!(is_gone, "{stats}"),
        Err(SearchError::Unavailable(_)) => assert!(!is_gone, "{stats}"),
        Err(other) => panic!("{other:?}"),
    }
    home.leave().await;
}

async fn an_index_that_goes_is_damaged_and_not_made_again(url: String) {
    let documents = documents(9);
    let home = Home::new(&url).await;
    let made = home.engine.create(&layout(17)).await.unwrap();
    home.engine.promote(17, &made.name).await.unwrap();
    let mut first = home.engine.writer(17, &made.name).await.unwrap();
    let mut second = home.engine.writer(17, &made.name).await.unwrap();
    ask("DELETE", &url, &made.name, "").await;
    for (writer, batch) in [(&mut first, batch(&documents, 9)), (&mut second, batch(&[], 9))] {
        let said = writer.write(batch).await;
        assert!(matches!(said, Err(SearchError::Damaged(_))), "{said:?}");
    }
    let said = home.engine.writer(17, &made.name).await.err();
    assert!(matches!(said, Some(SearchError::Damaged(_))), "{said:?}");
    assert!(home.engine.promote(17, &made.name).await.is_err());
    assert!(home.engine.view(17).await.unwrap().is_none());
    assert_eq!(home.engine.generations(17).await.unwrap(), []);
    // A writer's own index may be there, and say nothing of what it holds.
    let made = home.engine.create(&layout(17)).await.unwrap();
    home.engine.promote(17, &made.name).await.unwrap();
    let meta = r#"{"_meta":{"forebay":{"deployment":"this one","layout":{"format":0}}}}"#;
    ask("PUT", &url, &format!("{}/_mapping", made.name), meta).await;
    assert_eq!(home.engine.generations(17).await.unwrap()[0].layout, None);
    home.leave().await;
}

async fn a_refused_document_is_told_and_the_others_are_in(url: String) {
    let mut documents = documents(5);
    let long = "s3cret".repeat(6000);
    documents[2].columns[0] = Some(forebay_filter::lower::Bound::Text(long));
    let (home, made) = {
        let home = Home::new(&url).await;
        let made = home.engine.create(&layout(17)).await.unwrap();
        (home, made)
    };
    let mut writer = home.engine.writer(17, &made.name).await.unwrap();
    let written = writer.write(batch(&documents, 5)).await.unwrap();
    let [(3, what)] = &written.refused[..] else { panic!("{written:?}") };
    assert!(!what.contains("s3cret") && !what.contains("115, 51"), "{what}");
    assert_eq!(writer.position(), 5);
    home.engine.promote(17, &made.name).await.unwrap();
    assert_eq!(home.view(17, 5).await.count(&all()).await.unwrap(), 4);
    home.leave().await;
}

/// A writer at 7 whose last erasure was change 3 of the index, on a server that keeps what was
/// replaced from some change on.
async fn erased_at_3(kept: i64) -> (Fake, Writer) {
    let name = format!("t-s17-{}", "0".repeat(32));
    let good = |body: Json| (200, "", body.to_string());
    let meta = json!({"forebay": {"deployment": "this one", "layout": layout(17)}});
    let leases = json!({"leases": [{"retaining_seq_no": 900}, {"retaining_seq_no": kept}]});
    let fake = Fake::new(vec![
        good(json!({"version": {"distribution": "opensearch", "number": "2.19.1"}})),
        good(json!({})),
        good(json!({&name: {"mappings": {"_meta": meta}}})),
        good(json!({"found": true, "_seq_no": 8, "_primary_term": 1,
            "fields": {"position": [7], "erased": [3]}})),
        good(json!({"indices": {&name: {"shards": {"0": [{"retention_leases": leases}]}}}})),
        good(json!({"_shards": {"failed": 0}})),
    ])
    .await;
    let settings = Outside { prefix: "t".to_owned(), ..settings(&fake.url) };
    let engine = Engine::open(&settings).await.unwrap();
    let writer = engine.writer(17, &name).await.unwrap();
    (fake, writer)
}

#[tokio::test]
async fn what_no_copy_needs_is_merged_away() {
    let (fake, mut writer) = erased_at_3(3).await;
    assert_eq!(writer.position(), 7);
    assert!(matches!(writer.expunge().await, Err(SearchError::Unavailable(_))));
    assert_eq!(fake.count(), 5);
    let (fake, mut writer) = erased_at_3(4).await;
    writer.expunge().await.unwrap();
    let asked = fake.asked.lock().unwrap()[5].to_lowercase();
    assert!(asked.contains("_forcemerge?only_expunge_deletes=true"), "{asked}");
    // One of the makers refuses a body here.
    assert!(!asked.contains("content-type"), "{asked}");
}

/// A server of a test's own, which is struck.
async fn struck(product: Product) {
    if lacks(&SearchServer::install(product)) {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let mut server = SearchServer::start(product, place.path()).unwrap();
    let documents = documents(60);
    let home = Home::new(&server.url()).await;
    let made = home.engine.create(&layout(17)).await.unwrap();
    home.engine.promote(17, &made.name).await.unwrap();
    let mut writer = home.engine.writer(17, &made.name).await.unwrap();
    writer.write(batch(&documents[..10], 10)).await.unwrap();
    full_disk(&server, &home, &documents).await;
    // What was acknowledged is there after a crash.
    let mut writer = home.engine.writer(17, &made.name).await.unwrap();
    assert_eq!(writer.position(), 20);
    server.stop(Stop::Immediate).unwrap();
    let said = writer.write(batch(&documents[20..30], 30)).await;
    assert!(matches!(said, Err(SearchError::Unavailable(_))), "{said:?}");
    assert!(matches!(home.engine.check().await, Err(SearchError::Unavailable(_))));
    assert!(matches!(
        Engine::open(&settings(&server.url())).await,
        Err(SearchError::Unavailable(_))
    ));
    server.start_again().unwrap();
    assert_eq!(home.view(17, 20).await.count(&all()).await.unwrap(), 20);
    lost_seconds(&mut server, &home, &made.name, &documents).await;
}

/// Nothing is skipped and nothing moves while the server takes no documents.
async fn full_disk(server: &SearchServer, home: &Home, documents: &[Document]) {
    let name = home.engine.generations(17).await.unwrap().remove(0).name;
    let mut writer = home.engine.writer(17, &name).await.unwrap();
    server.block_writes(true).unwrap();
    let said = writer.write(batch(&documents[10..20], 20)).await;
    assert!(matches!(said, Err(SearchError::Unavailable(_))), "{said:?}");
    let mut writer = home.engine.writer(17, &name).await.unwrap();
    assert_eq!(writer.position(), 10);
    let said = writer.write(batch(&[], 20)).await;
    assert!(matches!(said, Err(SearchError::Unavailable(_))), "{said:?}");
    assert_eq!(home.view(17, 10).await.count(&all()).await.unwrap(), 10);
    server.block_writes(false).unwrap();
    let mut writer = home.engine.writer(17, &name).await.unwrap();
    writer.write(batch(&documents[10..20], 20)).await.unwrap();
    assert_eq!(home.view(17, 20).await.count(&all()).await.unwrap(), 20);
}

/// Somebody has told the server not to wait for its disk, and it loses what it had acknowledged: the
/// writer that saw it acknowledged does not go on behind the hole.
async fn lost_seconds(server: &mut SearchServer, home: &Home, name: &str, documents: &[Document]) {
    let lazy = r#"{"index":{"translog":{"durability":"async","sync_interval":"1h"}}}"#;
    let (status, text) = server.ask("PUT", &format!("/{name}/_settings"), lazy).unwrap();
    assert_eq!(status, 200, "{text}");
    let mut writer = home.engine.writer(17, name).await.unwrap();
    writer.write(batch(&documents[20..30], 30)).await.unwrap();
    assert_eq!(home.view(17, 30).await.count(&all()).await.unwrap(), 30);
    server.stop(Stop::Immediate).unwrap();
    server.start_again().unwrap();
    let said = writer.write(batch(&documents[30..40], 40)).await;
    assert!(matches!(said, Err(SearchError::Fenced(_))), "{said:?}");
    let mut writer = home.engine.writer(17, name).await.unwrap();
    assert_eq!(writer.position(), 20);
    writer.write(batch(&documents[20..40], 40)).await.unwrap();
    assert_eq!(home.view(17, 40).await.count(&all()).await.unwrap(), 40);
}

#[tokio::test]
async fn an_elasticsearch_that_is_struck_loses_nothing() {
    struck(Product::Elasticsearch).await;
}

#[tokio::test]
async fn an_opensearch_that_is_struck_loses_nothing() {
    struck(Product::OpenSearch).await;
}
