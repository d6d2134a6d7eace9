//! Channels: where messages can be sent to.

use std::io::Write as _;

use clap::Subcommand;
use comfy_table::Table;
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Forebay, Target, other, print};
use crate::Failure;

/// A command about channels.
#[derive(Debug, Subcommand)]
pub(crate) enum ChannelCommand {
    /// Make a channel; its secret is shown this once.
    Create {
        /// For people.
        name: String,
        /// What it is: `forebay kinds` lists them.
        #[arg(long, default_value = "webhook")]
        kind: String,
        /// Where to: `url` of its configuration.
        #[arg(long, value_name = "URL")]
        to: Option<String>,
        /// Its configuration, as JSON.
        #[arg(long, value_name = "JSON")]
        config: Option<String>,
        /// As JSON, with all that is known of it.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        target: Target,
    },
    /// The channels that you may see.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        target: Target,
    },
    /// Send a message now, and say what came of it.
    Test {
        /// Its id.
        id: String,
        #[command(flatten)]
        target: Target,
    },
    /// Give a channel another secret; the one before is good for a day more.
    Rotate {
        /// Its id.
        id: String,
        /// As JSON, with all that is known of it.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        target: Target,
    },
    /// Have messages wait, or go on.
    Switch {
        /// Its id.
        id: String,
        /// on or off.
        #[arg(value_parser = ["on", "off"])]
        to: String,
        #[command(flatten)]
        target: Target,
    },
    /// Take a channel away: what waits for it is given up.
    Delete {
        /// Its id.
        id: String,
        #[command(flatten)]
        target: Target,
    },
}

/// Runs a command about channels.
pub(super) async fn run(command: ChannelCommand) -> Result<(), Failure> {
    match command {
        ChannelCommand::Create { name, kind, to, config, json, target } => {
            let config = config.as_deref().unwrap_or("{}");
            let config = serde_json::from_str(config);
            let mut config: Value = config.map_err(|e| other(format!("--config: {e}")))?;
            if let (Some(url), Value::Object(members)) = (to, &mut config) {
                members.insert("url".to_owned(), url.into());
            }
            let body = json!({"name": name, "kind": kind, "config": config});
            made(&Forebay::new(target)?, "/v1/channels", &body, json).await
        }
        ChannelCommand::List { json, target } => list(&Forebay::new(target)?, json).await,
        ChannelCommand::Test { id, target } => test(&Forebay::new(target)?, &id).await,
        ChannelCommand::Rotate { id, json, target } => {
            let path = format!("/v1/channels/{id}/rotate");
            made(&Forebay::new(target)?, &path, &json!({}), json).await
        }
        ChannelCommand::Switch { id, to, target } => {
            let state = if to == "on" { "active" } else { "disabled" };
            let forebay = Forebay::new(target)?;
            let request = forebay.request(Method::PATCH, &format!("/v1/channels/{id}")).await?;
            forebay.send(request.json(&json!({"state": state}))).await.map(drop)
        }
        ChannelCommand::Delete { id, target } => {
            let forebay = Forebay::new(target)?;
            let request = forebay.request(Method::DELETE, &format!("/v1/channels/{id}")).await?;
            forebay.send(request).await.map(drop)
        }
    }
}

/// The id and the secret alone are on stdout, for whatever takes them.
async fn made(forebay: &Forebay, path: &str, body: &Value, json: bool) -> Result<(), Failure> {
    let request = forebay.request(Method::POST, path).await?.json(body);
    let channel: Value = forebay.send(request).await?.json().await.map_err(other)?;
    if json {
        return print(&channel.to_string());
    }
    let text = |name: &str| channel[name].as_str().map(str::to_owned);
    if let Some(key) = text("public_key") {
        // Nobody reads stderr: the id and the secret are what counts.
        let _ = writeln!(std::io::stderr(), "public key {key}");
    }
    let shown = [text("id"), text("secret")].into_iter().flatten();
    print(&shown.collect::<Vec<_>>().join("\n"))
}

async fn list(forebay: &Forebay, json: bool) -> Result<(), Failure> {
    let channels = forebay.all("/v1/channels").await?;
    if json {
        return print(&Value::Array(channels).to_string());
    }
    let mut table = Table::new();
    let header = ["id", "name", "kind", "state", "configuration"];
    table.load_style(UTF8_HORIZONTAL_ONLY).set_header(header);
    for channel in &channels {
        let text = |name: &str| channel[name].as_str().unwrap_or_default().to_owned();
        let config = channel["config"].to_string();
        table.add_row([text("id"), text("name"), text("kind"), text("state"), config]);
    }
    print(&table.to_string())
}

/// Says what came of it; what was not delivered is a failure.
async fn test(forebay: &Forebay, id: &str) -> Result<(), Failure> {
    let request = forebay.request(Method::POST, &format!("/v1/channels/{id}/test")).await?;
    let came: Value = forebay.send(request).await?.json().await.map_err(other)?;
    let outcome = came["outcome"].as_str().unwrap_or_default();
    let status = came["status"].as_u64().map(|status| format!(", status {status}"));
    let line = format!("{outcome}{}, {} ms", status.unwrap_or_default(), came["duration_ms"]);
    if outcome == "delivered" {
        return print(&line);
    }
    let excerpt = came["excerpt"].as_str().map(str::trim).unwrap_or_default();
    Err(other(format!("{line}\n  {excerpt}").trim_end()))
}
