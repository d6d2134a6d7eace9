//! The gateway as a proxy, beside nginx and HAProxy before the same backend in the same run: CPU of
//! the proxy's own processes a request, latencies, memory of idle connections, and reloads.
//!
//! `apt-get install nginx-light haproxy wrk`; who is missing is left out. Rounds take turns, so that a
//! busy machine is as busy for each; the ratios are what to look at.

#![expect(clippy::disallowed_methods, reason = "a load keeps its pace, a start is looked for")]

mod idle;
mod load;
mod proxies;
mod reload;

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;

use crate::server::Server;
use load::Told;
use proxies::{Forebay, Proxy};

const CONNECTIONS: usize = 64;
const ROUNDS: usize = 5;
const ANSWER: usize = 1024;

/// What is measured of one proxy, in each round.
struct Row {
    name: &'static str,
    rounds: Vec<(Told, f64)>,
}

impl Row {
    /// The middle one of what is told of each round.
    fn middle(&self, of: impl Fn(&(Told, f64)) -> f64) -> f64 {
        middle(self.rounds.iter().map(of).collect())
    }

    /// CPU a request beside another row's, round by round.
    fn ratio(&self, to: &Row) -> f64 {
        let pairs = self.rounds.iter().zip(&to.rounds);
        middle(pairs.map(|((_, own), (_, other))| own / other).collect())
    }
}

fn middle(mut all: Vec<f64>) -> f64 {
    all.sort_unstable_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Measures all of it; the table's lines.
pub(crate) async fn all(binary: &Path) -> Result<String> {
    let backend = Server::bare(ANSWER)?;
    let mut table = String::new();
    let only = std::env::args().nth(2);
    let wanted = |part: &str| only.as_deref().is_none_or(|only| only == part);
    for (name, threads) in [("one thread each", 1), ("two threads each", 2)] {
        if !wanted("proxied") && !wanted(&format!("proxied{threads}")) {
            continue;
        }
        let mut proxies = proxies::peers(&backend.address, threads)?;
        for kind in
            [Forebay::PLAIN, Forebay::LIMITED, Forebay::KNOWN, Forebay::LOGGED, Forebay::ALL]
        {
            proxies.push(proxies::forebay(binary, &backend.address, threads, kind).await?);
        }
        let rows = rounds(&proxies)?;
        writeln!(table, "proxied, 1 KiB, {CONNECTIONS} connections, {name} (load {})", busy())?;
        print(&rows, &mut table)?;
        if threads == 1 {
            paced(&proxies, &rows, &mut table)?;
        }
    }
    if wanted("inside") {
        inside(binary, &backend, &mut table).await?;
    }
    if wanted("idle") {
        idle::measure(binary, &backend.address, &mut table).await?;
    }
    if wanted("reload") {
        reload::measure(binary, &backend.address, &mut table).await?;
    }
    Ok(table)
}

/// Loads each in turn.
fn rounds(proxies: &[Proxy]) -> Result<Vec<Row>> {
    let mut rows: Vec<Row> =
        proxies.iter().map(|proxy| Row { name: proxy.name, rounds: Vec::new() }).collect();
    for round in 0..=ROUNDS {
        for (proxy, row) in proxies.iter().zip(&mut rows) {
            let before = proxy.cpu_micros()?;
            let told = load::full(proxy, CONNECTIONS)?;
            let cost = (proxy.cpu_micros()? - before) / told.requests;
            // The first one warms up.
            if round > 0 {
                row.rounds.push((told, cost));
            }
        }
    }
    Ok(rows)
}

fn print(rows: &[Row], table: &mut String) -> Result<()> {
    let nginx = rows.iter().find(|row| row.name == proxies::NGINX);
    writeln!(
        table,
        "{:34}{:>9}{:>9}{:>12}{:>10}{:>10}",
        "", "CPU us", "x nginx", "requests/s", "p50 ms", "p99 ms"
    )?;
    for row in rows {
        let cost = row.middle(|(_, cost)| *cost);
        let ratio = nginx.map_or(f64::NAN, |nginx| row.ratio(nginx));
        let rate = row.middle(|(told, _)| told.rate);
        let (p50, p99) = (row.middle(|(told, _)| told.p50), row.middle(|(told, _)| told.p99));
        let name = row.name;
        writeln!(table, "{name:34}{cost:>9.2}{ratio:>9.2}{rate:>12.0}{p50:>10.2}{p99:>10.2}")?;
    }
    Ok(())
}

/// Latencies when there is room left.
fn paced(proxies: &[Proxy], rows: &[Row], table: &mut String) -> Result<()> {
    writeln!(table, "at 70 % of what each takes, counted from when a request was due")?;
    for (proxy, row) in proxies.iter().zip(rows) {
        let rate = 0.7 * row.middle(|(told, _)| told.rate);
        let told = load::paced(proxy, CONNECTIONS, rate)?;
        let (name, rate, p50, p99) = (row.name, told.rate, told.p50, told.p99);
        writeln!(table, "{name:34}{rate:>9.0} requests/s, p50 {p50:.2} p99 {p99:.2} ms")?;
    }
    Ok(())
}

/// Answers that come from the process itself, beside a bare handler's of the same length.
async fn inside(binary: &Path, backend: &Server, table: &mut String) -> Result<()> {
    let own = |kind| proxies::forebay(binary, &backend.address, 1, kind);
    let plain = own(Forebay::PLAIN).await?.at("an answer of the gateway, plain", "/answer");
    let all = own(Forebay::ALL).await?.at("an answer of the gateway, all on", "/answer");
    let service = own(Forebay::PLAIN).await?;
    let mut service = service.at("a service in the process, /openapi.json", "/openapi.json");
    service.key = crate::KEY.to_owned();
    let length = load::length(&service)?;
    let bare = proxies::bare("bare hyper, 1 KiB", ANSWER)?;
    let long = proxies::bare("bare hyper, as long as /openapi.json", length)?;
    let rows = rounds(&[bare, plain, all, long, service])?;
    writeln!(table, "answered in the process, one thread each (load {})", busy())?;
    print(&rows, table)?;
    Ok(())
}

/// How busy the machine is.
fn busy() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}
