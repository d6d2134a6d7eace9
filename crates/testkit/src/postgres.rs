//! A PostgreSQL in a folder: made, started, stopped and started again.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::host::{as_server, free_port, hand_over, install, run};

/// The oldest version that Forebay runs on.
const OLDEST: u32 = 15;

/// A running server; it stops with the value, unless it is left running.
#[derive(Debug)]
pub struct Postgres {
    folder: PathBuf,
    binaries: PathBuf,
    port: u16,
    left: bool,
}

/// How a server stops.
#[derive(Debug, Clone, Copy)]
pub enum Stop {
    /// Sessions are cut off, what they did not commit is rolled back, and the server ends in order.
    Fast,
    /// As after a crash: nothing is put in order, the next start recovers from the log.
    Immediate,
}

impl Postgres {
    /// Finds the server's programs; Debian's package is installed where they are missing and the
    /// user is root.
    pub fn install() -> Result<PathBuf> {
        install("postgresql", || binaries().is_some())?;
        binaries().context("Debian's package brought no PostgreSQL 15 or newer")
    }

    /// Makes a server in a folder that holds none yet, and starts it.
    pub fn start(folder: &Path) -> Result<Postgres> {
        Self::start_with(folder, &[])
    }

    /// The same, with more settings. Files that they name may stand in the folder.
    pub fn start_with(folder: &Path, settings: &[(&str, &str)]) -> Result<Postgres> {
        let (binaries, port) = (Self::install()?, free_port()?);
        std::fs::create_dir_all(folder)?;
        std::fs::write(folder.join("port"), port.to_string())?;
        hand_over(folder)?;
        let server = Postgres { folder: folder.to_owned(), binaries, port, left: false };
        let mut init = as_server(&server.binaries.join("initdb"))?;
        init.arg("-D").arg(server.data()).args(["-U", "forebay", "-A", "trust", "-E", "UTF8"]);
        run(init.args(["--locale=C.UTF-8"]).stdout(Stdio::null()))?;
        server.configure(settings)?;
        server.start_again()?;
        Ok(server)
    }

    /// Finds the server that runs in a folder, if there is one.
    pub fn find(folder: &Path) -> Result<Option<Postgres>> {
        let Ok(port) = std::fs::read_to_string(folder.join("port")) else { return Ok(None) };
        let (folder, port) = (folder.to_owned(), port.trim().parse()?);
        let server = Postgres { folder, binaries: Self::install()?, port, left: true };
        let running = server.control(&["status"])?.stdout(Stdio::null()).status()?.success();
        Ok(running.then_some(server))
    }

    /// Stops the server; it can be started again.
    pub fn stop(&self, how: Stop) -> Result<()> {
        let mode = match how {
            Stop::Fast => "fast",
            Stop::Immediate => "immediate",
        };
        run(self.control(&["stop", "-w", "-m", mode])?.stdout(Stdio::null()))
    }

    /// Starts the stopped server, on the port that it had; returns when it takes connections.
    pub fn start_again(&self) -> Result<()> {
        let mut start = self.control(&["start", "-w", "-l"])?;
        run(start.arg(self.folder.join("log")).stdout(Stdio::null()))
    }

    /// Its URL, with the database that every server has.
    pub fn url(&self) -> String {
        format!("postgres://forebay@127.0.0.1:{}/postgres", self.port)
    }

    /// Lets the server run on without this value.
    pub fn leave(mut self) {
        self.left = true;
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn configure(&self, settings: &[(&str, &str)]) -> Result<()> {
        let (port, sockets) = (self.port.to_string(), self.folder.display().to_string());
        let ours = [
            ("port", port.as_str()),
            ("listen_addresses", "127.0.0.1"),
            ("unix_socket_directories", &sockets),
            ("max_connections", "300"),
        ];
        let file = self.data().join("postgresql.conf");
        let mut text = std::fs::read_to_string(&file)?;
        for (name, value) in ours.iter().chain(settings) {
            writeln!(text, "{name} = '{value}'")?;
        }
        Ok(std::fs::write(file, text)?)
    }

    fn control(&self, arguments: &[&str]) -> Result<Command> {
        let mut command = as_server(&self.binaries.join("pg_ctl"))?;
        command.arg("-D").arg(self.data()).args(arguments);
        Ok(command)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let (false, Ok(mut stop)) = (self.left, self.control(&["stop", "-m", "immediate"])) {
            // It may be stopped already.
            let _ = stop.stdout(Stdio::null()).stderr(Stdio::null()).status();
        }
    }
}

/// The newest version that Debian's packages put here.
fn binaries() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let numbers = versions.filter_map(|v| v.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let newest = numbers.filter(|v| *v >= OLDEST).max()?;
    let folder = PathBuf::from(format!("/usr/lib/postgresql/{newest}/bin"));
    folder.join("initdb").exists().then_some(folder)
}
