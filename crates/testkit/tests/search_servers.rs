//! The search servers do what tests of Forebay rely on.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where its expectation does")]

use std::path::Path;

use forebay_testkit::{Product, SearchServer, Stop, lacks};

/// Writes one document with the version that its log has for it; returns the answer's core.
fn write(server: &SearchServer, version: u64) -> String {
    let action = format!(
        r#"{{"index": {{"_index": "a", "_id": "1", "version": {version}, "version_type": "external"}}}}"#
    );
    let lines = format!("{action}\n{{\"written\":{version}}}\n");
    let (status, text) = server.ask("POST", "/_bulk?filter_path=items.*.status", &lines).unwrap();
    assert_eq!(status, 200, "{text}");
    text
}

fn answered(status: u16) -> String {
    format!(r#"{{"items":[{{"index":{{"status":{status}}}}}]}}"#)
}

fn found(server: &SearchServer) -> (u16, String) {
    server.ask("GET", "/a/_doc/1?filter_path=_version,_source", "").unwrap()
}

/// Waits until the kernel has stopped the process.
fn stopped(folder: &Path) {
    let pid = std::fs::read_to_string(folder.join("pid")).unwrap();
    while !std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap().contains(") T ") {
        std::thread::yield_now();
    }
}

fn serves(product: Product) {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    assert!(SearchServer::find(product, folder).unwrap().is_none());
    let mut server = SearchServer::start(product, folder).unwrap();
    let (status, who) = server.ask("GET", "/", "").unwrap();
    assert_eq!((status, who.contains(r#""opensearch""#)), (200, product == Product::OpenSearch));
    assert_eq!(write(&server, 7), answered(201));
    assert_eq!(write(&server, 6), answered(409));
    server.block_writes(true).unwrap();
    assert_eq!(write(&server, 8), answered(429));
    server.block_writes(false).unwrap();
    assert_eq!(write(&server, 8), answered(200));
    server.pause().unwrap();
    stopped(folder);
    server.resume().unwrap();
    let latest = (200, r#"{"_version":8,"_source":{"written":8}}"#.to_owned());
    assert_eq!(found(&server), latest);
    let url = server.url();
    assert_eq!(SearchServer::find(product, folder).unwrap().unwrap().url(), url);
    server.stop(Stop::Immediate).unwrap();
    assert!(SearchServer::find(product, folder).unwrap().is_none());
    assert!(server.ask("GET", "/", "").is_err());
    server.start_again().unwrap();
    assert_eq!(server.url(), url);
    assert_eq!(found(&server), latest);
    assert_eq!(write(&server, 8), answered(409));
    // In order, though it was paused, and by somebody who has only found it.
    server.pause().unwrap();
    SearchServer::find(product, folder).unwrap().unwrap().stop(Stop::Fast).unwrap();
    assert!(SearchServer::find(product, folder).unwrap().is_none());
}

#[test]
fn documents_and_their_versions_outlive_a_kill() {
    if Product::ALL.iter().any(|product| lacks(&SearchServer::install(*product))) {
        return;
    }
    std::thread::scope(|both| {
        for product in Product::ALL {
            both.spawn(move || serves(product));
        }
    });
}
