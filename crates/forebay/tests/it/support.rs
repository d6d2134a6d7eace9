//! Starts the binary and talks to it.

use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::shape::{Ground, Shape, Started, terminate};

pub(crate) const KEY: &str = "the-administrator's-key";
/// Processes of one deployment share it.
pub(crate) const MASTER_KEY: &str = "a-master-key-of-all-the-tests-in-here";

/// Where a server keeps its records.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
    /// PostgreSQL, and each part of Forebay in a process of its own.
    Split,
}

/// Runs a scenario on both engines, and on Forebay in several processes. Those that are about one
/// process stand behind `one process`, with the reason.
macro_rules! both {
    ($($name:ident)* $(; one process, $reason:literal: $($alone:ident)*)*) => {
        $(
            mod $name {
                $crate::support::on!($name, sqlite Sqlite, postgres Postgres, split Split);
            }
        )*
        $($(
            mod $alone {
                $crate::support::on!($alone, sqlite Sqlite, postgres Postgres);
            }
        )*)*
    };
}
pub(crate) use both;

/// Runs tests on Forebay in one process and in several.
macro_rules! shapes {
    ($($name:ident)*) => {$(
        mod $name {
            #[tokio::test]
            async fn whole() {
                super::$name($crate::support::Engine::Sqlite).await;
            }

            #[tokio::test]
            async fn split() {
                super::$name($crate::support::Engine::Split).await;
            }
        }
    )*};
}
pub(crate) use shapes;

macro_rules! on {
    ($scenario:ident, $($name:ident $engine:ident),*) => {$(
        #[tokio::test]
        async fn $name() {
            super::scenario::$scenario($crate::support::Engine::$engine).await;
        }
    )*};
}
pub(crate) use on;

/// A running server; it ends with the value.
pub(crate) struct Server {
    child: Child,
    /// The services, where they are in processes of their own.
    services: Vec<Child>,
    shape: Shape,
    pub(crate) data: TempDir,
    pub(crate) database: Option<String>,
    pub(crate) address: String,
    pub(crate) admin: String,
    /// The addresses for operators of all processes.
    pub(crate) admins: Vec<String>,
    pub(crate) log: Log,
    client: reqwest::Client,
}

/// What a server has logged, line by line.
#[derive(Default, Clone)]
pub(crate) struct Log(Arc<(Mutex<Vec<String>>, Condvar)>);

impl Log {
    pub(crate) fn add(&self, line: String) {
        let (lines, more) = &*self.0;
        lines.lock().unwrap().push(line);
        more.notify_all();
    }

    /// All of it so far.
    pub(crate) fn text(&self) -> String {
        self.0.0.lock().unwrap().join("\n")
    }

    /// Waits for a line, and returns all up to then.
    pub(crate) fn until(&self, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
        let (lines, more) = &*self.0;
        let limit = std::time::Duration::from_secs(20);
        let read = |lines: &[String]| -> Vec<Value> {
            lines.iter().filter_map(|line| serde_json::from_str(line).ok()).collect()
        };
        let missing = |lines: &mut Vec<String>| !read(lines).iter().any(&wanted);
        let (lines, late) = more.wait_timeout_while(lines.lock().unwrap(), limit, missing).unwrap();
        assert!(!late.timed_out(), "there is no such line: {lines:?}");
        read(&lines)
    }
}

/// A server's answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) async fn read(response: reqwest::Response) -> Answer {
        let (status, headers) = (response.status(), response.headers().clone());
        Answer { status, headers, text: response.text().await.unwrap() }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {}", self.text))
    }

    /// Asserts the status and returns the body.
    pub(crate) fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        if self.text.is_empty() { Value::Null } else { self.json() }
    }

    /// Asserts a problem document with this code.
    pub(crate) fn problem(&self, status: u16, code: &str) -> Value {
        let body = self.expect(status);
        assert_eq!(body["code"], code, "{body}");
        assert_eq!(body["status"], status);
        assert_eq!(self.headers["content-type"], "application/problem+json");
        assert_eq!(self.headers["x-request-id"], body["request_id"].as_str().unwrap());
        body
    }
}

impl Server {
    pub(crate) async fn start(engine: Engine) -> Server {
        Self::start_with(engine, &[]).await
    }

    /// Starts a server on an empty database, with more of the environment.
    pub(crate) async fn start_with(engine: Engine, environment: &[(&str, &str)]) -> Server {
        let database = match engine {
            Engine::Sqlite => None,
            Engine::Postgres | Engine::Split => Some(new_database().await),
        };
        let shape = if matches!(engine, Engine::Split) { Shape::Apart } else { Shape::Whole };
        Self::begin(tempfile::tempdir().unwrap(), shape, database, environment)
    }

    /// Starts a process on a database: the embedded one, or the one of this URL.
    pub(crate) fn start_on(database: Option<String>, environment: &[(&str, &str)]) -> Server {
        Self::start_in(tempfile::tempdir().unwrap(), database, environment)
    }

    /// Starts a process in a folder where something may be already.
    pub(crate) fn start_in(
        data: TempDir,
        database: Option<String>,
        environment: &[(&str, &str)],
    ) -> Server {
        Self::begin(data, Shape::Whole, database, environment)
    }

    fn begin(
        data: TempDir,
        shape: Shape,
        database: Option<String>,
        environment: &[(&str, &str)],
    ) -> Server {
        let log = Log::default();
        let place = Ground { data: data.path(), database: database.as_deref(), log: &log };
        let Started { child, services, address, admins } = place.start(shape, environment);
        let admin = admins[0].clone();
        let client = client();
        Server { child, services, shape, data, database, address, admin, admins, log, client }
    }

