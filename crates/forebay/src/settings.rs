//! From settings to what each service takes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use forebay_auth::Scheme;
use forebay_auth::config::{AuthConfig, Registration};
use forebay_config::{Config, Secret, Size, Span};
use forebay_db::Settings as DbSettings;
use forebay_db::postgres::PgSettings;
use forebay_gateway::config::GatewayConfig;
use forebay_http::browser::Site;
use forebay_notify::config::NotifyConfig;
use forebay_process::config::ProcessConfig;
use forebay_store::config::{SearchConfig, StoreConfig};
use serde::Deserialize;
use serde::de::DeserializeOwned;

mod gateway;
mod issuers;
mod notify;
mod routes;
mod search;

pub(crate) use routes::plan;

use crate::Failure;

/// All settings, typed.
pub(crate) struct Settings {
    pub(crate) listen: String,
    pub(crate) admin_listen: String,
    pub(crate) data_dir: PathBuf,
    pub(crate) api_key: Option<Secret>,
    pub(crate) database: DbSettings,
    pub(crate) auth: AuthConfig,
    pub(crate) gateway: GatewayConfig,
    pub(crate) process: ProcessConfig,
    pub(crate) store: StoreConfig,
    pub(crate) notify: NotifyConfig,
    pub(crate) search: SearchConfig,
    pub(crate) demo_interval: std::time::Duration,
    /// What processes of a deployment share.
    pub(crate) secret: Option<Secret>,
    pub(crate) services: Services,
    pub(crate) drain: Option<std::time::Duration>,
    pub(crate) log_level: String,
    pub(crate) log_format: String,
    pub(crate) access_log: bool,
}

#[derive(Deserialize)]
struct Server {
    listen: String,
    admin_listen: String,
    data_dir: PathBuf,
    api_key: Option<Secret>,
    header_timeout: Span,
    keep_alive_timeout: Span,
    body_timeout: Span,
    request_timeout: Span,
    shutdown_timeout: Span,
    drain: Option<Span>,
    max_connections: usize,
    max_headers: usize,
    max_header_bytes: Size,
}

#[derive(Deserialize)]
struct Internal {
    secret: Option<Secret>,
}

/// Where the services are that another process runs.
#[derive(Deserialize)]
pub(crate) struct Services {
    pub(crate) auth: Vec<String>,
    pub(crate) process: Vec<String>,
    pub(crate) store: Vec<String>,
    pub(crate) notify: Vec<String>,
    /// Where others ask for those of a process that runs the gateway too.
    pub(crate) listen: Option<String>,
}

#[derive(Deserialize)]
struct Auth {
    master_key: Option<Secret>,
    origin: Option<String>,
    password_hash: String,
    bcrypt_cost: u32,
    hash_wait: Span,
    registration: String,
    issuers: Vec<issuers::Written>,
}

#[derive(Deserialize)]
struct Ingest {
    max_body: Size,
    max_records: usize,
    max_record: Size,
    queue: Size,
}

#[derive(Deserialize)]
struct Subscribe {
    heartbeat: Span,
    max_subscribers: usize,
}

#[derive(Deserialize)]
struct Idempotency {
    ttl: Span,
    max_keys: usize,
}

#[derive(Deserialize)]
struct Demo {
    interval: Span,
}

#[derive(Deserialize)]
struct Logging {
    level: String,
    format: String,
    access: bool,
}

#[derive(Deserialize)]
struct Database {
    url: Option<Secret>,
    sqlite: Sqlite,
    postgres: Postgres,
}

#[derive(Deserialize)]
struct Sqlite {
    readers: usize,
    cache: Size,
}

#[derive(Deserialize)]
struct Postgres {
    pool: usize,
    pool_timeout: Span,
    connect_timeout: Span,
    statement_timeout: Span,
    writers: usize,
    tls_ca: Option<String>,
}

