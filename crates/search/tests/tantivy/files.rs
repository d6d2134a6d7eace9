//! What lies in files: durable, of one process, without what was erased.

use std::path::{Path, PathBuf};

use forebay_filter::lower::{Bound, Condition};
use forebay_search::settings::Inside;
use forebay_search::{Ask, Batch, Engine, Erased, SearchError, Settings};

use crate::open;
use crate::suite::documents::{document, documents, layout};
use crate::suite::rng::Rng;
use crate::suite::{fresh, seqs};

/// Every file below a folder.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = std::fs::read_dir(folder) else { return found };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// The files that have a word, but for its first letters: those it may share with another.
fn holding(folder: &Path, word: &str) -> Vec<PathBuf> {
    let rest = word.as_bytes().get(3..).unwrap();
    let within = |path: &PathBuf| {
        let bytes = std::fs::read(path).unwrap_or_default();
        bytes.windows(rest.len()).any(|window| window == rest)
    };
    files(folder).into_iter().filter(within).collect()
}

#[tokio::test]
async fn an_index_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut rng = Rng::new(3);
    let engine = open(folder.path()).await;
    let mut writer = fresh(&engine, &layout(5)).await;
    let made = documents(&mut rng, 1..=50);
    let batch = Batch { documents: made.clone(), erased: Vec::new(), position: 60 };
    writer.write(batch).await.unwrap();
    let name = engine.generations(5).await.unwrap()[0].name.clone();
    // Never committed: nothing of it is there again.
    drop((writer, engine));
    let engine = open(folder.path()).await;
    assert_eq!(engine.streams().await.unwrap(), [5]);
    let view = engine.view(5).await.unwrap().unwrap();
    assert_eq!((view.indexed_seq(), view.layout()), (60, &layout(5)));
    assert_eq!(seqs(&view, &Condition::All).await, (1..=50).collect::<Vec<i64>>());
    let mut writer = engine.writer(5, &name).await.unwrap();
    assert_eq!(writer.position(), 60);
    let next = Batch { documents: documents(&mut rng, 61..=61), erased: Vec::new(), position: 61 };
    writer.write(next).await.unwrap();
    let view = engine.view(5).await.unwrap().unwrap();
    assert_eq!(seqs(&view, &Condition::All).await.len(), 51);
}

#[tokio::test]
async fn a_folder_is_of_one_process() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path()).await;
    let inside = Inside { folder: folder.path().join("search"), memory: 1 };
    let second = Engine::open(&Settings::Inside(inside)).await;
    assert!(matches!(second.err(), Some(SearchError::Unfit(_))));
    drop(first);
    open(folder.path()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_indexes_are_written_at_once_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path()).await;
    let mut writers = Vec::new();
    for stream in [1, 2] {
        writers.push(fresh(&engine, &layout(stream)).await);
    }
    let third = engine.create(&layout(3)).await.unwrap();
    let asked = engine.clone();
    let name = third.name.clone();
    let mut waiting = tokio::spawn(async move { asked.writer(3, &name).await });
    // It has every chance to come forward, and does not.
    for _ in 0..100 {
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
    }
    let mut rng = Rng::new(1);
    let batch = Batch { documents: documents(&mut rng, 1..=3), erased: Vec::new(), position: 3 };
    writers[0].write(batch.clone()).await.unwrap();
    // One index has one writer.
    let name = engine.generations(1).await.unwrap()[0].name.clone();
    assert!(matches!(engine.writer(1, &name).await.err(), Some(SearchError::Fenced(_))));
    drop(writers.pop());
    let mut writer = (&mut waiting).await.unwrap().unwrap();
    writer.write(batch).await.unwrap();
    assert_eq!(writer.position(), 3);
}

