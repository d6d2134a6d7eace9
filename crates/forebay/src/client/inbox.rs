//! The inbox: what you were told, and what comes.

use std::time::Duration;

use clap::Subcommand;
use comfy_table::Table;
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, StatusCode};
use serde_json::Value;

use super::{Forebay, Target, other, print, refused_text};
use crate::Failure;

/// A command about your inbox.
#[derive(Debug, Subcommand)]
pub(crate) enum InboxCommand {
    /// What you were told, the newest first.
    List {
        /// Only what is unread.
        #[arg(long)]
        unread: bool,
        /// account, alert, event, …
        #[arg(long)]
        category: Option<String>,
        /// The most of it.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
        /// As JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        target: Target,
    },
    /// Mark items as read.
    Read {
        /// Their ids.
        #[arg(required_unless_present = "all")]
        ids: Vec<String>,
        /// Everything.
        #[arg(long, conflicts_with = "ids")]
        all: bool,
        /// With --all: of this category.
        #[arg(long, requires = "all")]
        category: Option<String>,
        #[command(flatten)]
        target: Target,
    },
    /// Follow what comes; a lost connection is taken up where it was.
    Follow {
        /// Begin after this item; 0 is the beginning. From now on without it.
        #[arg(long, value_name = "ID")]
        after: Option<String>,
        /// Whole items as JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        target: Target,
    },
}

/// Runs a command about the inbox.
pub(super) async fn run(command: InboxCommand) -> Result<(), Failure> {
    match command {
        InboxCommand::List { unread, category, limit, json, target } => {
            let mut asked = vec![("limit", limit.to_string())];
            if unread {
                asked.push(("unread", "true".to_owned()));
            }
            asked.extend(category.map(|category| ("category", category)));
            list(&Forebay::new(target)?, &asked, json).await
        }
        InboxCommand::Read { ids, all: false, target, .. } => {
            let forebay = Forebay::new(target)?;
            for id in ids {
                let path = format!("/v1/inbox/{id}/read");
                let request = forebay.request(Method::POST, &path).await?;
                forebay.send(request).await?;
            }
            Ok(())
        }
        InboxCommand::Read { category, target, .. } => {
            let forebay = Forebay::new(target)?;
            let request = forebay.request(Method::POST, "/v1/inbox/read-all").await?;
            let body = category.map_or_else(
                || serde_json::json!({}),
                |category| serde_json::json!({"category": category}),
            );
            let request = request.header(CONTENT_TYPE, "application/json").body(body.to_string());
            let read: Value = forebay.send(request).await?.json().await.map_err(other)?;
            print(&format!("{} read", read["read"]))
        }
        InboxCommand::Follow { after, json, target } => {
            follow(&Forebay::new(target)?, after, json).await
        }
    }
}

async fn list(forebay: &Forebay, asked: &[(&str, String)], json: bool) -> Result<(), Failure> {
    let request = forebay.request(Method::GET, "/v1/inbox").await?.query(asked);
    let mut page: Value = forebay.send(request).await?.json().await.map_err(other)?;
    let items = page["items"].take();
    if json {
        return print(&items.to_string());
    }
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY).set_header([
        "id",
        "",
        "category",
        "title",
        "created_at",
    ]);
    for item in items.as_array().into_iter().flatten() {
        let text = |name: &str| item[name].as_str().unwrap_or_default().to_owned();
        let new = if item["read"] == true { "" } else { "new" };
        let row = [text("id"), new.to_owned(), text("category"), text("title"), text("created_at")];
        table.add_row(row);
    }
    print(&format!("{table}\n{} unread", page["unread"]["total"]))
}

async fn follow(forebay: &Forebay, mut last: Option<String>, json: bool) -> Result<(), Failure> {
    let mut begun = false;
    loop {
        let mut request = forebay.request(Method::GET, "/v1/inbox/subscribe").await?;
        if let Some(last) = &last {
            request = request.header("last-event-id", last);
        }
        match request.send().await {
            Ok(response) if response.status() == StatusCode::OK => {
                begun = true;
                hear(response, &mut last, json).await?;
            }
            Ok(response) if !response.status().is_server_error() => {
                return Err(refused_text(response, &[]).await);
            }
            // The first connection tells that nobody is there; a later one waits for a restart.
            Err(error) if !begun => return Err(forebay.unreachable(&error)),
            Ok(_) | Err(_) => {}
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn hear(
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
            let data: Value =
                serde_json::from_str(part("data: ").unwrap_or_default()).unwrap_or_default();
            match part("event: ").unwrap_or_default() {
                "item" if json => print(&data.to_string())?,
                "item" => {
                    let text = |name: &str| data[name].as_str().unwrap_or_default().to_owned();
                    print(&format!(
                        "{}  {}  {}",
                        text("created_at"),
                        text("category"),
                        text("title")
                    ))?;
                }
                "error" => {
                    let detail = data["detail"].as_str().unwrap_or("it ended");
                    return Err(Failure::Other(detail.to_owned()));
                }
                _ => {}
            }
            if let Some(id) = part("id: ") {
                *last = Some(id.to_owned());
            }
        }
    }
    Ok(())
}
