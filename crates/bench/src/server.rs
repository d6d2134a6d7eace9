//! Processes that are measured: their start, their CPU, their memory.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::{KEY, MASTER_KEY};

/// A server of its own process.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: String,
    /// From its start until it said that it is ready.
    pub(crate) ready_after: Duration,
}

impl Server {
    /// Forebay, on the engine that the environment names.
    pub(crate) fn forebay(binary: &Path, data: &Path) -> Result<Server> {
        let began = Instant::now();
        let mut command = Command::new(binary);
        command.args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
        command
            .arg("--data")
            .arg(data)
            .env("API_KEY", KEY)
            .env("MASTER_KEY", MASTER_KEY)
            .env("LOG_LEVEL", "INFO");
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        wait_for(&mut child, "\"ready\"")?;
        let ready_after = began.elapsed();
        let run: Value = serde_json::from_slice(&std::fs::read(data.join("run.json"))?)?;
        let address = run["listen"].as_str().context("no address")?.to_owned();
        Ok(Server { child, address, ready_after })
    }

    /// The yardstick.
    pub(crate) fn bare(answer: usize) -> Result<Server> {
        Server::bare_on(answer, None)
    }

    /// The yardstick on so many threads.
    pub(crate) fn bare_on(answer: usize, threads: Option<usize>) -> Result<Server> {
        let began = Instant::now();
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["bare", &answer.to_string()]);
        if let Some(threads) = threads {
            command.env("TOKIO_WORKER_THREADS", threads.to_string());
        }
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let line = wait_for(&mut child, "127.0.0.1:")?;
        let address = line.trim().to_owned();
        Ok(Server { child, address, ready_after: began.elapsed() })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// User and system time of the process so far, in microseconds.
    pub(crate) fn cpu_micros(&self) -> Result<f64> {
        cpu_micros(self.child.id())
    }

    /// Memory that it has in use, in MiB.
    pub(crate) fn memory_mib(&self) -> Result<f64> {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        let kib: f64 = line.trim().trim_end_matches(" kB").trim().parse()?;
        Ok(kib / 1024.0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// User and system time of a process so far, in microseconds.
pub(crate) fn cpu_micros(pid: u32) -> Result<f64> {
    let text = std::fs::read_to_string(PathBuf::from(format!("/proc/{pid}/stat")))?;
    let (_, fields) = text.rsplit_once(") ").context("no stat")?;
    let ticks = fields.split(' ').skip(11).take(2).map(str::parse::<f64>);
    let ticks: f64 = ticks.collect::<Result<Vec<_>, _>>()?.iter().sum();
    // A tick is a hundredth of a second on every Linux that we know.
    Ok(ticks * 10_000.0)
}

/// User and system time of a process and of its children so far, in microseconds.
pub(crate) fn tree_micros(pid: u32) -> Result<f64> {
    tree(pid).into_iter().map(cpu_micros).sum()
}

/// Memory that a process and its children have in use, in KiB; what they share counts once for each.
pub(crate) fn tree_kib(pid: u32) -> Result<f64> {
    let of = |pid: u32| {
        let text = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").trim().parse::<f64>()?)
    };
    tree(pid).into_iter().map(of).sum()
}

/// A process and its children.
fn tree(pid: u32) -> Vec<u32> {
    let mut all = vec![pid];
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(child) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let text = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        let parent = text.rsplit_once(") ").and_then(|(_, fields)| fields.split(' ').nth(1));
        if parent.and_then(|parent| parent.parse().ok()) == Some(pid) {
            all.push(child);
        }
    }
    all
}

/// What the sessions of a PostgreSQL database have used so far, in microseconds; nothing without one.
pub(crate) fn sessions_micros(database: Option<&str>) -> f64 {
    let Some(database) = database else { return 0.0 };
    let mut sum = 0.0;
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let title = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        // The server's processes carry their database's name in their title.
        if title.starts_with("postgres: ") && title.contains(&format!(" {database} ")) {
            sum += cpu_micros(pid).unwrap_or(0.0);
        }
    }
    sum
}

/// Reads the server's lines up to one that holds a text, and drops the rest as they come.
fn wait_for(child: &mut Child, text: &str) -> Result<String> {
    let out = child.stdout.take().context("no stdout")?;
    let mut lines = BufReader::new(out).lines();
    let found = lines.by_ref().map_while(Result::ok).find(|line| line.contains(text));
    std::thread::spawn(move || lines.for_each(drop));
    found.context("the server ended")
}
