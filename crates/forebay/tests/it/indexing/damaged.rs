//! Files of an index inside that are gone or cut: built anew by itself, and nothing else is disturbed.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Bench, Place, messages, reached, records, same};
use crate::support::{Engine, Server};

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { all.extend(files(&path)) } else { all.push(path) }
    }
    all
}

/// Does something to the files of an index while nobody runs; it comes back.
async fn comes_back_after(damage: impl Fn(&Path)) {
    let bench = Bench::find(Place::Inside).unwrap();
    let mut s = bench.start(Engine::Sqlite).await;
    s.put("/v1/streams/a", messages()).await.expect(201);
    s.post("/v1/streams/a/records", records(0, 500)).await.expect(200);
    reached(&s, "a", 500).await;
    s.kill();
    damage(&s.data.path().join("search"));
    s.restart_with(&[]);
    still_serves(&s).await;
    reached(&s, "a", 501).await;
    same(&s, 501).await;
}

async fn still_serves(s: &Server) {
    s.post("/v1/streams/a/records", records(500, 1)).await.expect(200);
    let page = s.get("/v1/streams/a/records?limit=2").await.expect(200);
    assert_eq!(page["items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn all_files_are_gone() {
    comes_back_after(|folder| fs::remove_dir_all(folder).unwrap()).await;
}

#[tokio::test]
async fn each_file_is_empty() {
    comes_back_after(|folder| {
        for file in files(folder) {
            fs::write(file, b"").unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn each_long_file_is_cut() {
    comes_back_after(|folder| {
        for file in files(folder) {
            let length = fs::metadata(&file).unwrap().len();
            if length > 200 {
                fs::File::options().write(true).open(file).unwrap().set_len(length / 2).unwrap();
            }
        }
    })
    .await;
}

#[tokio::test]
async fn one_file_of_an_index_is_gone() {
    comes_back_after(|folder| {
        let mut all = files(folder);
        all.sort_by_key(|file| fs::metadata(file).unwrap().len());
        fs::remove_file(all.last().unwrap()).unwrap();
    })
    .await;
}
