//! Rules and silences: what somebody wants to be told, and what nobody is told for a while.

use std::io::Read as _;
use std::path::PathBuf;

use clap::Subcommand;
use reqwest::Method;
use serde_json::{Value, json};

use super::deliveries::show;
use super::{Forebay, Target, other, print};
use crate::Failure;

/// A command about rules.
#[derive(Debug, Subcommand)]
pub(crate) enum RuleCommand {
    /// Make a rule of a file, YAML or JSON; `-` reads it from standard input.
    Create {
        /// The file.
        file: PathBuf,
        #[command(flatten)]
        target: Target,
    },
    /// The rules that you may see.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        target: Target,
    },
    /// The groups of a rule, with where each is.
    Groups {
        /// The rule's id.
        id: String,
        /// As JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        target: Target,
    },
    /// What a rule would have done: of a rule that is there, or of a file.
    Backtest {
        /// The rule's id, or a file with a rule.
        rule: String,
        /// From when on; a day ago without it.
        #[arg(long, value_name = "TIME")]
        from: Option<String>,
        /// Until when; now without it.
        #[arg(long, value_name = "TIME")]
        to: Option<String>,
        /// As JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        target: Target,
    },
    /// Run the tests of rules in files, without any server: exit status 1 when one fails.
    Test {
        /// The files.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Delete a rule.
    Delete {
        /// Its id.
        id: String,
        #[command(flatten)]
        target: Target,
    },
}

/// A command about silences.
#[derive(Debug, Subcommand)]
pub(crate) enum SilenceCommand {
    /// Tell nobody of some alerts until a time.
    Create {
        /// A filter over alerts: `data.rule == "cpu" && data.group["data.host"] == "a"`.
        matcher: String,
        /// When it ends, e.g. 2026-01-31T12:00:00Z.
        #[arg(long, value_name = "TIME")]
        until: String,
        /// Why.
        #[arg(long, default_value = "")]
        comment: String,
        #[command(flatten)]
        target: Target,
    },
    /// Those that are not over.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        target: Target,
    },
    /// End one now.
    End {
        /// Its id.
        id: String,
        #[command(flatten)]
        target: Target,
    },
}

/// Runs a command about rules.
pub(super) async fn run(command: RuleCommand) -> Result<(), Failure> {
    match command {
        RuleCommand::Create { file, target } => {
            let forebay = Forebay::new(target)?;
            let request = forebay.request(Method::POST, "/v1/rules").await?.json(&read(&file)?);
            let made: Value = forebay.send(request).await?.json().await.map_err(other)?;
            print(made["id"].as_str().unwrap_or_default())
        }
        RuleCommand::List { json, target } => {
            let forebay = Forebay::new(target)?;
            let request = forebay.request(Method::GET, "/v1/rules?limit=1000").await?;
            show(&forebay, request, json, &["id", "name", "kind", "stream", "enabled", "error"])
                .await
        }
        RuleCommand::Groups { id, json, target } => {
            let forebay = Forebay::new(target)?;
            let path = format!("/v1/rules/{id}/groups?limit=1000");
            let request = forebay.request(Method::GET, &path).await?;
            show(&forebay, request, json, &["group", "state", "since", "value", "acknowledged_by"])
                .await
        }
        RuleCommand::Backtest { rule, from, to, json, target } => {
            let mut body = json!({});
            for (name, time) in [("from", from), ("to", to)] {
                if let Some(time) = time {
                    body[name] = time.into();
                }
            }
            let file = PathBuf::from(&rule);
            let path = if file.exists() {
                body["rule"] = read(&file)?;
                "/v1/rules/backtest".to_owned()
            } else {
                format!("/v1/rules/{rule}/backtest")
            };
            backtest(&Forebay::new(target)?, &path, &body, json).await
        }
        RuleCommand::Test { files } => test(&files),
        RuleCommand::Delete { id, target } => {
            let forebay = Forebay::new(target)?;
            let request = forebay.request(Method::DELETE, &format!("/v1/rules/{id}")).await?;
            forebay.send(request).await.map(|_| ())
        }
    }
}

/// Runs a command about silences.
pub(super) async fn silence(command: SilenceCommand) -> Result<(), Failure> {
    match command {
        SilenceCommand::Create { matcher, until, comment, target } => {
            let forebay = Forebay::new(target)?;
            let body = json!({"matcher": matcher, "ends_at": until, "comment": comment});
            let request = forebay.request(Method::POST, "/v1/silences").await?.json(&body);
            let made: Value = forebay.send(request).await?.json().await.map_err(other)?;
            print(made["id"].as_str().unwrap_or_default())
        }
        SilenceCommand::List { json, target } => {
            let forebay = Forebay::new(target)?;
            let request = forebay.request(Method::GET, "/v1/silences?limit=1000").await?;
            show(&forebay, request, json, &["id", "matcher", "starts_at", "ends_at", "comment"])
                .await
        }
        SilenceCommand::End { id, target } => {
            let forebay = Forebay::new(target)?;
            let request = forebay.request(Method::DELETE, &format!("/v1/silences/{id}")).await?;
            forebay.send(request).await.map(|_| ())
        }
    }
}

async fn backtest(
    forebay: &Forebay,
    path: &str,
    body: &Value,
    as_json: bool,
) -> Result<(), Failure> {
    let request = forebay.request(Method::POST, path).await?.json(body);
    let answer: Value = forebay.send(request).await?.json().await.map_err(other)?;
    if as_json {
        return print(&answer.to_string());
    }
    let mut lines = Vec::new();
    for episode in answer["episodes"].as_array().into_iter().flatten() {
        let time = |name: &str| episode[name].as_str().unwrap_or("-").to_owned();
        let (pending, firing, over) = (time("pending_at"), time("firing_at"), time("resolved_at"));
        let group = &episode["group"];
        lines.push(format!(
            "{pending}  firing {firing}  resolved {over}  peak {}  {group}",
            episode["peak"]
        ));
    }
    let (records, fired) = (&answer["records"], &answer["fired"]);
    lines.push(format!("{records} records: fired {fired} times, {} matches", answer["matched"]));
    print(&lines.join("\n"))
}

fn test(files: &[PathBuf]) -> Result<(), Failure> {
    let mut failed = 0;
    for file in files {
        let found = forebay_notify::test_rule(&read(file)?);
        let name = file.display();
        if found.is_empty() {
            print(&format!("{name}: ok"))?;
        }
        for message in found {
            failed += 1;
            print(&format!("{name}: {message}"))?;
        }
    }
    if failed == 0 {
        return Ok(());
    }
    Err(Failure::Other(format!("{failed} expectations did not come true")))
}

/// Reads YAML or JSON, which is YAML too.
fn read(file: &std::path::Path) -> Result<Value, Failure> {
    let mut text = String::new();
    let read = if file == std::path::Path::new("-") {
        std::io::stdin().read_to_string(&mut text).map(|_| ())
    } else {
        std::fs::read_to_string(file).map(|content| text = content)
    };
    let wrong =
        |error: &dyn std::fmt::Display| Failure::Other(format!("{}: {error}", file.display()));
    read.map_err(|error| wrong(&error))?;
    serde_saphyr::from_str(&text).map_err(|error| wrong(&error))
}
