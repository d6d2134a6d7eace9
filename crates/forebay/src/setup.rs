//! The link by which the first person becomes the administrator, in a file for as long as it works.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use forebay_auth::Auth;

/// Writes the link into `setup-url`, for this user alone, and returns it: `place` is what browsers
/// find Forebay at, as far as this process knows. Without a token the file of an earlier run goes.
pub(crate) fn offer(
    data_dir: &Path,
    place: &str,
    token: Option<&str>,
) -> std::io::Result<Option<String>> {
    let Some(token) = token else {
        withdraw(data_dir);
        return Ok(None);
    };
    let link = format!("{place}/console/setup?token={token}");
    let draft = data_dir.join("setup-url.new");
    // One that a start left behind keeps its rights when it is opened: it goes first.
    let _ = std::fs::remove_file(&draft);
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    writeln!(file, "{link}")?;
    std::fs::rename(draft, file_in(data_dir))?;
    Ok(Some(link))
}

/// Takes the file away as soon as there is an administrator, unless it is dropped before.
pub(crate) async fn watch(auth: Auth, data_dir: PathBuf) {
    auth.set_up().await;
    withdraw(&data_dir);
}

/// Takes the file away: there is an administrator.
fn withdraw(data_dir: &Path) {
    // It may never have been there.
    let _ = std::fs::remove_file(file_in(data_dir));
}

fn file_in(data_dir: &Path) -> PathBuf {
    data_dir.join("setup-url")
}
