//! Streams: list, show, make, delete, export.

use std::fs::File;
use std::io::{Read as _, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use comfy_table::Table;
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::Value;

use super::{Forebay, Target, envelope, other, print, unwritten};
use crate::Failure;

/// A command about streams.
#[derive(Debug, Subcommand)]
pub(crate) enum StreamCommand {
    /// All streams.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        target: Target,
    },
    /// One stream's definition.
    Show {
        /// Its name.
        name: String,
        /// As JSON on one line.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        target: Target,
    },
    /// Make or change a stream.
    Put {
        /// Its name.
        name: String,
        /// A file with its definition as JSON, also as `stream show` writes it; `-` is standard input.
        file: PathBuf,
        /// The result as JSON on one line.
        #[arg(long)]
        json: bool,
        /// Also when the schema refuses what it took before.
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        target: Target,
    },
    /// Delete a stream with all its records.
    Delete {
        /// Its name.
        name: String,
        #[command(flatten)]
        target: Target,
    },
}

/// Arguments of `export`.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The stream.
    stream: String,
    /// ndjson or csv.
    #[arg(long, default_value = "ndjson")]
    format: String,
    /// Only records that match.
    #[arg(long, default_value = "")]
    filter: String,
    /// The file; standard output without it.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    target: Target,
}

/// Runs a command about streams.
pub(super) async fn run(command: StreamCommand) -> Result<(), Failure> {
    match command {
        StreamCommand::List { json, target } => list(&Forebay::new(target)?, json).await,
        StreamCommand::Show { name, json, target } => {
            let forebay = Forebay::new(target)?;
            let request = forebay.request(Method::GET, &format!("/v1/streams/{name}")).await?;
            show(forebay.send(request).await?, json).await
        }
        StreamCommand::Put { name, file, json, force, target } => {
            let forebay = Forebay::new(target)?;
            let path = format!("/v1/streams/{name}?force={force}");
            let request = forebay.request(Method::PUT, &path).await?.body(definition(&file)?);
            show(forebay.send(request.header(CONTENT_TYPE, "application/json")).await?, json).await
        }
        StreamCommand::Delete { name, target } => {
            let forebay = Forebay::new(target)?;
            let request = forebay.request(Method::DELETE, &format!("/v1/streams/{name}")).await?;
            forebay.send(request).await.map(drop)
        }
    }
}

/// Reads a definition, without what only the server writes into one.
fn definition(file: &Path) -> Result<Vec<u8>, Failure> {
    let read = if file.as_os_str() == "-" {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        std::fs::read(file)
    };
    let body = read.map_err(|e| other(format!("{}: {e}", file.display())))?;
    let own = std::str::from_utf8(&body).ok().and_then(envelope::definition);
    Ok(own.map_or(body, String::into_bytes))
}

async fn show(response: reqwest::Response, json: bool) -> Result<(), Failure> {
    let stream: Value = response.json().await.map_err(other)?;
    if json {
        return print(&stream.to_string());
    }
    print(&serde_json::to_string_pretty(&stream).map_err(other)?)
}

async fn list(forebay: &Forebay, json: bool) -> Result<(), Failure> {
    let streams = forebay.all("/v1/streams").await?;
    if json {
        return print(&Value::Array(streams).to_string());
    }
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY).set_header(["name", "records", "version", "created"]);
    for stream in &streams {
        let records = stream["records"].as_i64().unwrap_or(0);
        let text = |name: &str| stream[name].as_str().unwrap_or_default().to_owned();
        table.add_row([
            text("name"),
            records.to_string(),
            stream["version"].to_string(),
            text("created_at"),
        ]);
    }
    print(&table.to_string())
}

/// Writes all records of a stream.
pub(super) async fn export(args: ExportArgs) -> Result<(), Failure> {
    let forebay = Forebay::new(args.target)?;
    let path = format!("/v1/streams/{}/export?format={}", args.stream, args.format);
    let request = forebay.request(Method::GET, &path).await?.query(&[("filter", &args.filter)]);
    let mut response = forebay.send_text(request, &[("?filter", &args.filter)]).await?;
    let mut out: Box<dyn Write> = match &args.output {
        Some(file) => {
            let made = File::create(file);
            Box::new(made.map_err(|e| other(format!("{}: {e}", file.display())))?)
        }
        None => Box::new(std::io::stdout().lock()),
    };
    while let Some(chunk) = response.chunk().await.map_err(other)? {
        out.write_all(&chunk).map_err(unwritten)?;
    }
    out.flush().map_err(unwritten)
}
