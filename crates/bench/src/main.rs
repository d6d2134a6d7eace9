//! What an operation costs: the server's CPU per operation at saturation, beside a bare hyper
//! handler that answers the same bytes, in the same run.
//!
//! `cargo build --release && cargo run --release -p forebay-bench` (needs `wrk`; `DATABASE_URL`
//! chooses the engine as everywhere; with the argument `identity`: what it costs to know who asks;
//! with `gateway`: what it costs to pass it). The figures are the server's own time (user and system; with
//! PostgreSQL its sessions' too), so that a busy machine changes them less than it changes a rate.

#![allow(
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::cast_possible_truncation,
    reason = "figures are rounded"
)]

mod bare;
mod events;
mod gateway;
mod identity;
mod raw;
mod server;
mod several;

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use server::{Server, sessions_micros};

const KEY: &str = "bench";
/// Several processes of one deployment share it.
const MASTER_KEY: &str = "a master key for measurements alone";
const SECONDS: &str = "5s";
const LINES: usize = 500;

/// One thing that is measured.
struct Case {
    name: &'static str,
    connections: &'static str,
    path: &'static str,
    /// The body of a POST; a GET without it.
    body: Option<String>,
    /// Records of one request.
    records: u64,
    /// What is shown.
    key: String,
}

#[tokio::main]
async fn main() -> Result<()> {
    if std::env::args().nth(1).as_deref() == Some("bare") {
        return bare::serve().await;
    }
    // A second call would find the same provider in place.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let binary = std::env::current_exe()?.with_file_name("forebay");
    if std::env::args().nth(1).as_deref() == Some("identity") {
        std::io::stdout().write_all(identity::all(&binary).await?.as_bytes())?;
        return Ok(());
    }
    if std::env::args().nth(1).as_deref() == Some("gateway") {
        std::io::stdout().write_all(gateway::all(&binary).await?.as_bytes())?;
        return Ok(());
    }
    let data = tempfile::tempdir()?;
    let server = Server::forebay(&binary, data.path())?;
    let mut table = String::new();
    let ready = server.ready_after.as_secs_f64() * 1000.0;
    writeln!(table, "ready after {ready:.0} ms, {:.1} MiB when idle", server.memory_mib()?)?;
    prepare(&server).await?;
    writeln!(
        table,
        "{:24}{:>12}{:>14}{:>14}{:>10}",
        "case", "ops/s", "CPU us/op", "bare us/op", "ratio"
    )?;
    for case in cases() {
        let (rate, cost) = measure(&server, &case, data.path())?;
        let answer = answer_bytes(&server, &case).await?;
        let bare = Server::bare(answer)?;
        let (_, bare_cost) = measure(&bare, &case, data.path())?;
        let per = |cost: f64| cost / case.records as f64;
        let (cost, bare_cost) = (per(cost), per(bare_cost));
        let rate = rate * case.records as f64;
        let ratio = cost / bare_cost;
        writeln!(table, "{:24}{rate:>12.0}{cost:>14.2}{bare_cost:>14.2}{ratio:>10.2}", case.name)?;
    }
    let (rate, cost) = events::deliver(&server).await?;
    writeln!(table, "{:24}{rate:>12.0}{cost:>14.2}", "SSE event, 64 readers")?;
    writeln!(table, "{:24}{:>12.1} MiB afterwards", "memory", server.memory_mib()?)?;
    if let Some(database) = database() {
        for case in cases().iter().filter(|case| matches!(case.connections, "256" | "4")) {
            several::measure(&binary, (&server, case), &database, data.path(), &mut table)?;
        }
    }
    for (name, cost) in raw::sqlite(data.path())? {
        writeln!(table, "{name:24}{:>12}{cost:>14.2}", "")?;
    }
    std::io::stdout().write_all(table.as_bytes())?;
    Ok(())
}

fn cases() -> Vec<Case> {
    let record = |n: usize| {
        let text =
            "a text that makes the record as long as the ones that were agreed on, ".repeat(2);
        let region = ["eu", "us", "ap"][n % 3];
        json!({"region": region, "kind": n % 7, "ms": 12.5, "text": text, "n": n})
    };
    let lines: String = (0..LINES).map(|n| format!("{}\n", record(n))).collect();
    let records = "/v1/streams/bench/records?return=minimal";
    vec![
        Case {
            name: "create, 64 clients",
            connections: "64",
            path: records,
            body: Some(record(1).to_string()),
            records: 1,
            key: KEY.to_owned(),
        },
        Case {
            name: "create, 256 clients",
            connections: "256",
            path: records,
            body: Some(record(1).to_string()),
            records: 1,
            key: KEY.to_owned(),
        },
        Case {
            name: "NDJSON, 4 clients",
            connections: "4",
            path: records,
            body: Some(lines),
            records: LINES as u64,
            key: KEY.to_owned(),
        },
        Case {
            name: "get, 64 clients",
            connections: "64",
            path: "/v1/streams/bench/records/first",
            body: None,
            records: 1,
            key: KEY.to_owned(),
        },
        Case {
            name: "list 20 by an index",
            connections: "16",
            path: "/v1/streams/bench/records?limit=20&filter=data.kind%20%3D%3D%20100",
            body: None,
            records: 1,
            key: KEY.to_owned(),
        },
    ]
}

