//! No file outgrows its reader. Functions and parameters are clippy's (`clippy.toml`).

use std::path::{Path, PathBuf};

use anyhow::Result;

/// Longest file, in lines.
const MAX_FILE: usize = 400;
/// Longest `lib.rs`: what a crate is, on one or two screens.
const MAX_LIB: usize = 120;

/// Files that are too long, with how long they are. The list and its numbers only shrink.
pub(crate) const OUTGROWN: &[(&str, usize)] = &[];

pub(crate) fn faults(root: &Path, outgrown: &[(&str, usize)]) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    let mut files = sources(&root.join("crates"))?;
    files.extend(sources(&root.join("fuzz"))?);
    files.sort();
    let mut met = Vec::new();
    for file in files {
        let name = file.strip_prefix(root)?.display().to_string();
        let lines = std::fs::read_to_string(&file)?.lines().count();
        let max = if name.ends_with("/lib.rs") { MAX_LIB } else { MAX_FILE };
        let allowed = outgrown.iter().find(|(listed, _)| *listed == name).map(|(_, n)| *n);
        met.push(name.clone());
        wrong.extend(fault(lines, max, allowed).map(|what| format!("{name}: {what}")));
    }
    let gone = outgrown.iter().filter(|(listed, _)| !met.iter().any(|name| name == listed));
    wrong.extend(gone.map(|(listed, _)| format!("{listed}: is gone; strike it from the list")));
    Ok(wrong)
}

fn fault(lines: usize, max: usize, allowed: Option<usize>) -> Option<String> {
    match allowed {
        None if lines > max => Some(format!("{lines} lines, at most {max}")),
        Some(_) if lines <= max => Some("is short enough; strike it from the list".to_owned()),
        Some(n) if lines > n => Some(format!("{lines} lines; it had {n}, and may only shrink")),
        Some(n) if lines < n => Some(format!("has shrunk; write {lines} into the list")),
        _ => None,
    }
}

fn sources(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    if !folder.is_dir() || folder.ends_with("target") {
        return Ok(found);
    }
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
