//! What the checks look at: the manifests of the workspace and of its crates.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use toml::{Table, Value};

/// The workspace.
pub(crate) struct House {
    /// The text of its manifest.
    pub(crate) manifest: String,
    /// Its crates, by folder.
    pub(crate) crates: Vec<Crate>,
}

/// A crate.
pub(crate) struct Crate {
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
    pub(crate) floor: Option<i64>,
    manifest: Table,
}

impl House {
    pub(crate) fn read(root: &Path) -> Result<House> {
        let manifest = text(&root.join("Cargo.toml"))?;
        let mut crates = Vec::new();
        for entry in std::fs::read_dir(root.join("crates"))? {
            crates.push(Crate::read(entry?.path())?);
        }
        crates.sort_by(|a, b| a.folder.cmp(&b.folder));
        Ok(House { manifest, crates })
    }
}

impl Crate {
    fn read(folder: PathBuf) -> Result<Crate> {
        let manifest: Table = text(&folder.join("Cargo.toml"))?.parse()?;
        let package = manifest.get("package");
        let name = package.and_then(|p| p.get("name")?.as_str()).unwrap_or_default().to_owned();
        let floor = package.and_then(|p| p.get("metadata")?.get("floor")?.as_integer());
        Ok(Crate { name, folder, floor, manifest })
    }

    /// What it is built with; what only its tests take is not among it.
    pub(crate) fn dependencies(&self) -> BTreeSet<&str> {
        self.taken(&["dependencies", "build-dependencies"])
    }

    /// All that it takes, its tests too.
    pub(crate) fn all_dependencies(&self) -> BTreeSet<&str> {
        self.taken(&["dependencies", "build-dependencies", "dev-dependencies"])
    }

    fn taken(&self, kinds: &[&str]) -> BTreeSet<&str> {
        let targets = self.manifest.get("target").and_then(Value::as_table);
        let by_target = targets.into_iter().flat_map(Table::values).filter_map(Value::as_table);
        let tables = std::iter::once(&self.manifest).chain(by_target);
        let tables = tables.flat_map(|t| kinds.iter().filter_map(|kind| t.get(*kind)));
        let lines = tables.filter_map(Value::as_table).flatten();
        lines
            .map(|(key, value)| value.get("package").and_then(Value::as_str).unwrap_or(key))
            .collect()
    }
}

fn text(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| path.display().to_string())
}