impl Settings {
    /// Reads and checks them.
    pub(crate) fn read(config: &Config) -> Result<Settings, Failure> {
        let server: Server = section(config, "server")?;
        let ingest: Ingest = section(config, "ingest")?;
        let subscribe: Subscribe = section(config, "subscribe")?;
        let idempotency: Idempotency = section(config, "idempotency")?;
        let demo: Demo = section(config, "demo")?;
        let logging: Logging = section(config, "logging")?;
        let internal: Internal = section(config, "internal")?;
        if ingest.queue.0 < ingest.max_body.0 {
            let message = "holds at least one body: not less than ingest.max_body";
            return Err(Failure::Configuration(config.fault("ingest.queue", message)));
        }
        let database = section::<Database>(config, "database")?;
        let database = database.read(config, &server.data_dir)?;
        let mut auth = section::<Auth>(config, "auth")?.read(config, &server.data_dir)?;
        let site = auth.site.origin().map(str::to_owned);
        let site = site.unwrap_or_else(|| format!("http://{}", server.listen));
        let notify = section::<notify::Notify>(config, "notify")?;
        let notify = notify.read(config, &server.data_dir, site)?;
        auth.mail = notify.smtp.is_some();
        let gateway = section::<gateway::Gateway>(config, "gateway")?;
        Ok(Settings {
            database,
            gateway: GatewayConfig {
                header_timeout: server.header_timeout.0,
                keep_alive_timeout: server.keep_alive_timeout.0,
                body_timeout: server.body_timeout.0,
                request_timeout: server.request_timeout.0,
                shutdown_timeout: server.shutdown_timeout.0,
                max_connections: server.max_connections.max(1),
                max_headers: server.max_headers.max(1),
                max_header_bytes: server.max_header_bytes.0,
                site: auth.site.clone(),
                proxies: gateway.proxies(config)?,
                limits: gateway.limits(config)?,
                limit_keys: gateway.limit_keys,
                cors: gateway.cors(config)?,
                headers: gateway.headers(config)?,
                routes: Arc::new(plan(config)?),
                access_log: logging.access,
            },
            auth,
            process: ProcessConfig {
                max_body: ingest.max_body.0,
                max_records: ingest.max_records,
                max_record: ingest.max_record.0,
                queue: ingest.queue.0,
                body_timeout: server.body_timeout.0,
                idempotency_ttl: idempotency.ttl.0,
                max_keys: idempotency.max_keys,
            },
            store: StoreConfig {
                heartbeat: subscribe.heartbeat.0,
                idempotency_ttl: idempotency.ttl.0,
                max_subscribers: subscribe.max_subscribers,
            },
            notify,
            search: section::<search::Search>(config, "search")?.read(config, &server.data_dir)?,
            listen: server.listen,
            admin_listen: server.admin_listen,
            data_dir: server.data_dir,
            api_key: server.api_key.filter(|key| !key.reveal().is_empty()),
            demo_interval: demo.interval.0,
            secret: internal.secret.filter(|secret| !secret.reveal().is_empty()),
            services: section(config, "services")?,
            drain: server.drain.map(|drain| drain.0),
            log_level: logging.level,
            log_format: logging.format,
            access_log: logging.access,
        })
    }
}

fn section<T: DeserializeOwned>(config: &Config, name: &str) -> Result<T, Failure> {
    config.section(name).map_err(|e| Failure::Configuration(e.to_string()))
}

impl Auth {
    fn read(self, config: &Config, data_dir: &Path) -> Result<AuthConfig, Failure> {
        let wrong = |name: &str, what: String| {
            Failure::Configuration(config.fault(&format!("auth.{name}"), what))
        };
        let origin = self.origin.filter(|origin| !origin.is_empty());
        let site = Site::new(origin.as_deref()).map_err(|e| wrong("origin", e.to_owned()))?;
        let costs = Scheme::MIN_COST..=Scheme::MAX_COST;
        let scheme = match self.password_hash.as_str() {
            "argon2id" => Scheme::Argon2id,
            "bcrypt" if costs.contains(&self.bcrypt_cost) => Scheme::Bcrypt(self.bcrypt_cost),
            "bcrypt" => {
                let (least, most) = (costs.start(), costs.end());
                return Err(wrong("bcrypt_cost", format!("from {least} to {most}")));
            }
            _ => return Err(wrong("password_hash", "bcrypt or argon2id".to_owned())),
        };
        let registration = Registration::parse(&self.registration)
            .ok_or_else(|| wrong("registration", "open, invitation or closed".to_owned()))?;
        let given = self.master_key.filter(|key| !key.reveal().is_empty());
        Ok(AuthConfig {
            master_key: given.map(|key| key.reveal().to_owned()),
            master_key_file: data_dir.join("master.key"),
            site,
            scheme,
            hash_wait: self.hash_wait.0,
            registration,
            // As the section `notify` says.
            mail: false,
            issuers: issuers::read(self.issuers, config)?,
        })
    }
}

impl Database {
    fn read(self, config: &Config, data_dir: &Path) -> Result<DbSettings, Failure> {
        let Sqlite { readers, cache } = self.sqlite;
        let sqlite = |path| DbSettings::Sqlite { path, readers, cache_bytes: cache.0 as u64 };
        let Some(url) = self.url.as_ref().map(Secret::reveal).filter(|url| !url.is_empty()) else {
            return Ok(sqlite(data_dir.join("forebay.db")));
        };
        if let Some(path) = url.strip_prefix("sqlite:") {
            return Ok(sqlite(path.strip_prefix("//").unwrap_or(path).into()));
        }
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            let message = "begins with sqlite: or postgres://";
            return Err(Failure::Configuration(config.fault("database.url", message)));
        }
        let Postgres { pool, pool_timeout, connect_timeout, statement_timeout, writers, tls_ca } =
            self.postgres;
        let server = PgSettings {
            url: url.to_owned(),
            pool,
            pool_timeout: pool_timeout.0,
            connect_timeout: connect_timeout.0,
            statement_timeout: statement_timeout.0,
            tls_ca,
        };
        let checked = server.check();
        checked.map_err(|(key, what)| Failure::Configuration(config.fault(key, what)))?;
        Ok(DbSettings::Postgres { server, writers })
    }
}
