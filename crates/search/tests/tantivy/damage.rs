//! Damaged files are told as such, and nothing panics through.

use std::fs;
use std::path::Path;

use forebay_filter::lower::Place;
use forebay_search::ask::Facet;
use forebay_search::{Ask, Batch, Engine, Grouping, Hits, Key, Order, Part, SearchError, View};

use crate::files::files;
use crate::open;
use crate::suite::conditions::Maker;
use crate::suite::documents::{TAGS, documents, layout};
use crate::suite::fresh;
use crate::suite::rng::{Rng, seed};

/// A folder with an index of a few segments.
async fn made(folder: &Path) {
    let engine = open(folder).await;
    let mut writer = fresh(&engine, &layout(4)).await;
    let mut rng = Rng::new(11);
    for batch in 0..3 {
        let first = batch * 50 + 1;
        let documents = documents(&mut rng, first..first + 50);
        let position = first + 49;
        writer.write(Batch { documents, erased: Vec::new(), position }).await.unwrap();
    }
}

/// Asks whatever there is to ask.
async fn ask(engine: &Engine) -> Result<(), SearchError> {
    let Some(view) = engine.view(4).await? else { return Ok(()) };
    let mut rng = Rng::new(12);
    let made = documents(&mut rng, 1..=20);
    let layout = layout(4);
    let maker = Maker { layout: &layout, documents: &made, compares: true };
    for _ in 0..20 {
        let condition = maker.condition(&mut rng, 2);
        let ask = Ask { condition: &condition, up_to: i64::MAX, without: &[] };
        view.count(&ask).await?;
        questions(&view, ask).await?;
    }
    view.windows(10).await.map(drop)
}

async fn questions(view: &View, ask: Ask<'_>) -> Result<(), SearchError> {
    let order = [
        Order { place: Place::Column(1), descending: false },
        Order { place: Place::Id, descending: true },
    ];
    let hits = Hits { ask, score: None, order: &order, after: None, limit: 100 };
    view.hits(&hits).await?;
    let hits = Hits { ask, score: Some(ask.condition), order: &[], after: None, limit: 100 };
    view.hits(&hits).await?;
    view.terms(&ask, Facet::Field(TAGS), 10).await?;
    let keys = [Key::Value(Place::Column(2))];
    let parts = [Part::Count, Part::Real(Place::Column(5)), Part::Least(Place::Id)];
    view.group(&Grouping { ask, keys: &keys, parts: &parts, limit: 1_000 }).await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whole_files_answer() {
    let folder = tempfile::tempdir().unwrap();
    made(folder.path()).await;
    let engine = open(folder.path()).await;
    ask(&engine).await.unwrap();
    let Engine::Tantivy(inside) = &engine else { panic!() };
    let name = engine.generations(4).await.unwrap()[0].name.clone();
    inside.verify(4, &name).await.unwrap();
}

/// Each file in turn is missing, cut off, emptied, or has other bytes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_is_told() {
    let whole = tempfile::tempdir().unwrap();
    made(whole.path()).await;
    let seed = seed();
    eprintln!("FOREBAY_TEST_SEED={seed}");
    let mut rng = Rng::new(seed);
    for file in files(whole.path()) {
        let name = file.file_name().unwrap().to_str().unwrap();
        if name.ends_with(".lock") || ["lock", "next", "live", ".managed.json"].contains(&name) {
            continue;
        }
        for how in 0..4 {
            let folder = tempfile::tempdir().unwrap();
            copy(whole.path(), folder.path());
            let there = folder.path().join(file.strip_prefix(whole.path()).unwrap());
            if !damage(&there, how, &mut rng) {
                continue;
            }
            let engine = open(folder.path()).await;
            let Engine::Tantivy(inside) = &engine else { panic!() };
            let asked = ask(&engine).await;
            let live = engine.generations(4).await.unwrap()[0].name.clone();
            let verified = inside.verify(4, &live).await;
            let is_damage = |error: &SearchError| matches!(error, SearchError::Damaged(_));
            let says = format!("{} ({how}): {asked:?}, {verified:?}", there.display());
            // What is not noticed on the way is found by who reads everything.
            assert!(asked.as_ref().is_ok() || asked.as_ref().is_err_and(is_damage), "{says}");
            assert!(verified.as_ref().is_err_and(is_damage), "{says}");
        }
    }
}

fn damage(file: &Path, how: usize, rng: &mut Rng) -> bool {
    let mut bytes = fs::read(file).unwrap();
    if bytes.is_empty() {
        return false;
    }
    match how {
        0 => return fs::remove_file(file).is_ok(),
        1 => bytes.truncate(rng.below(bytes.len())),
        2 => bytes.clear(),
        // The signs of a text's layout are free to differ.
        _ if file.extension() == Some("json".as_ref()) => bytes[0] = b'!',
        _ => {
            for _ in 0..8 {
                let at = rng.below(bytes.len());
                bytes[at] ^= u8::try_from(1 + rng.below(255)).unwrap();
            }
        }
    }
    fs::write(file, bytes).is_ok()
}

fn copy(from: &Path, to: &Path) {
    for file in files(from) {
        let there = to.join(file.strip_prefix(from).unwrap());
        fs::create_dir_all(there.parent().unwrap()).unwrap();
        fs::copy(&file, &there).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_gone_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path()).await;
    let mut writer = fresh(&engine, &layout(6)).await;
    let mut rng = Rng::new(1);
    let batch = |rng: &mut Rng, seq| Batch {
        documents: documents(rng, seq..=seq),
        erased: Vec::new(),
        position: seq,
    };
    writer.write(batch(&mut rng, 1)).await.unwrap();
    let name = engine.generations(6).await.unwrap()[0].name.clone();
    fs::remove_dir_all(folder.path().join("search/s6")).unwrap();
    assert!(matches!(writer.write(batch(&mut rng, 2)).await, Err(SearchError::Damaged(_))));
    drop(writer);
    assert!(matches!(engine.writer(6, &name).await.err(), Some(SearchError::Damaged(_))));
    assert!(engine.view(6).await.unwrap().is_none());
    assert!(matches!(engine.writer(6, "g77").await.err(), Some(SearchError::Damaged(_))));
    // And is built anew.
    fresh(&engine, &layout(6)).await.write(batch(&mut rng, 1)).await.unwrap();
}