#[tokio::test]
async fn erased_words_are_in_no_file() {
    const WORDS: [&str; 4] = ["supercalifragilistic", "plaintag", "columntext", "erasedid"];
    let spelt = &WORDS[1..];
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path()).await;
    let mut writer = fresh(&engine, &layout(9)).await;
    let mut rng = Rng::new(4);
    for batch in 0..5 {
        let first = batch * 10 + 1;
        let mut made = documents(&mut rng, first..first + 10);
        if batch == 2 {
            let mut secret = document(&mut rng, 25);
            secret.fields[0] = vec![vec![WORDS[0].to_owned()]];
            secret.fields[2] = vec![vec![WORDS[1].to_owned()]];
            secret.columns[0] = Some(Bound::Text(WORDS[2].to_owned()));
            secret.id = WORDS[3].to_owned();
            made[4] = secret;
        }
        let position = first + 9;
        writer.write(Batch { documents: made, erased: Vec::new(), position }).await.unwrap();
    }
    // Columns spell values out. Words stand in automata: they go with their segment.
    let old: Vec<PathBuf> = spelt.iter().flat_map(|word| holding(folder.path(), word)).collect();
    assert!(spelt.iter().all(|word| !holding(folder.path(), word).is_empty()));
    let erased = vec![Erased { seq: 51, erased_seq: 25, id: WORDS[3].to_owned() }];
    let seen = engine.view(9).await.unwrap().unwrap();
    writer.write(Batch { documents: Vec::new(), erased, position: 51 }).await.unwrap();
    writer.expunge().await.unwrap();
    for word in spelt {
        assert_eq!(holding(folder.path(), word), Vec::<PathBuf>::new(), "{word}");
    }
    let segments: Vec<_> = old.iter().map(|file| file.file_stem().unwrap()).collect();
    let is_old = |file: &PathBuf| segments.contains(&file.file_stem().unwrap());
    assert!(!files(folder.path()).iter().any(is_old));
    // Who looked at it before still sees what was there then.
    assert_eq!(seqs(&seen, &Condition::All).await.len(), 50);
    let view = engine.view(9).await.unwrap().unwrap();
    assert_eq!(seqs(&view, &Condition::All).await.len(), 49);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn segments_are_merged_while_batches_come() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path()).await;
    let mut writer = fresh(&engine, &layout(2)).await;
    let mut rng = Rng::new(8);
    for seq in 1..=150 {
        let made = documents(&mut rng, seq..=seq);
        writer.write(Batch { documents: made, erased: Vec::new(), position: seq }).await.unwrap();
        if seq % 40 == 0 {
            // Who goes on writing meets the merges of before.
            let name = engine.generations(2).await.unwrap()[0].name.clone();
            drop(writer);
            writer = engine.writer(2, &name).await.unwrap();
        }
    }
    writer.expunge().await.unwrap();
    let is_segment = |file: &&PathBuf| file.extension() == Some("fast".as_ref());
    assert!(files(folder.path()).iter().filter(is_segment).count() < 40);
    let view = engine.view(2).await.unwrap().unwrap();
    assert_eq!(seqs(&view, &Condition::All).await, (1..=150).collect::<Vec<i64>>());
}

/// A full disk ends a writer; when there is space again, the next one goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "wants a file system of a few megabytes in FOREBAY_TEST_SMALL_DISK"]
async fn a_full_disk_is_waited_for() {
    let disk = PathBuf::from(std::env::var_os("FOREBAY_TEST_SMALL_DISK").unwrap());
    let ballast = disk.join("ballast");
    // All but a few hundred kilobytes.
    let mut file = std::fs::File::create(&ballast).unwrap();
    while std::io::Write::write_all(&mut file, &[1; 1 << 16]).is_ok() {}
    file.set_len(file.metadata().unwrap().len() - (5 << 16)).unwrap();
    drop(file);
    let folder = tempfile::tempdir_in(&disk).unwrap();
    let engine = open(folder.path()).await;
    let mut writer = fresh(&engine, &layout(2)).await;
    let name = engine.generations(2).await.unwrap()[0].name.clone();
    let mut rng = Rng::new(8);
    let mut full = 0;
    let mut position = 0;
    while position < 6_000 {
        let made = documents(&mut rng, position + 1..=position + 500);
        let batch = Batch { documents: made, erased: Vec::new(), position: position + 500 };
        match writer.write(batch).await {
            Ok(_) => position += 500,
            Err(SearchError::Unavailable(_)) => {
                full += 1;
                assert!(full < 50, "there is space again");
                let seen = engine.view(2).await.unwrap().unwrap();
                assert_eq!(seen.indexed_seq(), position);
                drop(writer);
                if full == 3 {
                    std::fs::remove_file(&ballast).unwrap();
                }
                writer = engine.writer(2, &name).await.unwrap();
                assert_eq!(writer.position(), position);
            }
            Err(error) => panic!("{error:?} at {position}"),
        }
    }
    assert!(full >= 3, "it was full");
    let view = engine.view(2).await.unwrap().unwrap();
    let ask = Ask { condition: &Condition::All, up_to: i64::MAX, without: &[] };
    assert_eq!(view.count(&ask).await.unwrap(), 6_000);
}
