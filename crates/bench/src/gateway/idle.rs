//! What a connection takes that rests: each has had one answer, and waits for the next request.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};

use super::load::Client;
use super::proxies::{self, Forebay};
use crate::server::tree_kib;

const WANTED: usize = 10_000;

/// Memory of each, of as many as the limit on descriptors allows.
pub(super) async fn measure(binary: &Path, backend: &str, table: &mut String) -> Result<()> {
    let count = WANTED.min(descriptors()?.saturating_sub(300));
    let mut all = proxies::peers(backend, 1)?;
    all.push(proxies::forebay(binary, backend, 1, Forebay::PLAIN).await?);
    writeln!(table, "{count} idle connections")?;
    for proxy in all {
        // One that it has answered before: what is made once is not a connection's.
        Client::connect(&proxy)?.ask()?;
        let before = tree_kib(proxy.pid())?;
        let mut open = Vec::new();
        // HAProxy has two descriptors for each, of which only so many are allowed.
        let room = if proxy.name == "HAProxy" { count.min(9_800) } else { count };
        for _ in 0..room {
            let mut client = Client::connect(&proxy)?;
            client.ask()?;
            open.push(client);
        }
        let each = (tree_kib(proxy.pid())? - before) / room as f64;
        writeln!(
            table,
            "{:34}{each:>9.2} KiB each, of {room}; {before:.0} KiB before",
            proxy.name
        )?;
    }
    Ok(())
}

/// How many may be open in this process.
fn descriptors() -> Result<usize> {
    let text = std::fs::read_to_string("/proc/self/limits")?;
    let line = text.lines().find(|line| line.starts_with("Max open files")).context("no limit")?;
    Ok(line.split_whitespace().nth(3).context("no number")?.parse()?)
}
