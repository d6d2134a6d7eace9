//! Each library was chosen for a reason, which stands above it.

const TABLE: &str = "[workspace.dependencies]";

/// Finds the lines of the workspace's dependencies whose group does not begin with a comment.
pub(crate) fn faults(manifest: &str) -> Vec<String> {
    let lines = manifest.lines().map(str::trim).skip_while(|line| *line != TABLE).skip(1);
    let mut reason = false;
    let mut wrong = Vec::new();
    for line in lines.take_while(|line| !line.starts_with('[')) {
        match line.split_once('=') {
            _ if line.is_empty() => reason = false,
            _ if line.starts_with('#') => reason = true,
            Some((name, _)) if !reason => {
                wrong.push(format!("{}: no reason stands above it in Cargo.toml", name.trim()));
            }
            _ => {}
        }
    }
    wrong
}
