//! What it costs to tell a record to those who follow.

use std::time::Instant;

use anyhow::{Result, ensure};
use serde_json::json;

use crate::server::Server;
use crate::{KEY, database, sessions_micros};

const READERS: usize = 64;
const BATCHES: usize = 20;
const BATCH: usize = 100;

/// Returns events per second and the server's CPU per event, in microseconds. The writes are part
/// of it: a record's own cost is spread over its readers.
pub(crate) async fn deliver(server: &Server) -> Result<(f64, f64)> {
    let client = reqwest::Client::new();
    let stream = format!("http://{}/v1/streams/bench", server.address);
    let mut readers = Vec::new();
    for _ in 0..READERS {
        let asked = client.get(format!("{stream}/subscribe")).bearer_auth(KEY).send().await?;
        ensure!(asked.status() == 200, "{}", asked.status());
        readers.push(tokio::spawn(read(asked)));
    }
    let text = "a text that makes the record as long as the ones that were agreed on, ".repeat(2);
    let record =
        |n: usize| json!({"region": "eu", "kind": n % 7, "ms": 12.5, "text": text, "n": n});
    let lines: String = (0..BATCH).map(|n| format!("{}\n", record(n))).collect();
    let (before, began) = (used(server)?, Instant::now());
    for _ in 0..BATCHES {
        let post = client.post(format!("{stream}/records?return=minimal")).bearer_auth(KEY);
        let post = post.header("content-type", "application/x-ndjson").body(lines.clone());
        ensure!(post.send().await?.status() == 200, "a batch was refused");
    }
    let mut events = 0;
    for reader in readers {
        events += reader.await??;
    }
    let (took, cost) = (began.elapsed().as_secs_f64(), used(server)? - before);
    #[allow(clippy::cast_precision_loss, reason = "thousands")]
    let events = events as f64;
    Ok((events / took, cost / events))
}

fn used(server: &Server) -> Result<f64> {
    Ok(server.cpu_micros()? + sessions_micros(database().as_deref()))
}

/// Reads until every record was told.
async fn read(mut response: reqwest::Response) -> Result<usize> {
    let mut events = 0;
    while events < BATCHES * BATCH {
        let Some(chunk) = response.chunk().await? else { break };
        events += chunk.windows(7).filter(|bytes| *bytes == b"event: ").count();
    }
    ensure!(events >= BATCHES * BATCH, "only {events} events came");
    Ok(events)
}
