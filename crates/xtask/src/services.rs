//! A real PostgreSQL for the tests, on a private port in a scratch folder.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::run;

/// The variable that names a server; without it one is started.
pub(crate) const URL: &str = "FOREBAY_TEST_POSTGRES";

/// Starts the server, or finds the one that runs; returns its URL.
pub(crate) fn up() -> Result<String> {
    let binaries = binaries()?;
    let folder = folder();
    let port_file = folder.join("port");
    if let Ok(port) = std::fs::read_to_string(&port_file)
        && control(&binaries, &["status"])?.stdout(Stdio::null()).status()?.success()
    {
        return Ok(url(&port));
    }
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    if is_root() {
        run(Command::new("chown").arg("postgres").arg(&folder))?;
    }
    let data = folder.join("data");
    let mut init = as_server(&binaries.join("initdb"));
    init.arg("-D").arg(&data).args(["-U", "forebay", "-A", "trust", "-E", "UTF8"]);
    init.args(["--locale=C.UTF-8"]).stdout(Stdio::null());
    run(&mut init)?;
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port().to_string();
    let options = format!(
        "-p {port} -c listen_addresses=127.0.0.1 -c max_connections=300 \
         -c unix_socket_directories='{}'",
        folder.display()
    );
    let log = folder.join("log");
    let mut start = control(&binaries, &["start", "-w", "-o", &options, "-l"])?;
    start.arg(log).stdout(Stdio::null());
    run(&mut start)?;
    std::fs::write(port_file, &port)?;
    Ok(url(&port))
}

/// Stops the server and drops its folder.
pub(crate) fn down() -> Result<()> {
    let folder = folder();
    if folder.join("data").exists() {
        let mut stop = control(&binaries()?, &["stop", "-m", "fast"])?;
        // It may have stopped by itself.
        let _ = stop.stdout(Stdio::null()).status()?;
        std::fs::remove_dir_all(&folder)?;
    }
    Ok(())
}

fn url(port: &str) -> String {
    format!("postgres://forebay@127.0.0.1:{port}/postgres")
}

fn folder() -> PathBuf {
    std::env::temp_dir().join("forebay-services-postgres")
}

fn control(binaries: &Path, arguments: &[&str]) -> Result<Command> {
    let mut command = as_server(&binaries.join("pg_ctl"));
    command.current_dir("/").arg("-D").arg(folder().join("data")).args(arguments);
    Ok(command)
}

/// The server refuses to run as root: Debian's package brings a user for it.
fn as_server(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("runuser");
    command.current_dir("/").args(["-u", "postgres", "--"]).arg(program);
    command
}

fn is_root() -> bool {
    let asked = Command::new("id").arg("-u").output();
    asked.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn binaries() -> Result<PathBuf> {
    if let Some(found) = installed() {
        return Ok(found);
    }
    if !is_root() {
        bail!("PostgreSQL 15 or newer is needed: install it, or set {URL}");
    }
    run(Command::new("apt-get").args(["update", "-qq"]))?;
    let mut install = Command::new("apt-get");
    install.args(["install", "-y", "-qq", "--no-install-recommends", "postgresql"]);
    install.env("DEBIAN_FRONTEND", "noninteractive");
    run(install.stdout(Stdio::null()))?;
    installed().context("Debian's package brought no PostgreSQL 15 or newer")
}

fn installed() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let numbers = versions.filter_map(|v| v.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let newest = numbers.filter(|v| *v >= 15).max()?;
    let folder = PathBuf::from(format!("/usr/lib/postgresql/{newest}/bin"));
    folder.join("initdb").exists().then_some(folder)
}
