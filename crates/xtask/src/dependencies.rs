//! What comes into the tree: `deny.toml`'s bans, licences and sources, and nothing that is unused.

use std::process::Stdio;

use anyhow::Result;

use crate::{cargo, command, say};

/// Runs the tools that are installed, and names those that are not.
pub(crate) fn check() -> Result<()> {
    tool(&["deny", "check", "--hide-inclusion-graph", "bans", "licenses", "sources"])?;
    tool(&["machete"])
}

fn tool(arguments: &[&str]) -> Result<()> {
    let [name, ..] = arguments else { return Ok(()) };
    if installed(name) {
        return cargo(arguments, &[]);
    }
    say(&format!(
        "cargo {name} is not installed and is passed over: cargo install --locked cargo-{name}"
    ))
}

fn installed(name: &str) -> bool {
    let asked = command(&[name, "--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    asked.is_ok_and(|status| status.success())
}
