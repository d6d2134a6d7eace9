//! Starts the binary and talks to it.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) const KEY: &str = "the-administrator's-key";
/// Processes of one deployment share it.
pub(crate) const MASTER_KEY: &str = "a-master-key-of-all-the-tests-in-here";

/// Where a server keeps its records.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

/// Runs a scenario on both engines.
macro_rules! both {
    ($($name:ident)*) => {$(
        mod $name {
            #[tokio::test]
            async fn sqlite() {
                super::scenario::$name($crate::support::Engine::Sqlite).await;
            }

            #[tokio::test]
            async fn postgres() {
                super::scenario::$name($crate::support::Engine::Postgres).await;
            }
        }
    )*};
}
pub(crate) use both;

/// A running server; it ends with the value.
pub(crate) struct Server {
    child: Child,
    pub(crate) data: TempDir,
    pub(crate) database: Option<String>,
    pub(crate) address: String,
    pub(crate) admin: String,
    pub(crate) log: Log,
    client: reqwest::Client,
}

/// What a server has logged, line by line.
#[derive(Default, Clone)]
pub(crate) struct Log(Arc<(Mutex<Vec<String>>, Condvar)>);

impl Log {
    fn add(&self, line: String) {
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
            Engine::Postgres => Some(new_database().await),
        };
        Self::start_on(database, environment)
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
        let log = Log::default();
        let (child, address, admin) = spawn(&data, database.as_deref(), environment, &log);
        Server { child, data, database, address, admin, log, client: client() }
    }

    /// Starts another process on the same database.
    pub(crate) fn beside(other: &Server) -> Server {
        Self::start_on(other.database.clone(), &[])
    }

    /// The most memory that the process ever held, in bytes.
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap();
        peak.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
    }

    /// Starts a killed process again, on the address that its clients know.
    pub(crate) fn restart_at_same_place(&mut self) {
        let listen = [("FOREBAY_SERVER__LISTEN", self.address.as_str())];
        let started = spawn(&self.data, self.database.as_deref(), &listen, &self.log);
        (self.child, self.address, self.admin) = started;
    }

    /// Ends the process as a power cut would.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn restart(&mut self) {
        self.kill();
        self.restart_with(&[]);
    }

    /// Starts a killed process again, with more of the environment.
    pub(crate) fn restart_with(&mut self, environment: &[(&str, &str)]) {
        let started = spawn(&self.data, self.database.as_deref(), environment, &self.log);
        (self.child, self.address, self.admin) = started;
    }

    /// Sends the process a signal, by its name.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }

    /// Asks the process to stop; returns its exit status.
    pub(crate) fn stop(&mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        self.child.wait().unwrap().code()
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
        let _ = self.child.kill();
        let _ = self.child.wait();
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

fn spawn(
    data: &TempDir,
    database: Option<&str>,
    environment: &[(&str, &str)],
    log: &Log,
) -> (Child, String, String) {
    let mut command = forebay();
    command.args(["serve", "--data"]).arg(data.path()).stdout(Stdio::piped());
    if data.path().join("app.yaml").exists() {
        command.arg("--config").arg(data.path());
    }
    for name in ["FOREBAY_SERVER__LISTEN", "FOREBAY_SERVER__ADMIN_LISTEN"] {
        command.env(name, "127.0.0.1:0");
    }
    // Hashing as in production would have each test of passwords take seconds.
    command.env("FOREBAY_AUTH__BCRYPT_COST", "4").env("MASTER_KEY", MASTER_KEY);
    command.env("API_KEY", KEY).envs(environment.iter().copied());
    if let Some(url) = database {
        command.env("DATABASE_URL", url);
    }
    let mut child = command.stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let ready = lines.by_ref().map(Result::unwrap).any(|line| {
        let ready = line.contains("\"message\":\"ready\"");
        log.add(line);
        ready
    });
    assert!(ready, "the server ended: {:?}", child.wait());
    // What it says later is read, so that it is never held up.
    let log = log.clone();
    std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| log.add(line)));
    let run = std::fs::read_to_string(data.path().join("run.json")).unwrap();
    let run: Value = serde_json::from_str(&run).unwrap();
    assert_eq!(run["pid"], child.id());
    let text = |name: &str| run[name].as_str().unwrap().to_owned();
    (child, text("listen"), text("admin"))
}

/// Makes an empty database on the test server.
async fn new_database() -> String {
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
