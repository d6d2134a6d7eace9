//! Puts the services together and runs them until a signal comes.

use std::fs::File;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::routing::get;
use forebay_auth::{Auth, First, OpenError};
use forebay_config::Config;
use forebay_db::{Db, DbError, Look, Settings as DbSettings};
use forebay_gateway::{Doors, Gateway, Listening, Status, served_by};
use forebay_http::reply;
use forebay_model::time::SystemClock;
use forebay_process::Process;
use forebay_store::Store;
use forebay_store::catalog::StoredCatalog;
use forebay_telemetry::logs;
use forebay_telemetry::metrics::Metrics;
use http::StatusCode;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::reload::Reloads;
use crate::settings::Settings;
use crate::{Failure, demo, openapi, setup};

/// What runs beside the services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Nothing.
    Serve,
    /// The machine's measurements, with a key for this run.
    Demo,
}

/// Runs until SIGTERM or SIGINT.
pub(crate) fn run(config: &Config, mode: Mode) -> Result<(), Failure> {
    let settings = Settings::read(config)?;
    let wrong = |(key, what): (&str, String)| Failure::Configuration(config.fault(key, what));
    logs::start(&settings.log_level, &settings.log_format, settings.access_log).map_err(wrong)?;
    let metrics = Metrics::start().map_err(Failure::Other)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Failure::Other(e.to_string()))?;
    runtime.block_on(serve(config, settings, metrics, mode))
}

async fn serve(
    config: &Config,
    settings: Settings,
    metrics: Metrics,
    mode: Mode,
) -> Result<(), Failure> {
    let wrong = |key, what| Failure::Configuration(config.fault(key, what));
    let data_dir = settings.data_dir.clone();
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&data_dir);
    made.map_err(|e| wrong("server.data_dir", format!("{}: {e}", data_dir.display())))?;
    let _lock = lock(&settings.database)?;
    let clock = Arc::new(SystemClock);
    let db = Db::open(settings.database, clock.clone()).await.map_err(unusable)?;
    // Before a first key is made: a start that fails here must not have made one that nobody saw.
    let listening = Listening::bind(&settings.listen, &settings.admin_listen).await;
    let listening = listening.map_err(|(key, what)| wrong(key, what))?;
    let addresses = listening.addresses().map_err(|e| other(&e))?;
    let given = settings.api_key.as_ref().map(|key| key.reveal().to_owned());
    let for_this_run = match (mode, &given) {
        (Mode::Demo, None) => Some(forebay_auth::new_key().map_err(|e| other(&e))?),
        _ => None,
    };
    let first = first_key(given.as_deref(), for_this_run.as_deref());
    let opened = Auth::open(&db, clock.clone(), first, settings.auth).await.map_err(not_opened)?;
    let identity = opened.auth.identity();
    let catalog = StoredCatalog::new(db.clone());
    let stopping = CancellationToken::new();
    let store = Store::open(
        settings.store,
        forebay_store::Deps {
            db: db.clone(),
            catalog: catalog.clone(),
            identity: identity.clone(),
            sealer: opened.sealer.clone(),
            clock: clock.clone(),
            stopping: stopping.clone(),
        },
    );
    store.prepare().await.map_err(|e| other(&e))?;
    let deps = forebay_process::Deps { db: db.clone(), catalog, clock: clock.clone() };
    let process = Process::open(settings.process, deps);
    let routes = served_by("store", store.router())
        .merge(served_by("process", process.router()))
        .merge(served_by("auth", opened.auth.router()))
        .merge(served_by("gateway", described(openapi::document().map_err(|e| other(&e))?)));
    let doors = Doors { identity, quotas: opened.auth.quotas(), clock };
    let own = Arc::new(Own { db: db.clone(), metrics });
    let gateway = Gateway::new(settings.gateway, routes.clone(), doors, own);
    let reloads = Reloads::new(config.clone(), gateway.routing()).map_err(|e| other(&e))?;
    let mut signals = Signals::new().map_err(|e| other(&e))?;
    let identities = tokio::spawn(opened.auth.clone().tasks());
    let tasks = tokio::spawn(store.clone().tasks());
    let measuring =
        (mode == Mode::Demo).then(|| tokio::spawn(demo::measure(routes, settings.demo_interval)));
    let serving = tokio::spawn(listening.serve(gateway, stopping.clone()));
    announce(&data_dir, addresses).map_err(|e| other(&e))?;
    let link = setup::offer(&data_dir, addresses.0, opened.setup.as_deref());
    let link = link.map_err(|e| other(&e))?;
    let reloading = tokio::spawn(reloads.watch());
    let offering = tokio::spawn(setup::watch(opened.auth.clone(), data_dir.clone()));
    banner(addresses.0, mode, &Shown { made: opened.made, for_this_run, setup: link });
    tracing::info!(listen = %addresses.0, admin = %addresses.1, "ready");

    signals.wait().await;
    tracing::info!("stopping");
    if let Some(measuring) = measuring {
        measuring.abort();
    }
    stopping.cancel();
    // A panic of the accept loop was logged where it happened.
    let _ = serving.await;
    store.sockets_closed().await;
    [tasks, identities, offering, reloading].iter().for_each(JoinHandle::abort);
    db.writer().close();
    // It may be gone already; the next start writes it anew.
    let _ = std::fs::remove_file(data_dir.join("run.json"));
    tracing::info!("stopped");
    Ok(())
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
    db: Db,
    metrics: Metrics,
}

#[async_trait]
impl Status for Own {
    async fn checks(&self) -> Vec<(&'static str, Result<(), String>)> {
        let probe = async {
            let mut conn = self.db.reader(Look::Point).await?;
            conn.query_opt("SELECT 1", &[]).await
        };
        let database = match probe.await {
            Ok(_) => Ok(()),
            Err(error) => {
                tracing::warn!(%error, "the database does not answer");
                Err("unavailable".to_owned())
            }
        };
        vec![("database", database)]
    }

    fn metrics(&self) -> String {
        self.metrics.render()
    }
}

struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        let terminate = signal(SignalKind::terminate())?;
        Ok(Signals { terminate, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
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

fn other(error: &dyn std::fmt::Display) -> Failure {
    Failure::Other(error.to_string())
}

/// Writes `run.json`: whole or not at all.
fn announce(data_dir: &Path, (listen, admin): (SocketAddr, SocketAddr)) -> std::io::Result<()> {
    let content = serde_json::json!({
        "pid": std::process::id(),
        "listen": listen.to_string(),
        "admin": admin.to_string(),
    });
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

fn banner(listen: SocketAddr, mode: Mode, shown: &Shown) {
    let mut text = format!("Forebay listens on http://{listen}\n");
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
