//! Which engine, and how it is reached. Plain data; the defaults stand in `config/app.yaml`.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Which engine.
#[derive(Debug, Clone)]
pub enum Settings {
    /// Files of this process.
    Inside(Inside),
    /// A server.
    Outside(Outside),
}

/// The engine inside.
#[derive(Debug, Clone)]
pub struct Inside {
    /// Where its files are.
    pub folder: PathBuf,
    /// Bytes that a writer holds before it writes them out.
    pub memory: usize,
}

/// An engine outside.
#[derive(Debug, Clone)]
pub struct Outside {
    /// Its address, without credentials.
    pub url: String,
    /// What the names of its indexes begin with.
    pub prefix: String,
    /// Who asks.
    pub credentials: Credentials,
    /// Authorities beside those of the system: a PEM file.
    pub ca: Option<PathBuf>,
    /// Which deployment of Forebay this is: an index of another one is not touched.
    pub deployment: String,
    /// Longest time until an answer begins.
    pub timeout: Duration,
    /// How soon what was written is seen.
    pub refresh: Duration,
}

/// What is shown to an engine outside.
#[derive(Clone)]
pub enum Credentials {
    /// Nothing.
    None,
    /// An API key, as `Authorization: ApiKey …` has it.
    Key(String),
    /// A name and a password.
    Password(String, String),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Credentials::None => "none",
            Credentials::Key(_) => "a key",
            Credentials::Password(..) => "a password",
        })
    }
}
