//! A real PostgreSQL for the tests, which stays until it is told to go.

use std::path::PathBuf;

use anyhow::Result;
use forebay_testkit::{Postgres, Stop};

/// The variable that names a server; without it one is started.
pub(crate) const URL: &str = "FOREBAY_TEST_POSTGRES";

/// Starts the server, or finds the one that runs; returns its URL, and whether it was started.
pub(crate) fn up() -> Result<(String, bool)> {
    let folder = folder();
    if let Some(server) = Postgres::find(&folder)? {
        return Ok((server.url(), false));
    }
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    let server = Postgres::start(&folder)?;
    let url = server.url();
    server.leave();
    Ok((url, true))
}

/// Stops the server and drops its folder.
pub(crate) fn down() -> Result<()> {
    let folder = folder();
    if let Some(server) = Postgres::find(&folder)? {
        server.stop(Stop::Fast)?;
    }
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    Ok(())
}

fn folder() -> PathBuf {
    std::env::temp_dir().join("forebay-services-postgres")
}
