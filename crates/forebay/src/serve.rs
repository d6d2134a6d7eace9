//! Puts the services together and runs them until a signal comes.

use std::fs::File;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::routing::get;
use forebay_auth::{First, OpenError};
use forebay_config::Config;
use forebay_db::{Db, DbError, Look, Settings as DbSettings};
use forebay_gateway::config::GatewayConfig;
use forebay_gateway::routes::Routing;
use forebay_gateway::service::Service;
use forebay_gateway::{Door, Gateway, Listening, Status, served_by};
use forebay_http::reply;
use forebay_model::time::SystemClock;
use forebay_store::index::Search;
use forebay_telemetry::logs;
use forebay_telemetry::metrics::Metrics;
use http::StatusCode;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::parts::{Part, Parts};
use crate::reload::Reloads;
use crate::settings::Settings;
use crate::signals::Signals;
use crate::wiring::{Ground, Wired};
use crate::{Failure, demo, openapi, setup, wiring};

/// What runs beside the services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Nothing.
    Serve,
    /// The machine's measurements, with a key for this run.
    Demo,
}

/// How long services behind a gateway process still take requests when they stop: gateways ask four
/// times a second.
const DRAIN: Duration = Duration::from_secs(1);

/// Runs until SIGTERM or SIGINT.
pub(crate) fn run(config: &Config, mode: Mode, parts: Parts) -> Result<(), Failure> {
    let settings = Settings::read(config)?;
    let wrong = |(key, what): (&str, String)| Failure::Configuration(config.fault(key, what));
    logs::start(&settings.log_level, &settings.log_format, settings.access_log).map_err(wrong)?;
    let keys = parts.check(config, &settings)?;
    let metrics = Metrics::start().map_err(Failure::Other)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Failure::Other(e.to_string()))?;
    let ground = Ground {
        parts,
        db: None,
        clock: Arc::new(SystemClock),
        stopping: CancellationToken::new(),
        leaving: Arc::default(),
        keys,
    };
    runtime.block_on(serve(config, settings, (metrics, mode), ground))
}

async fn serve(
    config: &Config,
    settings: Settings,
    (metrics, mode): (Metrics, Mode),
    mut ground: Ground,
) -> Result<(), Failure> {
    let wrong = |key, what| Failure::Configuration(config.fault(key, what));
    let data_dir = settings.data_dir.clone();
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&data_dir);
    made.map_err(|e| wrong("server.data_dir", format!("{}: {e}", data_dir.display())))?;
    let mut _lock = None;
    if ground.parts.have_data() {
        _lock = lock(&settings.database)?;
        let database = settings.database.clone();
        ground.db = Some(Db::open(database, ground.clock.clone()).await.map_err(unusable)?);
    }
    // Before a first key is made: a start that fails here must not have made one that nobody saw.
    let doors = Doors::open(&ground.parts, &settings).await;
    let doors = doors.map_err(|(key, what)| wrong(key, what))?;
    let addresses = doors.addresses().map_err(|e| other(&e))?;
    let given = settings.api_key.as_ref().map(|key| key.reveal().to_owned());
    let for_this_run = match (mode, &given) {
        (Mode::Demo, None) => Some(forebay_auth::new_key().map_err(|e| other(&e))?),
        _ => None,
    };
    let first = first_key(given.as_deref(), for_this_run.as_deref());
    let (interval, gateway) = (settings.demo_interval, settings.gateway.clone());
    let (drain, place) = (drain(&settings, &ground.parts), place(&settings, &ground, &addresses));
    let wired = wiring::open(&ground, config, settings, first).await?;
    let mut signals = Signals::new().map_err(|e| other(&e))?;
    let mut tasks = wired.run();
    if mode == Mode::Demo {
        tasks.push(tokio::spawn(demo::measure(wired.routes.clone(), interval)));
    }
    let (serving, routing) = doors.serve(&ground, &wired, gateway, metrics)?;
    if let Some(routing) = &routing {
        let reloads = Reloads::new(config.clone(), routing.clone()).map_err(|e| other(&e))?;
        tasks.push(tokio::spawn(reloads.watch()));
    }
    announce(&data_dir, &addresses, &place).map_err(|e| other(&e))?;
    let token = wired.auth.as_ref().and_then(|opened| opened.setup.as_deref());
    let link = match &wired.auth {
        Some(opened) => {
            tasks.push(tokio::spawn(setup::watch(opened.auth.clone(), data_dir.clone())));
            setup::offer(&data_dir, &place, token).map_err(|e| other(&e))?
        }
        None => None,
    };
    let made = wired.auth.as_ref().and_then(|opened| opened.made.clone());
    banner(&ground.parts, addresses.listen, mode, &Shown { made, for_this_run, setup: link });
    let parts = ground.parts.names();
    tracing::info!(listen = %addresses.listen, admin = %addresses.admin, parts, "ready");

    signals.wait().await;
    tracing::info!("stopping");
    ground.leaving.store(true, Ordering::Relaxed);
    tokio::time::sleep(drain).await;
    ground.stopping.cancel();
    // A panic of the accept loop was logged where it happened.
    let _ = tokio::join!(serving, wired.hang_up(), users_hang_up(routing));
    tasks.iter().for_each(JoinHandle::abort);
    if let Some(db) = &ground.db {
        db.writer().close();
    }
    // It may be gone already; the next start writes it anew.
    let _ = std::fs::remove_file(data_dir.join("run.json"));
    tracing::info!("stopped");
    Ok(())
}

