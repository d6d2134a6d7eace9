//! Several processes on one database, engines that go away, disks that fill.

use std::collections::HashSet;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{Engine, KEY, Server, orders};

const STREAMS: [&str; 3] = ["one", "two", "three"];

/// Writes batches over all streams in changing orders until told to stop; errors that the house
/// must not show end the test.
async fn write(addresses: Vec<String>, writer: usize, stop: Arc<AtomicBool>, told: Arc<AtomicU64>) {
    let client = crate::support::client();
    for round in 0_usize.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let mut streams = STREAMS.to_vec();
        streams.rotate_left((round + writer) % 3);
        let entry = |s: &&str| json!({"stream": s, "records": [{"data": {"n": round}}]});
        let body: Vec<Value> = streams.iter().map(entry).collect();
        let address = &addresses[(writer + round) % addresses.len()];
        let url = format!("http://{address}/v1/batch");
        // A killed process answers nobody.
        let Ok(response) = client.post(url).bearer_auth(KEY).json(&body).send().await else {
            tokio::task::yield_now().await;
            continue;
        };
        let status = response.status();
        let Ok(text) = response.text().await else { continue };
        assert!(status == 200 || status == StatusCode::SERVICE_UNAVAILABLE, "{status} {text}");
        if status == 200 {
            told.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[tokio::test]
async fn four_processes_on_one_database_never_skip_a_reader() {
    let first = Server::start(Engine::Postgres).await;
    for stream in STREAMS {
        first.put(&format!("/v1/streams/{stream}"), orders()).await.expect(201);
    }
    let mut others = Vec::new();
    for _ in 0..3 {
        others.push(Server::beside(&first));
    }
    let mut addresses = vec![first.address.clone()];
    addresses.extend(others.iter().map(|s| s.address.clone()));
    let (stop, told) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let writers: Vec<_> = (0..8)
        .map(|writer| tokio::spawn(write(addresses.clone(), writer, stop.clone(), told.clone())))
        .collect();
    // A reader walks by `seq > cursor`, while one process is killed again and again.
    let (mut cursor, mut seen) = (0, 0);
    for kill in 0..6 {
        let until = told.load(Ordering::Relaxed) + 40;
        while told.load(Ordering::Relaxed) < until {
            let mut events = first
                .request(reqwest::Method::GET, &format!("/v1/streams/one/subscribe?after={cursor}"))
                .send()
                .await
                .unwrap();
            let chunk = events.chunk().await.unwrap().unwrap();
            let text = String::from_utf8(chunk.to_vec()).unwrap();
            for id in text.split("\n\n").filter(|e| e.contains("\ndata: {\"record\"")) {
                let id = id.lines().find_map(|l| l.strip_prefix("id: 1-")).unwrap();
                assert_eq!(id.parse::<i64>().unwrap(), cursor + 1, "the reader was skipped");
                cursor += 1;
                seen += 1;
            }
        }
        let victim = &mut others[kill % 3];
        victim.kill();
        victim.restart_at_same_place();
    }
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.unwrap();
    }
    assert!(seen > 0);
    for stream in STREAMS {
        whole(&first, stream).await;
    }
}

#[tokio::test]
async fn sessions_that_break_lose_nothing_and_repeat_nothing() {
    let s = Server::start(Engine::Postgres).await;
    for stream in STREAMS {
        s.put(&format!("/v1/streams/{stream}"), orders()).await.expect(201);
    }
    let database = s.database.clone().unwrap();
    let (admin, connection) =
        tokio_postgres::connect(&database, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let (stop, told) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let writers: Vec<_> = (0..4)
        .map(|w| tokio::spawn(write(vec![s.address.clone()], w, stop.clone(), told.clone())))
        .collect();
    for _ in 0..20 {
        let until = told.load(Ordering::Relaxed) + 10;
        while told.load(Ordering::Relaxed) < until {
            tokio::task::yield_now().await;
        }
        let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                   WHERE datname = current_database() AND pid <> pg_backend_pid()";
        admin.query(cut, &[]).await.unwrap();
    }
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.unwrap();
    }
    // Each request wrote one record to each stream, once, and each was told so.
    let told = i64::try_from(told.load(Ordering::Relaxed)).unwrap();
    for stream in STREAMS {
        let last = whole(&s, stream).await;
        assert!(last >= told, "{last} of {told}");
    }
}

async fn whole(s: &Server, stream: &str) -> i64 {
    let export = s.get(&format!("/v1/streams/{stream}/export")).await;
    let mut ids = HashSet::new();
    let mut last = 0;
    for line in export.text.lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        last += 1;
        assert_eq!(record["seq"], last);
        assert!(ids.insert(record["id"].as_str().unwrap().to_owned()));
    }
    assert_eq!(s.get(&format!("/v1/streams/{stream}")).await.expect(200)["last_seq"], last);
    last
}

#[tokio::test]
async fn a_full_disk_is_an_honest_no_and_passes() {
    let folder = tempfile::tempdir().unwrap();
    let mount = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=6m", "tmpfs"])
        .arg(folder.path())
        .status();
    if !mount.is_ok_and(|status| status.success()) {
        // Only root may mount: the check is made where it can be.
        return;
    }
    let unmount = Unmount(folder.path().to_owned());
    let database = format!("sqlite:{}", folder.path().join("records.db").display());
    let s = Server::start_with(Engine::Sqlite, &[("DATABASE_URL", &database)]).await;
    s.put("/v1/streams/one", orders()).await.expect(201);
    let ballast = folder.path().join("ballast");
    std::fs::write(&ballast, vec![0; 2 << 20]).unwrap();
    let records: Vec<Value> = (0..500).map(|n| json!({"n": n, "owner": "x".repeat(200)})).collect();
    let mut accepted = 0;
    let refused = loop {
        let answer = s.post("/v1/streams/one/records?return=minimal", json!(records)).await;
        match answer.status.as_u16() {
            200 => accepted += 500,
            _ => break answer,
        }
        assert!(accepted < 100_000, "the disk never fills");
    };
    refused.problem(503, "engine_unavailable");
    assert_eq!(whole(&s, "one").await, accepted);
    std::fs::remove_file(ballast).unwrap();
    s.post("/v1/streams/one/records", json!({"n": 1})).await.expect(200);
    assert_eq!(whole(&s, "one").await, accepted + 1);
    drop(s);
    drop(unmount);
}

struct Unmount(std::path::PathBuf);

impl Drop for Unmount {
    fn drop(&mut self) {
        // A leftover mount of a few megabytes is all that can remain.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
