//! A receiver's check of webhooks, by others: npm's `standardwebhooks`, in the versions of its lock file.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

use crate::host::{install, run};

const NODE: &str = "/usr/bin/node";
const NPM: &str = "/usr/bin/npm";
const FILES: [(&str, &str); 3] = [
    ("package-lock.json", include_str!("../standard-webhooks/package-lock.json")),
    ("package.json", include_str!("../standard-webhooks/package.json")),
    ("verify.js", include_str!("../standard-webhooks/verify.js")),
];

/// Whether a message with these headers (JSON) is signed with a secret. `folder` is empty at first, and
/// the same for all calls.
pub fn verify_webhook(folder: &Path, secret: &str, headers: &str, body: &str) -> Result<bool> {
    if !folder.join("node_modules").exists() {
        for (package, program) in [("nodejs", NODE), ("npm", NPM)] {
            install(package, || Path::new(program).exists())?;
        }
        for (name, content) in FILES {
            std::fs::write(folder.join(name), content)?;
        }
        let mut npm = Command::new(NPM);
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]);
        run(npm.current_dir(folder).stdout(Stdio::null())).context("npm's packages")?;
    }
    let mut node = Command::new(NODE);
    node.args(["verify.js", secret, headers, body]).current_dir(folder);
    let output = node.stdin(Stdio::null()).output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    anyhow::ensure!(output.status.success() && !said.is_empty(), "node does not say anything");
    Ok(said.trim() == "good")
}