async fn prepare(server: &Server) -> Result<()> {
    let client = reqwest::Client::new();
    let stream = format!("http://{}/v1/streams/bench", server.address);
    // It is there when the database was measured before.
    client.delete(&stream).bearer_auth(KEY).send().await?;
    let indexed = |kind: &str| json!({"type": kind, "x-index": true});
    let schema = json!({"type": "object", "properties": {
        "region": indexed("string"), "kind": indexed("integer"), "ms": {"type": "number"}}});
    let made = client.put(&stream).bearer_auth(KEY).json(&json!({"schema": schema})).send().await?;
    ensure!(made.status().is_success(), "{}", made.text().await?);
    let mut records = vec![json!({"id": "first", "data": {"region": "eu", "kind": 1, "ms": 1.5}})];
    // What the list finds: forty among thousands of others.
    records
        .extend((0..40).map(|n| json!({"data": {"region": "eu", "kind": 100, "ms": 1.5, "n": n}})));
    let path = format!("{stream}/records?envelope=true");
    let made = client.post(path).bearer_auth(KEY).json(&records).send().await?;
    ensure!(made.status().is_success(), "{}", made.text().await?);
    Ok(())
}

/// The PostgreSQL database that is measured, where it is one.
fn database() -> Option<String> {
    #[allow(clippy::disallowed_methods, reason = "the server reads the same variable")]
    let url = std::env::var("DATABASE_URL").ok()?;
    url.starts_with("postgres").then(|| url.rsplit('/').next().unwrap_or_default().to_owned())
}

/// How long an answer of this case is.
async fn answer_bytes(server: &Server, case: &Case) -> Result<usize> {
    let client = reqwest::Client::new();
    let url = format!("http://{}{}", server.address, case.path);
    let request = match &case.body {
        Some(body) => {
            client.post(url).body(body.clone()).header("content-type", "application/x-ndjson")
        }
        None => client.get(url),
    };
    let answer = request.bearer_auth(KEY).send().await?;
    ensure!(answer.status() == 200, "{} {}", answer.status(), answer.text().await?);
    Ok(answer.bytes().await?.len())
}

/// Runs the load; returns requests per second and the server's CPU per request, in microseconds.
fn measure(server: &Server, case: &Case, scratch: &Path) -> Result<(f64, f64)> {
    let database = database();
    let before = server.cpu_micros()? + sessions_micros(database.as_deref());
    let load = load(server, case, case.connections, scratch)?;
    let after = server.cpu_micros()? + sessions_micros(database.as_deref());
    Ok((load.rate, (after - before) / load.requests))
}

/// What the load generator did.
struct Load {
    requests: f64,
    /// A second.
    rate: f64,
}

fn load(server: &Server, case: &Case, connections: &str, scratch: &Path) -> Result<Load> {
    let name = server.address.replace(':', "-");
    let script = scratch.join(format!("{name}.lua"));
    let mut lua = format!("wrk.headers[\"Authorization\"] = \"Bearer {}\"\n", case.key);
    if let Some(body) = &case.body {
        lua.push_str(
            "wrk.method = \"POST\"\nwrk.headers[\"Content-Type\"] = \"application/x-ndjson\"\n",
        );
        writeln!(lua, "wrk.body = [==[{body}]==]")?;
    }
    lua.push_str("done = function(s, l, r) io.write(string.format(\"RESULT %d %d %d\\n\", s.requests, s.duration, s.errors.status)) end\n");
    std::fs::write(&script, lua)?;
    let url = format!("http://{}{}", server.address, case.path);
    let mut wrk = Command::new("wrk");
    wrk.args(["-t1", "-c", connections, "-d", SECONDS, "-s"]).arg(&script).arg(url);
    let output = wrk.output().context("wrk is needed: apt-get install wrk")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find_map(|l| l.strip_prefix("RESULT ")).context("wrk said nothing")?;
    let numbers: Vec<f64> = line.split(' ').map(str::parse).collect::<Result<_, _>>()?;
    let [requests, micros, errors] = numbers[..] else { anyhow::bail!("wrk said {line}") };
    ensure!(errors == 0.0, "{errors} requests failed");
    Ok(Load { requests, rate: requests / micros * 1e6 })
}
