//! The commands that talk to a running Forebay, through the same doors as anybody.

mod channels;
mod chunks;
mod deliveries;
mod doctor;
mod envelope;
mod erase;
mod inbox;
mod index;
mod keys;
mod login;
mod push;
mod query;
mod rules;
mod search;
mod session;
mod streams;
mod tail;

use std::io::Write as _;

use clap::{Args, Subcommand};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;

use crate::Failure;

pub(crate) use channels::ChannelCommand;
pub(crate) use deliveries::DeliveryCommand;
pub(crate) use doctor::DoctorArgs;
pub(crate) use erase::EraseArgs;
pub(crate) use inbox::InboxCommand;
pub(crate) use keys::KeyCommand;
pub(crate) use login::{LoginArgs, LogoutArgs};
pub(crate) use push::PushArgs;
pub(crate) use query::QueryArgs;
pub(crate) use rules::{RuleCommand, SilenceCommand};
pub(crate) use search::SearchArgs;
pub(crate) use streams::{ExportArgs, StreamCommand};
pub(crate) use tail::TailArgs;

/// Which Forebay, and as whom.
#[derive(Debug, Clone, Args)]
pub(crate) struct Target {
    /// Where Forebay listens.
    #[arg(long, env = "FOREBAY_URL", default_value = "http://127.0.0.1:8000", value_name = "URL")]
    url: String,
    /// The key; without one that of API_KEY, which a server takes too, else the session of
    /// `forebay login`.
    #[arg(
        long,
        env = "FOREBAY_KEY",
        hide_env_values = true,
        default_value = "",
        value_name = "KEY"
    )]
    key: String,
    /// The key that a server on this machine is started with.
    #[arg(long, env = "API_KEY", hide = true, hide_env_values = true, default_value = "")]
    server_key: String,
}

impl Target {
    fn key(&self) -> &str {
        if self.key.is_empty() { &self.server_key } else { &self.key }
    }
}

/// A command of this module.
#[derive(Debug, Subcommand)]
pub(crate) enum ClientCommand {
    /// Send a file's records; what was interrupted goes on where it was.
    Push(PushArgs),
    /// Ask a stream: records that match, or groups of them.
    Query(QueryArgs),
    /// Search a stream for words; or work on its index.
    Search(SearchArgs),
    /// Follow a stream.
    Tail(TailArgs),
    /// List, show, make, change or delete streams.
    Stream {
        #[command(subcommand)]
        command: StreamCommand,
    },
    /// Write all records of a stream to a file.
    Export(ExportArgs),
    /// Look whether all is well, and what to do where it is not: exit status 0, 1 or 2.
    Doctor(DoctorArgs),
    /// Erase a record: its content goes for good.
    Erase(EraseArgs),
    /// Make, list, rotate or revoke API keys.
    Key {
        #[command(subcommand)]
        command: KeyCommand,
    },
    /// Make, list, test, rotate, switch or delete channels: where messages can be sent to.
    Channels {
        #[command(subcommand)]
        command: ChannelCommand,
    },
    /// See what became of messages, and send them again.
    Deliveries {
        #[command(subcommand)]
        command: DeliveryCommand,
    },
    /// Make, list, test or delete rules: what of a stream somebody wants to be told.
    Rules {
        #[command(subcommand)]
        command: RuleCommand,
    },
    /// Tell nobody of some alerts for a while.
    Silence {
        #[command(subcommand)]
        command: SilenceCommand,
    },
    /// See what you were told, mark it as read, or follow what comes.
    Inbox {
        #[command(subcommand)]
        command: InboxCommand,
    },
    /// Sign in: commands without a key are yours from then on.
    Login(LoginArgs),
    /// Sign out.
    Logout(LogoutArgs),
}

/// Runs a command.
pub(crate) fn run(command: ClientCommand) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Failure::Other(e.to_string()))?;
    runtime.block_on(async {
        match command {
            ClientCommand::Push(args) => push::push(args).await,
            ClientCommand::Query(args) => query::query(args).await,
            ClientCommand::Search(args) => search::run(args).await,
            ClientCommand::Doctor(args) => doctor::run(args).await,
            ClientCommand::Tail(args) => tail::tail(args).await,
            ClientCommand::Stream { command } => streams::run(command).await,
            ClientCommand::Export(args) => streams::export(args).await,
            ClientCommand::Erase(args) => erase::erase(args).await,
            ClientCommand::Key { command } => keys::run(command).await,
            ClientCommand::Channels { command } => channels::run(command).await,
            ClientCommand::Deliveries { command } => deliveries::run(command).await,
            ClientCommand::Inbox { command } => inbox::run(command).await,
            ClientCommand::Rules { command } => rules::run(command).await,
            ClientCommand::Silence { command } => rules::silence(command).await,
            ClientCommand::Login(args) => login::login(args).await,
            ClientCommand::Logout(args) => login::logout(args).await,
        }
    })
}

