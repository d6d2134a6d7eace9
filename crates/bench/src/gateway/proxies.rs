//! The proxies that are measured: Debian's, and Forebay with more or less of its policies.

use std::fs::File;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::server::{Server, tree_micros};
use crate::{KEY, MASTER_KEY};

/// What the others are compared to.
pub(super) const NGINX: &str = "nginx";
const PROGRAMS: [&str; 2] = ["/usr/sbin/nginx", "/usr/sbin/haproxy"];

/// A proxy in processes of its own.
pub(super) struct Proxy {
    pub(super) name: &'static str,
    pub(super) address: String,
    pub(super) path: &'static str,
    /// What is shown; nothing when it is empty.
    pub(super) key: String,
    child: Option<Child>,
    bare: Option<Server>,
    pub(super) folder: TempDir,
}

impl Proxy {
    pub(super) fn at(mut self, name: &'static str, path: &'static str) -> Proxy {
        (self.name, self.path) = (name, path);
        self
    }

    pub(super) fn pid(&self) -> u32 {
        let bare = self.bare.as_ref().map(Server::pid);
        self.child.as_ref().map(Child::id).or(bare).unwrap_or_default()
    }

    /// User and system time of it and of its workers, so far.
    pub(super) fn cpu_micros(&self) -> Result<f64> {
        tree_micros(self.pid())
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}{}", self.address, self.path)
    }

    fn start(
        (name, path): (&'static str, &'static str),
        address: String,
        (mut command, folder): (Command, TempDir),
    ) -> Result<Proxy> {
        let out = File::create(folder.path().join("stdout"))?;
        let errors = File::create(folder.path().join("stderr"))?;
        let child = command.stdin(Stdio::null()).stdout(out).stderr(errors).spawn()?;
        let key = String::new();
        Ok(Proxy { name, address, path, key, child: Some(child), bare: None, folder })
    }

    /// Waits until it takes connections.
    fn wait(self) -> Result<Proxy> {
        let began = Instant::now();
        while std::net::TcpStream::connect(&self.address).is_err() {
            let late = began.elapsed() > Duration::from_secs(60);
            ensure!(!late, "{} does not start: {}", self.name, self.said("stderr"));
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(self)
    }

    fn said(&self, file: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(file)).unwrap_or_default()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let Some(child) = &mut self.child else { return };
        // Asked to stop, so that it takes its workers along.
        let asked = Command::new("kill").arg(child.id().to_string()).status();
        if asked.is_err() {
            let _ = child.kill();
        }
        let _ = child.wait();
    }
}

fn free_address() -> Result<String> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}

/// The yardstick.
pub(super) fn bare(name: &'static str, answer: usize) -> Result<Proxy> {
    let server = Server::bare_on(answer, Some(1))?;
    let address = server.address.clone();
    let folder = tempfile::tempdir()?;
    let (key, path) = (String::new(), "/");
    Ok(Proxy { name, address, path, key, child: None, bare: Some(server), folder })
}

/// Debian's proxies before a backend, as far as they are there.
pub(super) fn peers(backend: &str, threads: usize) -> Result<Vec<Proxy>> {
    let [there_nginx, there_haproxy] = PROGRAMS.map(|program| Path::new(program).exists());
    let mut all = Vec::new();
    if there_nginx {
        all.push(nginx(NGINX, false, backend, threads)?);
        all.push(nginx("nginx, access log", true, backend, threads)?);
    }
    if there_haproxy {
        all.push(haproxy(backend, threads)?);
    }
    Ok(all)
}

