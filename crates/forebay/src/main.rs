//! Forebay: the backend for streams of records, in one binary.

mod ask;
mod cli;
mod client;
mod demo;
mod openapi;
mod parts;
mod reload;
mod routes;
mod serve;
mod settings;
mod setup;
mod signals;
mod user;
mod wiring;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser;

/// Many small allocations on many threads: measured against the system's, it saves CPU.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Why a command ended, with its exit status.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// Settings or arguments.
    #[error("{0}")]
    Configuration(String),
    /// An engine is unreachable or unfit.
    #[error("{0}")]
    Engine(String),
    /// Data of a newer version.
    #[error("{0}")]
    Newer(String),
    /// Nobody reads what is written any more.
    #[error("nobody reads the output")]
    Unread,
    /// What was looked for was found, and shown: the exit status says how bad it is.
    #[error("something was found")]
    Found(u8),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl Failure {
    fn status(&self) -> u8 {
        match self {
            Failure::Unread => 0,
            Failure::Other(_) => 1,
            Failure::Configuration(_) => 2,
            Failure::Engine(_) => 3,
            Failure::Newer(_) => 4,
            Failure::Found(status) => *status,
        }
    }
}

fn main() -> ExitCode {
    match cli::run(cli::Cli::parse()) {
        Ok(()) | Err(Failure::Unread) => ExitCode::SUCCESS,
        Err(failure @ Failure::Found(_)) => ExitCode::from(failure.status()),
        Err(failure) => {
            // Nobody reads stderr: the status still says it.
            let _ = writeln!(std::io::stderr(), "forebay: {failure}");
            ExitCode::from(failure.status())
        }
    }
}
