//! Follows a stream; a lost connection is taken up where it was.

use std::time::Duration;

use clap::Args;
use reqwest::{Method, StatusCode};
use serde_json::Value;

use super::{Forebay, Target, print, refused_text};
use crate::Failure;

/// Arguments of `tail`.
#[derive(Debug, Args)]
pub(crate) struct TailArgs {
    /// The stream.
    stream: String,
    /// Only records that match.
    #[arg(default_value = "")]
    filter: String,
    /// Begin after this position; 0 is the beginning. From now on without it.
    #[arg(long, value_name = "SEQ")]
    after: Option<String>,
    /// Whole records as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

/// Follows until it is stopped.
pub(super) async fn tail(args: TailArgs) -> Result<(), Failure> {
    let forebay = Forebay::new(args.target)?;
    let mut last = args.after;
    loop {
        let path = format!("/v1/streams/{}/subscribe", args.stream);
        let mut request =
            forebay.request(Method::GET, &path).await?.query(&[("filter", &args.filter)]);
        if let Some(last) = &last {
            request = request.header("last-event-id", last);
        }
        match request.send().await {
            Ok(response) if response.status() == StatusCode::OK => {
                follow(response, &mut last, args.json).await?;
            }
            Ok(response) if !response.status().is_server_error() => {
                return Err(refused_text(response, &[("?filter", &args.filter)]).await);
            }
            Ok(_) => {}
            // The first connection tells that nobody is there; a later one waits for a restart.
            Err(error) if last.is_none() => return Err(forebay.unreachable(&error)),
            Err(_) => {}
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn follow(
    mut response: reqwest::Response,
    last: &mut Option<String>,
    json: bool,
) -> Result<(), Failure> {
    let mut bytes: Vec<u8> = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        bytes.extend_from_slice(&chunk);
        while let Some(end) = bytes.windows(2).position(|w| w == b"\n\n") {
            let event: Vec<u8> = bytes.drain(..end + 2).collect();
            let event = String::from_utf8_lossy(&event).into_owned();
            let part = |name: &str| event.lines().find_map(|l| l.strip_prefix(name));
            show(part("event: ").unwrap_or_default(), part("data: ").unwrap_or_default(), json)?;
            if let Some(id) = part("id: ") {
                *last = Some(id.to_owned());
            }
        }
    }
    Ok(())
}

fn show(event: &str, data: &str, json: bool) -> Result<(), Failure> {
    let data: Value = serde_json::from_str(data).unwrap_or_default();
    match event {
        "create" | "snapshot" | "update" if json => print(&data["record"].to_string()),
        "create" | "snapshot" | "update" => {
            let record = &data["record"];
            let text = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
            print(&format!("{}  {}  {}", record["seq"], text("time"), record["data"]))
        }
        "error" => {
            Err(Failure::Other(data["detail"].as_str().unwrap_or("the stream ended").to_owned()))
        }
        _ => Ok(()),
    }
}