/// nginx before a backend.
pub(super) fn nginx(name: &'static str, log: bool, backend: &str, threads: usize) -> Result<Proxy> {
    let (folder, address) = (tempfile::tempdir()?, free_address()?);
    let at = folder.path().display();
    let log = if log { format!("{at}/access.log") } else { "off".to_owned() };
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {at}/{kind};\n"))
        .concat();
    let text = format!(
        "daemon off; worker_processes {threads}; pid {at}/pid; user root;
         error_log {at}/error.log warn; events {{ worker_connections 20000; }}
         http {{
           access_log {log}; keepalive_timeout 600s; keepalive_requests 1000000000;
           {temporary}
           upstream backend {{
             server {backend}; keepalive 256; keepalive_requests 1000000000; }}
           server {{ listen {address} backlog=4096;
             location / {{ proxy_pass http://backend; proxy_http_version 1.1;
               proxy_set_header Connection \"\"; }} }} }}"
    );
    let file = folder.path().join("nginx.conf");
    std::fs::write(&file, text)?;
    let mut command = Command::new(PROGRAMS[0]);
    command.arg("-c").arg(file).arg("-e").arg(folder.path().join("error.log"));
    Proxy::start((name, "/"), address, (command, folder))?.wait()
}

/// HAProxy before a backend.
pub(super) fn haproxy(backend: &str, threads: usize) -> Result<Proxy> {
    let (folder, address) = (tempfile::tempdir()?, free_address()?);
    let text = format!(
        "global\n maxconn 9900\n nbthread {threads}\n\
         defaults\n mode http\n option http-keep-alive\n timeout connect 2s\n\
         \x20timeout client 600s\n timeout server 30s\n timeout http-keep-alive 600s\n\
         frontend f\n bind {address} backlog 4096\n default_backend b\n\
         backend b\n http-reuse always\n server s {backend}\n"
    );
    let file = folder.path().join("haproxy.cfg");
    std::fs::write(&file, text)?;
    let mut command = Command::new(PROGRAMS[1]);
    command.arg("-db").arg("-f").arg(file);
    Proxy::start(("HAProxy", "/"), address, (command, folder))?.wait()
}

/// What of its policies Forebay has to do; metrics are always counted.
#[derive(Clone, Copy)]
pub(super) struct Forebay {
    name: &'static str,
    limited: bool,
    known: bool,
    logged: bool,
}

impl Forebay {
    pub(super) const PLAIN: Forebay = kind("Forebay", [false, false, false]);
    pub(super) const LIMITED: Forebay = kind("Forebay, limit", [true, false, false]);
    pub(super) const KNOWN: Forebay = kind("Forebay, key", [false, true, false]);
    pub(super) const LOGGED: Forebay = kind("Forebay, access log", [false, false, true]);
    pub(super) const ALL: Forebay = kind("Forebay, key, limit, access log", [true, true, true]);
}

const fn kind(name: &'static str, [limited, known, logged]: [bool; 3]) -> Forebay {
    Forebay { name, limited, known, logged }
}

/// The settings' `app.yaml`; JSON is YAML.
pub(super) fn settings(backend: &str, kind: Forebay, more: usize) -> String {
    let auth = if kind.known { "required" } else { "none" };
    let by = if kind.known { "key" } else { "ip" };
    let limit = json!({"name": "measured", "key": by, "rate": "1000000/s"});
    let limits = if kind.limited { vec![limit] } else { vec![] };
    let mut routes = vec![
        json!({"name": "backend", "match": {"prefix": "/b"}, "upstream": "backend", "auth": auth}),
        json!({"name": "answer", "match": {"path": "/answer"}, "auth": auth,
            "answer": {"status": 200, "body": "x".repeat(super::ANSWER)}}),
    ];
    routes.extend((0..more).map(|n| {
        let name = format!("more{n}");
        json!({"name": name, "match": {"prefix": format!("/{name}")}, "upstream": "other"})
    }));
    let other = json!([format!("http://127.0.0.1:{}", 2 + more)]);
    json!({
        "server": {"keep_alive_timeout": "10m", "max_connections": 20000},
        "gateway": {"limits": limits},
        "upstreams": [
            {"name": "backend", "endpoints": [format!("http://{backend}")]},
            {"name": "other", "endpoints": other},
        ],
        "routes": routes,
    })
    .to_string()
}

/// Forebay before a backend.
pub(super) async fn forebay(
    binary: &Path,
    backend: &str,
    threads: usize,
    kind: Forebay,
) -> Result<Proxy> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("app.yaml"), settings(backend, kind, 0))?;
    let mut command = Command::new(binary);
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"])
        .arg("--data")
        .arg(folder.path().join("data"))
        .arg("--config")
        .arg(folder.path())
        .env("API_KEY", KEY)
        .env("MASTER_KEY", MASTER_KEY)
        .env("LOG_LEVEL", "INFO")
        .env("FOREBAY_LOGGING__ACCESS", if kind.logged { "true" } else { "false" })
        .env("TOKIO_WORKER_THREADS", threads.to_string());
    let mut proxy = Proxy::start((kind.name, "/b"), String::new(), (command, folder))?;
    proxy.address = ready(&proxy)?;
    if kind.known {
        proxy.key = key(&proxy.address).await?;
    }
    Ok(proxy)
}

/// Where it listens, once it does.
fn ready(proxy: &Proxy) -> Result<String> {
    let began = Instant::now();
    while !proxy.said("stdout").contains("\"ready\"") {
        let late = began.elapsed() > Duration::from_secs(60);
        let (out, errors) = (proxy.said("stdout"), proxy.said("stderr"));
        ensure!(!late, "forebay does not start: {out} {errors}");
        std::thread::sleep(Duration::from_millis(20));
    }
    let run = std::fs::read(proxy.folder.path().join("data/run.json"))?;
    let run: Value = serde_json::from_slice(&run)?;
    Ok(run["listen"].as_str().context("no address")?.to_owned())
}

/// Makes a key as a client would have it.
async fn key(address: &str) -> Result<String> {
    let body = json!({"name": "measured", "permissions": ["records:read"]});
    let url = format!("http://{address}/v1/api-keys");
    let made = reqwest::Client::new().post(url).bearer_auth(KEY).json(&body).send().await?;
    let status = made.status();
    let made: Value = made.json().await?;
    ensure!(status.is_success(), "{status} {made}");
    Ok(made["key"].as_str().context("no key")?.to_owned())
}
