//! Builds a stream's index anew, and shows how far that is.

use std::io::IsTerminal as _;
use std::time::Duration;

use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::Method;
use serde_json::Value;

use super::{Forebay, Target, other, print};
use crate::Failure;

/// How often progress is asked for.
const EVERY: Duration = Duration::from_millis(250);

/// A command about indexes.
#[derive(Debug, Subcommand)]
pub(crate) enum SearchCommand {
    /// Build a stream's index anew beside the one that answers, which it then replaces.
    Rebuild {
        /// The stream.
        stream: String,
        /// Wait until it is built.
        #[arg(long)]
        wait: bool,
        /// The index's state as JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        target: Target,
    },
}

/// Runs a command about indexes.
pub(super) async fn run(command: SearchCommand) -> Result<(), Failure> {
    let SearchCommand::Rebuild { stream, wait, json, target } = command;
    let forebay = Forebay::new(target)?;
    let path = format!("/v1/streams/{stream}/search/rebuild");
    let request = forebay.request(Method::POST, &path).await?;
    let before: Value = forebay.send(request).await?.json().await.map_err(other)?;
    let state = if wait { built(&forebay, &stream, &before).await? } else { before };
    if json {
        return print(&state.to_string());
    }
    print(&if wait {
        let records = state["live"]["indexed_seq"].as_i64().unwrap_or(0);
        format!("the index of {stream} is built: every record up to {records} is in it")
    } else {
        format!("the index of {stream} is going to be built; --wait shows how far it is")
    })
}

/// Waits until another index answers than before.
async fn built(forebay: &Forebay, stream: &str, before: &Value) -> Result<Value, Failure> {
    let bar = bar();
    let path = format!("/v1/streams/{stream}/search/index");
    loop {
        let request = forebay.request(Method::GET, &path).await?;
        let state: Value = forebay.send(request).await?.json().await.map_err(other)?;
        let live = &state["live"]["generation"];
        let empty = state["lag_seconds"] == 0.0 && live.is_null() && state["building"].is_null();
        if empty || (live.is_string() && *live != before["live"]["generation"]) {
            bar.finish_and_clear();
            return Ok(state);
        }
        let building = &state["building"];
        bar.set_length(building["of"].as_u64().unwrap_or(0));
        bar.set_position(building["position"].as_u64().unwrap_or(0));
        tokio::time::sleep(EVERY).await;
    }
}

fn bar() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} {per_sec} {eta}") {
        bar.set_style(style);
    }
    bar
}