/// Ends the WebSockets of users' services.
async fn users_hang_up(routing: Option<Arc<Routing>>) {
    if let Some(routing) = routing {
        routing.hang_up().await;
    }
}

/// How long a stopping process still takes requests.
fn drain(settings: &Settings, parts: &Parts) -> Duration {
    let behind = !parts.has(Part::Gateway);
    settings.drain.unwrap_or(if behind { DRAIN } else { Duration::ZERO })
}

/// Where browsers find Forebay. A process without the gateway knows it only when it is told.
fn place(settings: &Settings, ground: &Ground, addresses: &Addresses) -> String {
    match settings.auth.site.origin() {
        _ if ground.parts.is_all() => format!("http://{}", addresses.listen),
        Some(origin) => origin.to_owned(),
        None if ground.parts.has(Part::Gateway) => format!("http://{}", addresses.listen),
        None => String::new(),
    }
}

/// The doors of a process, open and not yet served.
struct Doors {
    main: Listening,
    /// For other processes, beside the public one.
    inside: Option<Door>,
}

/// Where the doors are.
struct Addresses {
    listen: SocketAddr,
    admin: SocketAddr,
    services: Option<SocketAddr>,
}

impl Doors {
    async fn open(parts: &Parts, settings: &Settings) -> Result<Doors, (&'static str, String)> {
        let main = Listening::bind(&settings.listen, &settings.admin_listen).await?;
        let beside = parts.has(Part::Gateway) && parts.have_data() && !parts.is_all();
        let inside = match settings.services.listen.as_deref().filter(|_| beside) {
            Some(address) => {
                Some(Door::bind(address).await.map_err(|what| ("services.listen", what))?)
            }
            None => None,
        };
        Ok(Doors { main, inside })
    }

    fn addresses(&self) -> std::io::Result<Addresses> {
        let (listen, admin) = self.main.addresses()?;
        let services = self.inside.as_ref().map(Door::address).transpose()?;
        Ok(Addresses { listen, admin, services })
    }

    /// Serves until the process stops: everybody where the gateway is, else other processes alone.
    fn serve(
        self,
        ground: &Ground,
        wired: &Wired,
        config: GatewayConfig,
        metrics: Metrics,
    ) -> Result<(JoinHandle<()>, Option<Arc<Routing>>), Failure> {
        let status = Arc::new(Own {
            db: ground.db.clone(),
            search: wired.search.clone(),
            elsewhere: wired.elsewhere.clone(),
            leaving: ground.leaving.clone(),
            metrics,
        });
        let inside = wired.entrance(ground).map(|inside| {
            Gateway::inside(config.clone(), wired.inside.clone(), inside, status.clone())
        });
        let open = match wired.asking(ground) {
            Some(asking) => {
                let description = openapi::document().map_err(|e| other(&e))?;
                let routes = served_by("gateway", described(description));
                let routes = wired.routes.clone().merge(routes);
                Some(Gateway::new(config, routes, asking, status))
            }
            None => None,
        };
        let routing = open.as_ref().map(Gateway::routing);
        let (main, beside) = match (open, inside) {
            (Some(open), inside) => (open, self.inside.zip(inside)),
            (None, Some(inside)) => (inside, None),
            (None, None) => return Err(other(&"a process without any door")),
        };
        let (main, stopping) =
            (self.main.serve(main, ground.stopping.clone()), ground.stopping.clone());
        let serving = tokio::spawn(async move {
            match beside {
                Some((door, inside)) => {
                    tokio::join!(main, door.serve(inside, stopping));
                }
                None => main.await,
            }
        });
        Ok((serving, routing))
    }
}

/// The key that is good before anybody has made one.
fn first_key<'k>(given: Option<&'k str>, for_this_run: Option<&'k str>) -> First<'k> {
    match (given, for_this_run) {
        (Some(key), _) => First::Given(key),
        (None, Some(key)) => First::ForThisRun(key, demo::RIGHTS),
        (None, None) => First::Made,
    }
}

/// The API's description at its place.
fn described(document: String) -> Router {
    let answer = move || async move { reply::json_text(StatusCode::OK, document) };
    Router::new().route("/openapi.json", get(answer))
}

