//! Each library was chosen for a reason, which stands above it, and is taken by somebody.

use super::house::House;

const TABLE: &str = "[workspace.dependencies]";

/// Finds the lines of the workspace's dependencies whose group does not begin with a comment, and
/// those that no crate takes.
pub(crate) fn faults(house: &House) -> Vec<String> {
    let lines = house.manifest.lines().map(str::trim).skip_while(|line| *line != TABLE).skip(1);
    let mut reason = false;
    let mut wrong = Vec::new();
    for line in lines.take_while(|line| !line.starts_with('[')) {
        match line.split_once('=') {
            _ if line.is_empty() => reason = false,
            _ if line.starts_with('#') => reason = true,
            Some((name, _)) => {
                let name = name.trim();
                if !reason {
                    wrong.push(format!("{name}: no reason stands above it in Cargo.toml"));
                }
                let own = house.crates.iter().any(|c| c.name == name);
                if !own && !house.crates.iter().any(|c| c.all_dependencies().contains(name)) {
                    wrong.push(format!("{name}: no crate takes it; strike it from Cargo.toml"));
                }
            }
            _ => {}
        }
    }
    wrong
}
