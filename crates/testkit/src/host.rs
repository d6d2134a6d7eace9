//! What the servers need of the machine: Debian's packages, a user that is not root, a port.

use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, bail};

/// The user that Debian's packages bring for both servers, which refuse to run as root.
const USER: &str = "postgres";

/// Ports below those that Linux hands out to clients: a server finds its own free again after a
/// restart, and no client of a stopped server is connected to itself.
const PORTS: std::ops::Range<u16> = 15_000..32_000;

/// Runs a command to its end; a failure is an error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("{command:?} does not start"))?;
    if !status.success() {
        bail!("{command:?} failed: {status}");
    }
    Ok(())
}

/// A command that runs as the servers' user, where this process may choose.
pub(crate) fn as_server(program: &Path) -> Result<Command> {
    let mut command = Command::new(program);
    command.current_dir("/").stdin(Stdio::null());
    if is_root() {
        command.uid(id(&["-u", USER])?).gid(id(&["-g", USER])?);
    }
    Ok(command)
}

/// Gives a folder, with what is in it, to the servers' user.
pub(crate) fn hand_over(folder: &Path) -> Result<()> {
    if is_root() {
        run(Command::new("chown").arg("-R").arg(format!("{USER}:{USER}")).arg(folder))?;
    }
    Ok(())
}

/// Installs a package of Debian's, unless it is there or this process may not.
pub(crate) fn install(package: &str, there: impl Fn() -> bool) -> Result<()> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    if there() {
        return Ok(());
    }
    if !is_root() {
        bail!("Debian's package {package} is not installed");
    }
    run(Command::new("apt-get").args(["update", "-qq"]))?;
    let mut install = Command::new("apt-get");
    install.args(["install", "-y", "-qq", "--no-install-recommends", package]);
    install.env("DEBIAN_FRONTEND", "noninteractive");
    run(install.stdout(Stdio::null()))
}

/// Finds a port that nobody listens on.
pub(crate) fn free_port() -> Result<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let size = u32::from(PORTS.end - PORTS.start);
    for _ in 0..100 {
        // Processes begin at different places, so that they seldom look at the same port.
        let step = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
        let at = std::process::id().wrapping_mul(101).wrapping_add(step) % size;
        let port = PORTS.start + u16::try_from(at)?;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no port is free")
}

fn is_root() -> bool {
    id(&["-u"]).is_ok_and(|id| id == 0)
}

fn id(arguments: &[&str]) -> Result<u32> {
    let output = Command::new("id").args(arguments).output()?;
    let text = String::from_utf8(output.stdout)?;
    text.trim().parse().with_context(|| format!("id {arguments:?}"))
}