    fn start_again(&mut self, environment: &[(&str, &str)]) {
        let database = self.database.as_deref();
        let place = Ground { data: self.data.path(), database, log: &self.log };
        let started = place.start(self.shape, environment);
        self.child = started.child;
        self.services = started.services;
        self.address = started.address;
        self.admin.clone_from(&started.admins[0]);
        self.admins = started.admins;
    }

    /// Starts another process on the same database.
    pub(crate) fn beside(other: &Server) -> Server {
        Self::start_on(other.database.clone(), &[])
    }

    /// The most memory that the process ever held, in bytes.
    pub(crate) fn peak_memory(&self) -> u64 {
        let peak = |child: &Child| {
            let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
            let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap();
            peak.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
        };
        peak(&self.child) + self.services.iter().map(peak).sum::<u64>()
    }

    fn children(&mut self) -> impl Iterator<Item = &mut Child> {
        std::iter::once(&mut self.child).chain(&mut self.services)
    }

    /// Starts a killed process again, on the address that its clients know.
    pub(crate) fn restart_at_same_place(&mut self) {
        let address = self.address.clone();
        self.start_again(&[("FOREBAY_SERVER__LISTEN", address.as_str())]);
    }

    /// Ends the process as a power cut would.
    pub(crate) fn kill(&mut self) {
        for child in self.children() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub(crate) fn restart(&mut self) {
        self.kill();
        self.restart_with(&[]);
    }

    /// Starts a killed process again, with more of the environment.
    pub(crate) fn restart_with(&mut self, environment: &[(&str, &str)]) {
        self.start_again(environment);
    }

    /// Sends the process a signal, by its name.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }

    /// Asks the process to stop; returns its exit status.
    pub(crate) fn stop(&mut self) -> Option<i32> {
        // The gateway first: what it still hands on is answered.
        let ended: Vec<Option<i32>> = self.children().map(terminate).collect();
        ended.into_iter().find(|status| *status != Some(0)).unwrap_or(Some(0))
    }

    /// All that a stopped process has said.
    pub(crate) fn said(&self) -> String {
        loop {
            let said = self.log.text();
            if said.contains("\"message\":\"stopped\"") {
                return said;
            }
            std::thread::yield_now();
        }
    }

    /// A request by somebody else than the administrator.
    pub(crate) fn request_by(&self, key: &str, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("http://{}{path}", self.address)).bearer_auth(key)
    }

    /// A question by somebody else; each parameter is written as a URL asks for.
    pub(crate) async fn get_by(&self, key: &str, path: &str, query: &[(&str, &str)]) -> Answer {
        answer(self.request_by(key, Method::GET, path).query(query)).await
    }

    /// A command by somebody else.
    pub(crate) async fn post_by(&self, key: &str, path: &str, body: Value) -> Answer {
        answer(self.request_by(key, Method::POST, path).json(&body)).await
    }

    /// A program with roles: its account and a key that opens all that they do.
    pub(crate) async fn program(&self, roles: &[&str]) -> (String, String) {
        let account = json!({"name": "program", "roles": roles});
        let account = self.post("/v1/service-accounts", account).await.expect(201);
        let id = account["id"].as_str().unwrap().to_owned();
        let key = json!({"name": "key", "permissions": ["*:*"], "owner": id, "expires_at": null});
        let key = self.post("/v1/api-keys", key).await.expect(201);
        (id, key["key"].as_str().unwrap().to_owned())
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("http://{}{path}", self.address)).bearer_auth(KEY)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        answer(self.request(Method::GET, path)).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        answer(self.request(Method::PUT, path).json(&body)).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        answer(self.request(Method::POST, path).json(&body)).await
    }

    pub(crate) async fn post_as(
        &self,
        path: &str,
        kind: &str,
        body: impl Into<reqwest::Body>,
    ) -> Answer {
        let request = self.request(Method::POST, path).header("content-type", kind);
        answer(request.body(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        answer(self.request(Method::DELETE, path)).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended in the test.
        for child in self.children() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A client; TLS is not used here, and its provider is asked for all the same.
pub(crate) fn client() -> reqwest::Client {
    // A second call finds the same provider in place.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    reqwest::Client::new()
}

pub(crate) async fn answer(request: RequestBuilder) -> Answer {
    Answer::read(request.send().await.unwrap()).await
}

/// The binary, alone with its arguments.
pub(crate) fn forebay() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_forebay"));
    command.env_clear().stdin(Stdio::null());
    command
}

/// Makes an empty database on the test server.
pub(crate) async fn new_database() -> String {
    let server = std::env::var_os("FOREBAY_TEST_POSTGRES")
        .expect("FOREBAY_TEST_POSTGRES names a server: run `cargo xtask test`");
    let server = server.into_string().unwrap();
    let (client, connection) =
        tokio_postgres::connect(&server, tokio_postgres::NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let name = format!("forebay_{}_{count}", std::process::id());
    client.batch_execute(&format!("DROP DATABASE IF EXISTS {name}")).await.unwrap();
    client.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
    drop(client);
    connection.await.unwrap().unwrap();
    let (base, _) = server.rsplit_once('/').unwrap();
    format!("{base}/{name}")
}

/// A stream whose records have an indexed text and number.
pub(crate) fn orders() -> Value {
    json!({"schema": {"type": "object", "properties": {
        "owner": {"type": "string", "x-index": true},
        "n": {"type": "integer", "x-index": true},
        "price": {"type": "number"},
        "paid": {"type": "boolean"},
    }}})
}
