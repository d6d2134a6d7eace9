//! Several processes on one PostgreSQL, beside one process with as many clients.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;

use crate::server::{Server, sessions_micros};
use crate::{Case, load};

const PROCESSES: u32 = 4;

/// Loads one process, then as many as [`PROCESSES`] at once, with the same clients in all.
pub(crate) fn measure(
    binary: &Path,
    (one, case): (&Server, &Case),
    database: &str,
    scratch: &Path,
    table: &mut String,
) -> Result<()> {
    let mut servers = Vec::new();
    let mut folders = Vec::new();
    for _ in 0..PROCESSES {
        let folder = tempfile::tempdir()?;
        servers.push(Server::forebay(binary, folder.path())?);
        folders.push(folder);
    }
    let all: Vec<&Server> = servers.iter().collect();
    for (name, group) in [("1 process", &[one][..]), ("4 processes", &all)] {
        let cpu = || -> Result<f64> {
            let own: f64 = group.iter().map(|s| s.cpu_micros()).sum::<Result<f64>>()?;
            Ok(own + sessions_micros(Some(database)))
        };
        let before = cpu()?;
        let connections = case.connections.parse::<usize>()? / group.len();
        let rates = std::thread::scope(|scope| {
            let loads: Vec<_> = group
                .iter()
                .map(|server| {
                    scope.spawn(move || load(server, case, &connections.to_string(), scratch))
                })
                .collect();
            loads.into_iter().map(|load| load.join()).collect::<Vec<_>>()
        });
        let (mut requests, mut rate) = (0.0, 0.0);
        for told in rates {
            let told = told.map_err(|_| anyhow::anyhow!("a load ended"))??;
            requests += told.requests;
            rate += told.rate;
        }
        let per = case.records as f64;
        let cost = (cpu()? - before) / requests / per;
        let name = format!("{}, {name}", case.name);
        writeln!(table, "{name:34}{:>12.0}{cost:>14.2}", rate * per)?;
    }
    Ok(())
}
