//! API keys: make, list, rotate, revoke.

use std::io::Write as _;

use clap::Subcommand;
use comfy_table::Table;
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::{Forebay, Target, other, print};
use crate::Failure;

/// A command about keys.
#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Make a key; it is shown this once.
    Create {
        /// For people.
        name: String,
        /// What it may do, e.g. records:write@stream/orders.
        #[arg(long = "permission", value_name = "PERMISSION", required = true)]
        permissions: Vec<String>,
        /// Which records it sees of any stream.
        #[arg(long)]
        filter: Option<String>,
        /// Where it may be shown from, e.g. 10.0.0.0/8; anywhere without it.
        #[arg(long = "network", value_name = "NETWORK")]
        networks: Vec<String>,
        /// Until when, e.g. 2027-01-31T12:00:00Z, or `never`; ninety days without it.
        #[arg(long, value_name = "TIME")]
        expires: Option<String>,
        /// Whose it is, by the account's id; your own without it.
        #[arg(long, value_name = "ID")]
        owner: Option<String>,
        /// As JSON, with all that is known of it.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        target: Target,
    },
    /// The keys that you may see.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        target: Target,
    },
    /// Give a key another secret; the one before is good for a day more.
    Rotate {
        /// Its id.
        id: String,
        /// As JSON, with all that is known of it.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        target: Target,
    },
    /// Take a key back: it opens nothing from then on.
    Revoke {
        /// Its id.
        id: String,
        #[command(flatten)]
        target: Target,
    },
}

/// Runs a command about keys.
pub(super) async fn run(command: KeyCommand) -> Result<(), Failure> {
    match command {
        KeyCommand::Create {
            name,
            permissions,
            filter,
            networks,
            expires,
            owner,
            json,
            target,
        } => {
            let mut body = Map::new();
            body.insert("name".to_owned(), name.into());
            body.insert("permissions".to_owned(), permissions.into());
            body.insert("networks".to_owned(), networks.into());
            for (member, value) in [("filter", filter), ("owner", owner)] {
                body.extend(value.map(|value| (member.to_owned(), Value::from(value))));
            }
            if let Some(expires) = expires {
                let never = expires == "never";
                let expires = if never { Value::Null } else { expires.into() };
                body.insert("expires_at".to_owned(), expires);
            }
            made(&Forebay::new(target)?, "/v1/api-keys", &Value::Object(body), json).await
        }
        KeyCommand::List { json, target } => list(&Forebay::new(target)?, json).await,
        KeyCommand::Rotate { id, json, target } => {
            let path = format!("/v1/api-keys/{id}/rotate");
            made(&Forebay::new(target)?, &path, &json!({}), json).await
        }
        KeyCommand::Revoke { id, target } => {
            let forebay = Forebay::new(target)?;
            let request = forebay.request(Method::DELETE, &format!("/v1/api-keys/{id}")).await?;
            forebay.send(request).await.map(drop)
        }
    }
}

/// The secret alone is on stdout, for whatever takes it.
async fn made(forebay: &Forebay, path: &str, body: &Value, json: bool) -> Result<(), Failure> {
    let request = forebay.request(Method::POST, path).await?.json(body);
    let key: Value = forebay.send(request).await?.json().await.map_err(other)?;
    if json {
        return print(&key.to_string());
    }
    let text = |name: &str| key[name].as_str().unwrap_or("never").to_owned();
    let about = format!("key {}, expires {}\n", text("id"), text("expires_at"));
    // Nobody reads stderr: the key is what counts.
    let _ = std::io::stderr().write_all(about.as_bytes());
    print(&text("key"))
}

async fn list(forebay: &Forebay, json: bool) -> Result<(), Failure> {
    let keys = forebay.all("/v1/api-keys").await?;
    if json {
        return print(&Value::Array(keys).to_string());
    }
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY).set_header([
        "id",
        "name",
        "permissions",
        "expires",
        "last used",
    ]);
    for key in &keys {
        let text = |name: &str| key[name].as_str().unwrap_or("never").to_owned();
        let permissions = key["permissions"].as_array().into_iter().flatten();
        let permissions: Vec<&str> = permissions.filter_map(Value::as_str).collect();
        table.add_row([
            text("id"),
            text("name"),
            permissions.join(", "),
            text("expires_at"),
            text("last_used_at"),
        ]);
    }
    print(&table.to_string())
}
