//! The house's order: a crate knows only crates of lower floors, and no file outgrows a reader.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use toml::Table;

/// Longest source file, in lines.
const MAX_LINES: usize = 500;

/// Reports everything that is out of order.
pub(crate) fn check(root: &Path) -> Result<()> {
    let mut wrong = Vec::new();
    let mut crates = BTreeMap::new();
    for entry in std::fs::read_dir(root.join("crates"))? {
        let folder = entry?.path();
        let text = std::fs::read_to_string(folder.join("Cargo.toml"))
            .with_context(|| format!("{} has no Cargo.toml", folder.display()))?;
        let manifest: Table = text.parse()?;
        let name = text_at(&manifest, &["package", "name"]).unwrap_or_default();
        let floor = at(&manifest, &["package", "metadata", "floor"]).and_then(|f| f.as_integer());
        let Some(floor) = floor else {
            wrong.push(format!("{name}: no package.metadata.floor"));
            continue;
        };
        crates.insert(name, (floor, manifest, folder));
    }
    for (name, (floor, manifest, folder)) in &crates {
        let dependencies = manifest.get("dependencies").and_then(|d| d.as_table());
        for known in dependencies.into_iter().flat_map(Table::keys) {
            let Some((below, ..)) = crates.get(known) else { continue };
            if below >= floor {
                wrong.push(format!("{name} (floor {floor}) may not know {known} (floor {below})"));
            }
        }
        for file in sources(&folder.join("src"))? {
            let lines = std::fs::read_to_string(&file)?.lines().count();
            if lines > MAX_LINES {
                wrong.push(format!("{}: {lines} lines, at most {MAX_LINES}", file.display()));
            }
        }
    }
    if !wrong.is_empty() {
        bail!("the house is out of order:\n  {}", wrong.join("\n  "));
    }
    Ok(())
}

fn sources(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(sources(&path)?);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    Ok(found)
}

fn at<'t>(table: &'t Table, path: &[&str]) -> Option<&'t toml::Value> {
    let (first, rest) = path.split_first()?;
    let mut value = table.get(*first)?;
    for name in rest {
        value = value.get(name)?;
    }
    Some(value)
}

fn text_at(table: &Table, path: &[&str]) -> Option<String> {
    at(table, path)?.as_str().map(str::to_owned)
}
