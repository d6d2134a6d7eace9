//! Sends a file: split into requests, each repeated until it is answered, and resumable.

use std::fs::File;
use std::io::{BufReader, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::chunks::{Chunk, Chunks, Format, Source};
use super::{Forebay, Target, other, print, refused};
use crate::Failure;

/// Arguments of `push`.
#[derive(Debug, Args)]
pub(crate) struct PushArgs {
    /// The stream.
    stream: String,
    /// The file; `-` is standard input. A push that was cut off goes on where it was; pushing a file a
    /// second time stores it a second time, unless its records bring ids.
    #[arg(default_value = "-")]
    file: PathBuf,
    /// What it holds; by its name where it is not said. One that ends in .gz or .zst is unpacked.
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Each object is {"id"?,"time"?,"data":{…}}, or a record as `export` writes it.
    #[arg(long)]
    envelope: bool,
    /// How often a request is tried while Forebay is busy or away.
    #[arg(long, default_value_t = 10)]
    tries: u32,
    /// The result as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

#[derive(Default)]
struct Tally {
    accepted: u64,
    duplicates: u64,
    rejected: u64,
}

/// Sends a file.
pub(super) async fn push(args: PushArgs) -> Result<(), Failure> {
    let forebay = Forebay::new(args.target)?;
    let format = args.format.unwrap_or_else(|| by_name(&args.file));
    if args.envelope && format == Format::Csv {
        let message = "--envelope is for objects: a CSV has no envelopes";
        return Err(Failure::Configuration(message.to_owned()));
    }
    let piped = args.file.as_os_str() == "-";
    let source: Source = if piped {
        Box::new(std::io::stdin())
    } else {
        open(&args.file).map_err(|e| other(format!("{}: {e}", args.file.display())))?
    };
    let place = (!piped).then(|| Place::beside(&args.file, &args.stream, &forebay.target.url));
    let mut run = match place.as_ref().and_then(Place::read) {
        Some(run) => run,
        None => Run::new()?,
    };
    let bar = progress(&args.file, format, piped);
    bar.set_position(run.at);
    let mut chunks = Chunks::open(source, format, run.at, args.envelope)?;
    let path =
        format!("/v1/streams/{}/records?return=minimal&envelope={}", args.stream, args.envelope);
    let mut tally = Tally::default();
    while let Some(chunk) = chunks.next(run.until.unwrap_or(u64::MAX))? {
        run.until = Some(chunk.next);
        if let Some(place) = &place {
            place.write(&run)?;
        }
        let told = deliver(&forebay, &path, &chunk, &run.key(), args.tries).await;
        let told = told.map_err(|failure| match (&place, failure) {
            (Some(place), Failure::Other(why)) if why.contains("idempotency_mismatch") => {
                let place = place.path.display();
                Failure::Other(format!(
                    "{} has changed since a push of it was cut off: remove {place} to push it from its beginning",
                    args.file.display()
                ))
            }
            (_, failure) => failure,
        })?;
        let count = |name: &str| told[name].as_u64().unwrap_or(0);
        tally.accepted += count("accepted");
        tally.duplicates += count("duplicates");
        for rejected in told["rejected"].as_array().into_iter().flatten() {
            tally.rejected += 1;
            if tally.rejected <= 10 {
                bar.suspend(|| note(rejected, &chunk, format));
            }
        }
        (run.at, run.until) = (chunk.next, None);
        bar.set_position(run.at);
    }
    bar.finish_and_clear();
    // What was sent is there: a next push of the file sends it again.
    if let Some(place) = &place {
        place.forget();
    }
    let Tally { accepted, duplicates, rejected } = tally;
    if args.json {
        print(
            &json!({"accepted": accepted, "duplicates": duplicates, "rejected": rejected})
                .to_string(),
        )?;
    } else {
        print(&format!("{accepted} accepted, {duplicates} duplicates, {rejected} rejected"))?;
    }
    if rejected > 0 {
        return Err(Failure::Other(format!("{rejected} records were rejected")));
    }
    Ok(())
}

/// Sends one request until it is answered; the key makes a repeat harmless.
async fn deliver(
    forebay: &Forebay,
    path: &str,
    chunk: &Chunk,
    key: &str,
    tries: u32,
) -> Result<Value, Failure> {
    let mut tried = 0;
    loop {
        tried += 1;
        let request = forebay.request(Method::POST, path).await?.header("content-type", chunk.kind);
        let request = request.header("idempotency-key", key).body(chunk.body.clone());
        let (failure, wait) = match request.send().await {
            Ok(response) => {
                let status = response.status();
                let problem = response.headers().get("content-type");
                let problem = problem.is_some_and(|t| t == "application/problem+json");
                if status.is_success() || (status == StatusCode::BAD_REQUEST && !problem) {
                    return response.json().await.map_err(other);
                }
                let again = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
                let wait = response
                    .headers()
                    .get("retry-after")
                    .and_then(|v| v.to_str().ok()?.parse().ok());
                let failure = refused(response).await;
                if !again {
                    return Err(failure);
                }
                (failure, wait)
            }
            Err(error) => (forebay.unreachable(&error), None),
        };
        if tried >= tries {
            return Err(failure);
        }
        let wait = wait.unwrap_or(1 << tried.min(5)).min(60);
        tokio::time::sleep(Duration::from_secs(wait)).await;
    }
}

/// Says where in the file a rejected record stands.
fn note(rejected: &Value, chunk: &Chunk, format: Format) {
    use std::io::Write as _;
    let text = |name: &str| rejected[name].as_str().unwrap_or_default();
    let index = rejected["index"].as_u64().and_then(|index| usize::try_from(index).ok());
    let place = index.and_then(|index| chunk.places.get(index)).copied().unwrap_or(0);
    let what = if format == Format::Json { "element" } else { "line" };
    let line = format!(
        "rejected: {what} {place}: {} {}: {}\n",
        text("code"),
        text("path"),
        text("message")
    );
    // Nobody reads stderr: the count is in the result.
    let _ = std::io::stderr().write_all(line.as_bytes());
}

/// Opens a file, unpacked where its name says that it is packed.
fn open(path: &Path) -> std::io::Result<Source> {
    let file = File::open(path)?;
    Ok(match packed(path) {
        Some("gz") => Box::new(flate2::bufread::MultiGzDecoder::new(BufReader::new(file))),
        Some(_) => Box::new(zstd::stream::read::Decoder::new(file)?),
        None => Box::new(file),
    })
}

fn packed(file: &Path) -> Option<&str> {
    file.extension()?.to_str().filter(|ending| ["gz", "zst"].contains(ending))
}

fn by_name(file: &Path) -> Format {
    let inner = if packed(file).is_some() { file.file_stem().map(Path::new) } else { Some(file) };
    match inner.and_then(|name| name.extension()?.to_str()) {
        Some("csv") => Format::Csv,
        Some("json") => Format::Json,
        _ => Format::Ndjson,
    }
}

fn progress(file: &Path, format: Format, piped: bool) -> ProgressBar {
    if piped || format == Format::Json || packed(file).is_some() || !std::io::stderr().is_terminal()
    {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(file.metadata().map(|m| m.len()).unwrap_or(0));
    let style =
        ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {bytes_per_sec} {eta}");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar
}

/// One push of a file, also when it was cut off and goes on.
#[derive(Debug, Deserialize, Serialize)]
struct Run {
    /// Tells this push from every other one: only what is sent again within it is a repeat.
    id: String,
    /// Where the next request begins.
    at: u64,
    /// Where it ends, once it may have been sent: also when the file has grown since, a repeat holds
    /// the same records.
    until: Option<u64>,
}

impl Run {
    fn new() -> Result<Run, Failure> {
        let mut bytes = [0; 16];
        aws_lc_rs::rand::fill(&mut bytes).map_err(other)?;
        let id = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Run { id, at: 0, until: None })
    }

    fn key(&self) -> String {
        format!("push-{}-{}", self.id, self.at)
    }
}

/// How far a file is, kept beside it until it is through.
struct Place {
    path: PathBuf,
    /// Where the file goes.
    target: String,
}

impl Place {
    fn beside(file: &Path, stream: &str, url: &str) -> Place {
        let mut path = file.as_os_str().to_owned();
        path.push(".forebay-push");
        Place { path: path.into(), target: format!("{url} {stream}") }
    }

    fn read(&self) -> Option<Run> {
        let text = std::fs::read_to_string(&self.path).ok()?;
        let (target, run) = text.split_once('\n')?;
        if target != self.target { None } else { serde_json::from_str(run).ok() }
    }

    fn write(&self, run: &Run) -> Result<(), Failure> {
        let run = serde_json::to_string(run).map_err(other)?;
        std::fs::write(&self.path, format!("{}\n{run}\n", self.target)).map_err(other)
    }

    fn forget(&self) {
        // Without it the next run begins at the start, which is what is meant.
        let _ = std::fs::remove_file(&self.path);
    }
}
