//! The command line.

use std::io::Write as _;
use std::path::PathBuf;

use clap::{Args, CommandFactory, Parser, Subcommand};
use forebay_config::Config;

use crate::parts::{Part, Parts};
use crate::{Failure, client, openapi, routes, serve, user};

/// The backend for streams of records.
#[derive(Debug, Parser)]
#[command(name = "forebay", version, about)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run Forebay, or those of its parts that are named.
    Serve {
        /// gateway, auth, process, store, notify; all of them when none is named. Apart they share one
        /// PostgreSQL.
        #[arg(value_enum, value_name = "PART", value_delimiter = ',')]
        parts: Vec<Part>,
        #[command(flatten)]
        flags: Flags,
    },
    /// Run Forebay with this machine's own measurements as records.
    Demo(Flags),
    #[command(flatten)]
    Client(client::ClientCommand),
    /// Make, list, disable or let in people, on the database itself.
    User {
        #[command(subcommand)]
        command: user::UserCommand,
    },
    /// Look at the settings.
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Look at the routes to your own services.
    Routes {
        #[command(subcommand)]
        command: routes::RoutesCommand,
    },
    /// Write the API's description (OpenAPI 3.1).
    Openapi,
    /// Write what kinds of channels there are, with what each takes (JSON).
    Kinds,
    /// Write a completion script.
    Completions {
        /// For which shell.
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Show each setting and where it comes from.
    Explain {
        #[command(flatten)]
        flags: Flags,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Flags that win over every other source of settings.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    #[command(flatten)]
    place: Place,
    /// The public address.
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// The address for operators.
    #[arg(long, value_name = "ADDR")]
    admin_listen: Option<String>,
}

/// Where settings and data are.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// Folder with app.yaml, database.yaml and logging.yaml.
    #[arg(long, value_name = "DIR")]
    config: Option<PathBuf>,
    /// Where data is kept.
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
}

impl Flags {
    fn load(&self) -> Result<Config, Failure> {
        self.place.load_with(&[
            ("server.listen", &self.listen),
            ("server.admin_listen", &self.admin_listen),
        ])
    }
}

impl Place {
    /// Reads the settings as `serve` does.
    pub(crate) fn load(&self) -> Result<Config, Failure> {
        self.load_with(&[])
    }

    fn load_with(&self, more: &[(&'static str, &Option<String>)]) -> Result<Config, Failure> {
        let all = [&[("server.data_dir", &self.data)], more].concat();
        let set: Vec<_> = all.iter().filter_map(|(k, v)| Some((*k, (*v).clone()?))).collect();
        let environment = std::env::vars_os()
            .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)));
        Config::load(self.config.as_deref(), environment, &set)
            .map_err(|e| Failure::Configuration(e.to_string()))
    }
}

/// Runs a command.
pub(crate) fn run(cli: Cli) -> Result<(), Failure> {
    match cli.command {
        Command::Serve { parts, flags } => {
            serve::run(&flags.load()?, serve::Mode::Serve, Parts::of(&parts))
        }
        Command::Demo(flags) => serve::run(&flags.load()?, serve::Mode::Demo, Parts::of(&[])),
        Command::Client(command) => client::run(command),
        Command::User { command } => user::run(command),
        Command::Config { command: ConfigCommand::Explain { flags, json } } => {
            explain(&flags.load()?, json)
        }
        Command::Routes { command } => routes::run(command),
        Command::Openapi => {
            let document = openapi::document().map_err(|e| Failure::Other(e.to_string()))?;
            std::io::stdout().write_all(document.as_bytes()).map_err(client::unwritten)
        }
        Command::Kinds => {
            let document = forebay_notify::kinds() + "\n";
            std::io::stdout().write_all(document.as_bytes()).map_err(client::unwritten)
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "forebay", &mut script);
            std::io::stdout().write_all(&script).map_err(client::unwritten)
        }
    }
}

fn explain(config: &Config, json: bool) -> Result<(), Failure> {
    let rows = config.explain();
    let text = if json {
        serde_json::to_string_pretty(&rows).map_err(|e| Failure::Other(e.to_string()))?
    } else {
        let width = |f: fn(&forebay_config::Explained) -> usize| rows.iter().map(f).max();
        let key = width(|r| r.key.len()).unwrap_or(0);
        let value = width(|r| r.value.to_string().len()).unwrap_or(0);
        let line = |r: &forebay_config::Explained| {
            format!("{:key$}  {:value$}  {}", r.key, r.value.to_string(), r.from)
        };
        rows.iter().map(line).collect::<Vec<_>>().join("\n")
    };
    writeln!(std::io::stdout(), "{text}").map_err(client::unwritten)
}
