//! The repository's chores: `cargo xtask test | services up | services down | tidy`.

mod dependencies;
mod services;
mod tidy;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

const USAGE: &str = "cargo xtask test | services up | services down | tidy";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["test", rest @ ..] => test(rest),
        ["services", "up"] => services::up(),
        ["services", "down"] => services::down(),
        ["tidy"] => tidy::check(&root()),
        _ => Err(anyhow::anyhow!(USAGE)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody reads stderr: the status still says it.
            let _ = writeln!(std::io::stderr(), "xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Everything that must pass: the house's order, what comes into the tree, the formatting, the
/// lints, the tests on real servers.
fn test(rest: &[&str]) -> Result<()> {
    tidy::check(&root())?;
    dependencies::check()?;
    cargo(&["fmt", "--all", "--check"], &[])?;
    cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"], &[])?;
    let services = services::Lent::take()?;
    let mut arguments = vec!["test", "--workspace"];
    arguments.extend(rest);
    let data = data();
    let told = services.told.iter().map(|(name, url)| (*name, url.as_str()));
    let data = data.as_deref().map(|folder| (forebay_testkit::DATA, folder));
    let tested = cargo(&arguments, &told.chain(data).collect::<Vec<_>>());
    services.give_back()?;
    tested
}

/// The folder of test data beside the repository, where it is and nothing else is named.
fn data() -> Option<String> {
    if std::env::var_os(forebay_testkit::DATA).is_some() {
        return None;
    }
    let folder = root().join("../shared/data").canonicalize().ok()?;
    folder.into_os_string().into_string().ok()
}

pub(crate) fn cargo(arguments: &[&str], environment: &[(&str, &str)]) -> Result<()> {
    run(command(arguments).envs(environment.iter().copied()))
}

pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).args(arguments);
    command
}

pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("{command:?} does not start"))?;
    if !status.success() {
        bail!("{command:?} failed: {status}");
    }
    Ok(())
}

pub(crate) fn say(text: &str) -> Result<()> {
    Ok(writeln!(std::io::stdout(), "{text}")?)
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}