struct Own {
    /// Where the process has data.
    db: Option<Db>,
    /// Where the process searches.
    search: Option<Arc<Search>>,
    /// The services that it asks in other processes.
    elsewhere: Vec<Arc<Service>>,
    leaving: Arc<AtomicBool>,
    metrics: Metrics,
}

/// Whether the database answers.
async fn answers(db: &Db) -> Result<(), String> {
    let probe = async {
        let mut conn = db.reader(Look::Point).await?;
        conn.query_opt("SELECT 1", &[]).await
    };
    match probe.await {
        Ok(_) => Ok(()),
        Err(error) => {
            tracing::warn!(%error, "the database does not answer");
            Err("unavailable".to_owned())
        }
    }
}

#[async_trait]
impl Status for Own {
    async fn checks(&self) -> Vec<(&'static str, Result<(), String>)> {
        let mut checks = Vec::new();
        if let Some(db) = &self.db {
            checks.push(("database", answers(db).await));
        }
        checks.extend(self.elsewhere.iter().map(|service| service.check()));
        if self.leaving.load(Ordering::Relaxed) {
            checks.push(("process", Err("stopping".to_owned())));
        }
        checks
    }

    async fn beside(&self) -> Vec<(&'static str, &'static str)> {
        let Some(search) = &self.search else { return Vec::new() };
        // Everything else serves while it is away, and `forebay doctor` says why.
        vec![("search", if search.check().await.is_ok() { "ok" } else { "degraded" })]
    }

    fn metrics(&self) -> String {
        self.metrics.render()
    }
}

/// One process works on a SQLite file; a second one is told so.
fn lock(database: &DbSettings) -> Result<Option<File>, Failure> {
    let DbSettings::Sqlite { path, .. } = database else { return Ok(None) };
    let mut name = path.clone().into_os_string();
    name.push(".lock");
    let name = Path::new(&name);
    let file = make(name).map_err(|e| Failure::Engine(format!("{}: {e}", name.display())))?;
    file.try_lock()
        .map_err(|_| Failure::Engine(format!("{} is in use by another process", path.display())))?;
    // SQLite gives its other files the mode of this one.
    make(path).map_err(|e| Failure::Engine(format!("{}: {e}", path.display())))?;
    Ok(Some(file))
}

/// Opens a file to write, and makes it where it is not there: for nobody but its owner.
fn make(path: &Path) -> std::io::Result<File> {
    File::options().create(true).truncate(false).write(true).mode(0o600).open(path)
}

/// Why a database cannot be opened, with the exit status of it.
pub(crate) fn unusable(error: DbError) -> Failure {
    match error {
        DbError::Newer { .. } => Failure::Newer(error.to_string()),
        error => Failure::Engine(error.to_string()),
    }
}

/// A failure of no other kind.
pub(crate) fn other(error: &dyn std::fmt::Display) -> Failure {
    Failure::Other(error.to_string())
}

/// Writes `run.json`: whole or not at all.
fn announce(data_dir: &Path, addresses: &Addresses, place: &str) -> std::io::Result<()> {
    let mut content = serde_json::json!({
        "pid": std::process::id(),
        "listen": addresses.listen.to_string(),
        "admin": addresses.admin.to_string(),
        "place": place,
    });
    if let Some(services) = addresses.services {
        content["services"] = services.to_string().into();
    }
    let draft = data_dir.join("run.json.new");
    let mut file = make(&draft)?;
    file.set_len(0)?;
    file.write_all(content.to_string().as_bytes())?;
    std::fs::rename(draft, data_dir.join("run.json"))
}

/// Why the accounts cannot be opened, with the exit status of it.
pub(crate) fn not_opened(error: OpenError) -> Failure {
    match error {
        OpenError::Configuration(what) => Failure::Configuration(what),
        OpenError::Other(error) => other(&error),
    }
}

/// What is shown to whoever starts a process.
struct Shown {
    /// The administrator's key that was made just now.
    made: Option<String>,
    /// A key that is good until the process ends.
    for_this_run: Option<String>,
    /// The link by which a person becomes the administrator.
    setup: Option<String>,
}

fn banner(parts: &Parts, listen: SocketAddr, mode: Mode, shown: &Shown) {
    let mut text = if parts.has(Part::Gateway) {
        format!("Forebay listens on http://{listen}\n")
    } else {
        format!("Forebay's {} listens to the gateway on http://{listen}\n", parts.names())
    };
    if let Some(link) = &shown.setup {
        text.push_str(&format!("Become the administrator, once: {link}\n"));
    }
    if let Some(key) = &shown.made {
        text.push_str(&format!("The administrator's key, shown this once: {key}\n"));
    }
    if mode == Mode::Demo {
        text.push_str(&demo::tour(listen, shown.for_this_run.as_deref()));
    }
    // Nobody reads stderr: the log says that it is ready.
    let _ = std::io::stderr().write_all(text.as_bytes());
}
