//! A second issuer of tokens, by others: npm's `oidc-provider`, in the versions of its lock file.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::host::{install, run};

const NODE: &str = "/usr/bin/node";
const NPM: &str = "/usr/bin/npm";
const FILES: [(&str, &str); 3] = [
    ("issuer.js", include_str!("../oidc-provider/issuer.js")),
    ("package-lock.json", include_str!("../oidc-provider/package-lock.json")),
    ("package.json", include_str!("../oidc-provider/package.json")),
];

/// A running issuer; it ends with the value.
pub struct OidcProvider {
    /// Its `iss`, which is where it listens.
    pub issuer: String,
    child: Child,
}

impl OidcProvider {
    /// The program that it knows, and its secret.
    pub const CLIENT: (&str, &str) = ("shipper", "the-shipper's-secret");

    /// Puts it into an empty folder and starts it.
    pub fn start(folder: &Path) -> Result<OidcProvider> {
        for (package, program) in [("nodejs", NODE), ("npm", NPM)] {
            install(package, || Path::new(program).exists())?;
        }
        for (name, content) in FILES {
            std::fs::write(folder.join(name), content)?;
        }
        let mut npm = Command::new(NPM);
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]);
        run(npm.current_dir(folder).stdout(Stdio::null())).context("npm's packages")?;
        let mut node = Command::new(NODE);
        node.arg("issuer.js").current_dir(folder);
        node.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = node.spawn()?;
        let said = child.stdout.take().context("its stdout was asked for")?;
        let mut issuer = String::new();
        BufReader::new(said).read_line(&mut issuer)?;
        let issuer = issuer.trim_end().to_owned();
        let provider = OidcProvider { issuer, child };
        if provider.issuer.is_empty() {
            bail!("oidc-provider does not start");
        }
        Ok(provider)
    }
}

impl Drop for OidcProvider {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