/// A Forebay to talk to.
pub(crate) struct Forebay {
    client: Client,
    target: Target,
}

impl Forebay {
    fn new(target: Target) -> Result<Forebay, Failure> {
        Ok(Forebay { client: client()?, target })
    }

    /// A request with a credential that is good for now.
    async fn request(&self, method: Method, path: &str) -> Result<RequestBuilder, Failure> {
        let base = self.target.url.trim_end_matches('/');
        let request = self.client.request(method, format!("{base}{path}"));
        let key = self.target.key();
        if !key.is_empty() {
            return Ok(request.bearer_auth(key));
        }
        let token = session::token(&self.client, base).await?;
        Ok(request.bearer_auth(token.unwrap_or_default()))
    }

    /// All items of a list, page by page.
    async fn all(&self, path: &str) -> Result<Vec<Value>, Failure> {
        let (mut items, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let request = self.request(Method::GET, path).await?.query(&[("limit", "1000")]);
            let request = request.query(&cursor.map(|cursor| [("cursor", cursor)]));
            let mut page: Value = self.send(request).await?.json().await.map_err(other)?;
            if let Some(page) = page["items"].as_array_mut() {
                items.append(page);
            }
            match page["next_cursor"].as_str() {
                Some(next) => cursor = Some(next.to_owned()),
                None => return Ok(items),
            }
        }
    }

    /// Sends; an error answer becomes a failure with its detail.
    async fn send(&self, request: RequestBuilder) -> Result<Response, Failure> {
        self.send_text(request, &[]).await
    }

    /// Sends texts of the filter language; an error points at its place in the text that came from
    /// its path.
    async fn send_text(
        &self,
        request: RequestBuilder,
        texts: &[(&str, &str)],
    ) -> Result<Response, Failure> {
        let response = request.send().await.map_err(|e| self.unreachable(&e))?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(refused_text(response, texts).await)
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        Failure::Engine(format!("{} does not answer: {error}", self.target.url))
    }
}

fn client() -> Result<Client, Failure> {
    // A second call finds the same provider in place.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    Client::builder().user_agent("forebay-cli").build().map_err(other)
}

/// What an error answer says, for people.
async fn refused(response: Response) -> Failure {
    refused_text(response, &[]).await
}

async fn refused_text(response: Response, texts: &[(&str, &str)]) -> Failure {
    let status = response.status();
    let problem =
        response.headers().get(CONTENT_TYPE).is_some_and(|t| t == "application/problem+json");
    let text = response.text().await.unwrap_or_default();
    let document: Value =
        if problem { serde_json::from_str(&text).unwrap_or_default() } else { Value::Null };
    let mut message = match document["detail"].as_str() {
        Some(detail) => format!("{} ({})", detail, document["code"].as_str().unwrap_or_default()),
        None => format!("the answer was {status}"),
    };
    for error in document["errors"].as_array().into_iter().flatten() {
        let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
        message.push_str(&format!("\n  {}: {}", text("path"), text("message")));
        let source = texts.iter().find(|(path, _)| *path == text("path"));
        if let (Some((_, source)), Some(column)) = (source, error["column"].as_u64()) {
            message.push_str(&pointed(source, column, error["length"].as_u64().unwrap_or(1)));
        }
    }
    match status {
        StatusCode::UNAUTHORIZED => Failure::Configuration(format!(
            "{message}; set FOREBAY_KEY or --key, or sign in: forebay login"
        )),
        status if status.is_server_error() => Failure::Engine(message),
        _ => Failure::Other(message),
    }
}

/// The line of a text with carets under the place that is meant; both 1-based, in characters.
fn pointed(source: &str, column: u64, length: u64) -> String {
    let at = usize::try_from(column.saturating_sub(1)).unwrap_or(usize::MAX);
    let before: String = source.chars().take(at).collect();
    let (start, indent) = match before.rfind('\n') {
        Some(end) => (end + 1, before[end + 1..].chars().count()),
        None => (0, before.chars().count()),
    };
    let line = source[start..].lines().next().unwrap_or_default();
    let room = line.chars().count().saturating_sub(indent).max(1);
    let carets = usize::try_from(length).unwrap_or(usize::MAX).clamp(1, room);
    format!("\n    {line}\n    {}{}", " ".repeat(indent), "^".repeat(carets))
}

fn other(error: impl std::fmt::Display) -> Failure {
    Failure::Other(error.to_string())
}

/// Writes a line to stdout.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    writeln!(std::io::stdout(), "{text}").map_err(unwritten)
}

/// Why an output was not written: a reader that has enough is no failure.
pub(crate) fn unwritten(error: std::io::Error) -> Failure {
    match error.kind() {
        std::io::ErrorKind::BrokenPipe => Failure::Unread,
        _ => other(error),
    }
}
