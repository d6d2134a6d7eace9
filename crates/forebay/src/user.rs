//! People's accounts on the database itself: also when nobody can sign in, and before the first
//! start.

use std::path::Path;
use std::sync::Arc;

use clap::{Args, Subcommand};
use comfy_table::Table;
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use forebay_auth::offline::{NewPerson, Offline};
use forebay_db::{Db, Settings as DbSettings};
use forebay_model::time::SystemClock;
use forebay_model::{Code, Error};
use serde_json::Value;

use crate::cli::Place;
use crate::client::print;
use crate::serve::{not_opened, unusable};
use crate::settings::Settings;
use crate::{Failure, ask};

/// A command about people.
#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Make an account; the password is asked for, or read from stdin.
    Create {
        /// What they sign in with.
        email: String,
        /// For people; the address without it.
        #[arg(long)]
        name: Option<String>,
        /// What they may do: admin, operator, editor, viewer, ingest, or a role that was made here.
        #[arg(long = "role", value_name = "ROLE")]
        roles: Vec<String>,
        #[command(flatten)]
        place: Place,
    },
    /// All people.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Let somebody in no longer; their sessions end.
    Disable(Whom),
    /// Let somebody in again.
    Enable(Whom),
    /// Give somebody another password, asked for or read from stdin; or a link to choose one.
    Reset {
        #[command(flatten)]
        whom: Whom,
        /// Write a link by which they choose a password themselves, once and within an hour.
        #[arg(long)]
        link: bool,
        /// Take their second factor away too: phone and codes on paper are lost.
        #[arg(long)]
        drop_second_factor: bool,
    },
    /// Count somebody's tries to sign in anew.
    Unlock(Whom),
}

/// Whom a command is about.
#[derive(Debug, Args)]
pub(crate) struct Whom {
    /// What they sign in with.
    email: String,
    #[command(flatten)]
    place: Place,
}

/// Runs a command.
pub(crate) fn run(command: UserCommand) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Failure::Other(e.to_string()))?;
    runtime.block_on(async {
        match command {
            UserCommand::Create { email, name, roles, place } => {
                let opened = open(&place, true).await?;
                let password = &ask::new_password()?;
                let (email, name, roles) = (email.as_str(), name.as_deref(), roles.as_slice());
                let new = NewPerson { email, name, roles, password };
                let made = opened.people.create(new).await.map_err(|e| refused(&e))?;
                print(&made.to_string())
            }
            UserCommand::List { json, place } => {
                let people =
                    open(&place, false).await?.people.list().await.map_err(|e| refused(&e))?;
                list(people, json)
            }
            UserCommand::Disable(whom) => enable(&whom, false).await,
            UserCommand::Enable(whom) => enable(&whom, true).await,
            UserCommand::Reset { whom, link, drop_second_factor } => {
                reset(&whom, link, drop_second_factor).await
            }
            UserCommand::Unlock(whom) => {
                let opened = open(&whom.place, false).await?;
                opened.people.unlock(&whom.email).await.map_err(|e| refused(&e))
            }
        }
    })
}

/// The accounts, and where browsers find the deployment.
struct Opened {
    people: Offline,
    origin: String,
}

/// A server may be running: it hears of the change as it hears of another process's.
async fn open(place: &Place, make: bool) -> Result<Opened, Failure> {
    let settings = Settings::read(&place.load()?)?;
    if make {
        std::fs::create_dir_all(&settings.data_dir).map_err(|e| {
            Failure::Configuration(format!("server.data_dir: {}: {e}", settings.data_dir.display()))
        })?;
    } else if let DbSettings::Sqlite { path, .. } = &settings.database
        && !path.exists()
    {
        return Err(Failure::Engine(format!("{} is not there", path.display())));
    }
    let clock = Arc::new(SystemClock);
    let db = Db::open(settings.database, clock.clone()).await.map_err(unusable)?;
    let people = Offline::open(&db, clock, &settings.auth).await.map_err(not_opened)?;
    let origin = settings.auth.site.origin().map_or_else(
        || found_at(&settings.data_dir).unwrap_or_else(|| format!("http://{}", settings.listen)),
        str::to_owned,
    );
    Ok(Opened { people, origin })
}

/// Where browsers find a running server, as far as it knows.
fn found_at(data_dir: &Path) -> Option<String> {
    let run = std::fs::read_to_string(data_dir.join("run.json")).ok()?;
    let run: Value = serde_json::from_str(&run).ok()?;
    run["place"].as_str().map(str::to_owned)
}

fn list(people: Vec<Value>, json: bool) -> Result<(), Failure> {
    if json {
        return print(&Value::Array(people).to_string());
    }
    let mut table = Table::new();
    let header = ["email", "name", "roles", "state", "second factor", "created"];
    table.load_style(UTF8_HORIZONTAL_ONLY).set_header(header);
    for person in &people {
        let text = |name: &str| person[name].as_str().unwrap_or_default().to_owned();
        let roles = person["roles"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let second = if person["second_factor"] == true { "yes" } else { "no" };
        table.add_row([
            text("email"),
            text("name"),
            roles.collect::<Vec<_>>().join(", "),
            text("state"),
            second.to_owned(),
            text("created_at"),
        ]);
    }
    print(&table.to_string())
}

async fn enable(whom: &Whom, enabled: bool) -> Result<(), Failure> {
    let opened = open(&whom.place, false).await?;
    opened.people.enable(&whom.email, enabled).await.map(drop).map_err(|e| refused(&e))
}

async fn reset(whom: &Whom, link: bool, drop_second_factor: bool) -> Result<(), Failure> {
    let Opened { people, origin } = open(&whom.place, false).await?;
    if link {
        let token = people.reset_token(&whom.email, drop_second_factor).await;
        return print(&format!("{origin}/console/reset?token={}", token.map_err(|e| refused(&e))?));
    }
    let password = ask::new_password()?;
    let set = people.set_password(&whom.email, &password, drop_second_factor).await;
    set.map_err(|e| refused(&e))
}

fn refused(error: &Error) -> Failure {
    let mut message = error.detail.to_string();
    for field in &error.errors {
        message.push_str(&format!("\n  {}: {}", field.path, field.message));
    }
    match error.code {
        Code::EngineUnavailable | Code::Overloaded => Failure::Engine(message),
        _ => Failure::Other(message),
    }
}
