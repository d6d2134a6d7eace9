//! What a test needs and may not find: it says so and is passed over, except in CI, where it fails.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Result;

/// The variable that names the folder of published vectors and real files.
pub const DATA: &str = "FOREBAY_TEST_DATA";

/// Finds a file or folder of the test data; without it the test is to be passed over.
pub fn data(path: &str) -> Option<PathBuf> {
    let folder = std::env::var_os(DATA).map(PathBuf::from);
    let found = folder.map(|folder| folder.join(path)).filter(|path| path.exists());
    if found.is_none() {
        pass_over(&format!("{path} is not there: {DATA} names the folder that holds it"));
    }
    found
}

/// Whether something that a test needs cannot be had here, and the test is to be passed over.
pub fn lacks<T>(found: &Result<T>) -> bool {
    if let Err(error) = found {
        pass_over(&format!("{error:#}"));
    }
    found.is_err()
}

fn pass_over(why: &str) {
    let ci = std::env::var_os("CI").is_some_and(|ci| ci == "true");
    assert!(!ci, "{why}");
    // A test's thread bears its name. Written past the capture of a passing test's output; where
    // nobody reads stderr, nobody is told.
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("a test");
    let _ = writeln!(std::io::stderr(), "passed over: {name}: {why}");
}
