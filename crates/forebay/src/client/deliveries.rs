//! Deliveries: what became of messages, and sending them again.

use clap::{Args, Subcommand};
use comfy_table::Table;
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use reqwest::Method;
use serde_json::{Map, Value};

use super::{Forebay, Target, other, print};
use crate::Failure;

/// A command about deliveries.
#[derive(Debug, Subcommand)]
pub(crate) enum DeliveryCommand {
    /// The newest deliveries.
    List {
        /// waiting, sending, delivered or failed.
        #[arg(long)]
        state: Option<String>,
        #[command(flatten)]
        of: Of,
        /// The most of them.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
        /// As JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        target: Target,
    },
    /// The tries of a delivery.
    Attempts {
        /// Its id.
        id: String,
        /// As JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        target: Target,
    },
    /// Send again: these, or all that failed of a channel, a rule, a time.
    Replay {
        /// Their ids.
        ids: Vec<String>,
        /// failed, or delivered.
        #[arg(long)]
        state: Option<String>,
        #[command(flatten)]
        of: Of,
        /// Written then or later, e.g. 2026-01-31T12:00:00Z.
        #[arg(long, value_name = "TIME")]
        from: Option<String>,
        /// Written before then.
        #[arg(long, value_name = "TIME")]
        to: Option<String>,
        #[command(flatten)]
        target: Target,
    },
}

/// To which channel, of which rule.
#[derive(Debug, Args)]
pub(crate) struct Of {
    /// To this channel.
    #[arg(long, value_name = "ID")]
    channel: Option<String>,
    /// Of this rule.
    #[arg(long, value_name = "ID")]
    rule: Option<String>,
}

/// Runs a command about deliveries.
pub(super) async fn run(command: DeliveryCommand) -> Result<(), Failure> {
    match command {
        DeliveryCommand::List { state, of, limit, json, target } => {
            let asked = [
                ("state", state),
                ("channel", of.channel),
                ("rule", of.rule),
                ("limit", Some(limit.to_string())),
            ];
            let asked: Vec<_> =
                asked.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
            let forebay = Forebay::new(target)?;
            let request = forebay.request(Method::GET, "/v1/deliveries").await?.query(&asked);
            show(&forebay, request, json, &DELIVERY).await
        }
        DeliveryCommand::Attempts { id, json, target } => {
            let forebay = Forebay::new(target)?;
            let path = format!("/v1/deliveries/{id}/attempts");
            let request = forebay.request(Method::GET, &path).await?;
            show(&forebay, request, json, &ATTEMPT).await
        }
        DeliveryCommand::Replay { ids, state, of, from, to, target } => {
            let mut body = Map::new();
            if !ids.is_empty() {
                body.insert("ids".to_owned(), ids.into());
            }
            for (name, value) in [
                ("state", state),
                ("channel", of.channel),
                ("rule", of.rule),
                ("from", from),
                ("to", to),
            ] {
                body.extend(value.map(|value| (name.to_owned(), Value::from(value))));
            }
            replay(&Forebay::new(target)?, &Value::Object(body)).await
        }
    }
}

const DELIVERY: [&str; 6] = ["id", "type", "channel", "state", "tries", "next_try_at"];
const ATTEMPT: [&str; 6] = ["number", "at", "outcome", "status", "duration_ms", "excerpt"];

pub(super) async fn show(
    forebay: &Forebay,
    request: reqwest::RequestBuilder,
    json: bool,
    columns: &[&str],
) -> Result<(), Failure> {
    let page: Value = forebay.send(request).await?.json().await.map_err(other)?;
    if json {
        return print(&page["items"].to_string());
    }
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY).set_header(columns.to_vec());
    for item in page["items"].as_array().into_iter().flatten() {
        let cell = |name: &&str| match &item[*name] {
            Value::String(text) => text.lines().next().unwrap_or_default().to_owned(),
            Value::Null => String::new(),
            other => other.to_string(),
        };
        table.add_row(columns.iter().map(cell).collect::<Vec<_>>());
    }
    print(&table.to_string())
}

/// Until nothing is left of what one request does not reach.
async fn replay(forebay: &Forebay, body: &Value) -> Result<(), Failure> {
    let mut replayed = 0;
    loop {
        let request = forebay.request(Method::POST, "/v1/deliveries/replay").await?.json(body);
        let answer: Value = forebay.send(request).await?.json().await.map_err(other)?;
        replayed += answer["replayed"].as_u64().unwrap_or(0);
        if answer["more"] != true {
            return print(&format!("{replayed} in line again"));
        }
    }
}
