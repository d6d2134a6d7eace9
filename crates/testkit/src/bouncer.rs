//! A PgBouncer in transaction mode before a PostgreSQL.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use anyhow::{Result, bail};

use crate::host::{as_server, free_port, hand_over, install};
use crate::postgres::Postgres;

const PROGRAM: &str = "/usr/sbin/pgbouncer";

/// A running pooler; it stops with the value.
#[derive(Debug)]
pub struct PgBouncer {
    child: Child,
    port: u16,
}

impl PgBouncer {
    /// Finds the program; Debian's package is installed where it is missing and the user is root.
    pub fn install() -> Result<PathBuf> {
        install("pgbouncer", || Path::new(PROGRAM).exists())?;
        Ok(PROGRAM.into())
    }

    /// Starts a pooler of `sessions` server sessions a database.
    pub fn start(folder: &Path, server: &Postgres, sessions: usize) -> Result<PgBouncer> {
        let (program, port) = (Self::install()?, free_port()?);
        std::fs::create_dir_all(folder)?;
        let file = folder.join("pgbouncer.ini");
        std::fs::write(&file, settings(server.port(), port, sessions))?;
        hand_over(folder)?;
        let mut command = as_server(&program)?;
        let child = command.arg(file).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let mut pooler = PgBouncer { child, port };
        pooler.wait_until_up()?;
        Ok(pooler)
    }

    /// Its URL for a database.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://forebay@127.0.0.1:{}/{database}", self.port)
    }

    /// Reads its log until it says that it is up; what it says later is read and dropped.
    fn wait_until_up(&mut self) -> Result<()> {
        let Some(log) = self.child.stderr.take() else { bail!("PgBouncer has no log") };
        let mut lines = BufReader::new(log).lines().map_while(Result::ok);
        let mut said = Vec::new();
        for line in lines.by_ref() {
            let up = line.contains("process up");
            said.push(line);
            if up {
                std::thread::spawn(move || lines.for_each(drop));
                return Ok(());
            }
        }
        bail!("PgBouncer does not start: {}", said.join("\n"))
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn settings(server: u16, port: u16, sessions: usize) -> String {
    format!(
        "[databases]\n\
         * = host=127.0.0.1 port={server} user=forebay\n\
         [pgbouncer]\n\
         listen_addr = 127.0.0.1\n\
         listen_port = {port}\n\
         unix_socket_dir =\n\
         auth_type = any\n\
         pool_mode = transaction\n\
         default_pool_size = {sessions}\n\
         max_client_conn = 300\n"
    )
}
