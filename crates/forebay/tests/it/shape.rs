//! Starts Forebay in one process, or each of its parts in one of its own.

use std::io::{BufRead, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;

use crate::support::{KEY, Log, MASTER_KEY, forebay};

/// What the processes of a deployment show each other.
pub(crate) const SECRET: &str = "what the processes of all the tests show each other";

/// How a server is made of processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Whole,
    Apart,
}

/// Where a server is started.
pub(crate) struct Ground<'g> {
    pub(crate) data: &'g Path,
    pub(crate) database: Option<&'g str>,
    pub(crate) log: &'g Log,
}

/// A server that runs.
pub(crate) struct Started {
    /// The one that clients talk to.
    pub(crate) child: Child,
    pub(crate) services: Vec<Child>,
    pub(crate) address: String,
    /// For operators; the first is that of the process that clients talk to.
    pub(crate) admins: Vec<String>,
}

/// A process that has been started, and is not ready yet.
pub(crate) struct Launched {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    data: PathBuf,
    log: Log,
}

/// A process that is ready.
pub(crate) struct Running {
    pub(crate) child: Child,
    pub(crate) address: String,
    pub(crate) admin: String,
}

impl Ground<'_> {
    /// Starts a server.
    pub(crate) fn start(&self, shape: Shape, environment: &[(&str, &str)]) -> Started {
        if shape == Shape::Whole {
            let Running { child, address, admin } =
                self.launch("", self.data.to_owned(), environment).ready();
            return Started { child, services: Vec::new(), address, admins: vec![admin] };
        }
        let services = |name: &str, known: &[(&str, &str)]| {
            // The folder of the server is that of `auth`: it has what people are shown.
            let folder = if name == "auth" { String::new() } else { name.to_owned() };
            let listen = [("FOREBAY_SERVER__LISTEN", "127.0.0.1:0")];
            let all = [environment, known, &listen].concat();
            self.launch(name, self.data.join(folder), &all)
        };
        let auth = services("auth", &[]).ready();
        let at_auth = format!("http://{}", auth.address);
        let [process, store, notify] = ["process", "store", "notify"]
            .map(|name| services(name, &[("FOREBAY_SERVICES__AUTH", &at_auth)]));
        let (process, store, notify) = (process.ready(), store.ready(), notify.ready());
        let at_process = format!("http://{}", process.address);
        let at_store = format!("http://{}", store.address);
        let at_notify = format!("http://{}", notify.address);
        let known = [
            ("FOREBAY_SERVICES__AUTH", at_auth.as_str()),
            ("FOREBAY_SERVICES__PROCESS", &at_process),
            ("FOREBAY_SERVICES__STORE", &at_store),
            ("FOREBAY_SERVICES__NOTIFY", &at_notify),
        ];
        let all = [environment, &known].concat();
        let alone = Ground { database: None, ..*self };
        let gateway = alone.launch("gateway", self.data.join("gateway"), &all).ready();
        let Running { child, address, admin } = gateway;
        let mut admins = vec![admin];
        admins.extend([&auth, &process, &store, &notify].map(|one| one.admin.clone()));
        // What they hold of quotas goes back to `auth` when they stop: it stops last.
        let services = [notify, process, store, auth].map(|one| one.child).into();
        Started { child, services, address, admins }
    }

    /// Starts a process with some parts of Forebay, or all of them.
    pub(crate) fn launch(
        &self,
        parts: &str,
        data: PathBuf,
        environment: &[(&str, &str)],
    ) -> Launched {
        let mut command = forebay();
        command.arg("serve").args((!parts.is_empty()).then_some(parts));
        command.arg("--data").arg(&data).stdout(Stdio::piped());
        if data.join("app.yaml").exists() {
            command.arg("--config").arg(&data);
        }
        for name in ["FOREBAY_SERVER__LISTEN", "FOREBAY_SERVER__ADMIN_LISTEN"] {
            command.env(name, "127.0.0.1:0");
        }
        if !parts.is_empty() {
            command.env("FOREBAY_INTERNAL__SECRET", SECRET);
        }
        // Hashing as in production would have each test of passwords take seconds.
        command.env("FOREBAY_AUTH__BCRYPT_COST", "4").env("MASTER_KEY", MASTER_KEY);
        command.env("API_KEY", KEY).envs(environment.iter().copied());
        if let Some(url) = self.database {
            command.env("DATABASE_URL", url);
        }
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Launched { child, lines, data, log: self.log.clone() }
    }
}

impl Launched {
    /// Waits until it is ready.
    pub(crate) fn ready(self) -> Running {
        let Launched { mut child, mut lines, data, log } = self;
        let ready = lines.by_ref().map(Result::unwrap).any(|line: String| {
            let ready = line.contains("\"message\":\"ready\"");
            log.add(line);
            ready
        });
        assert!(ready, "the server ended: {:?}", child.wait());
        // What it says later is read, so that it is never held up.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| log.add(line)));
        let run = std::fs::read_to_string(data.join("run.json")).unwrap();
        let run: Value = serde_json::from_str(&run).unwrap();
        assert_eq!(run["pid"], child.id());
        let text = |name: &str| run[name].as_str().unwrap().to_owned();
        Running { child, address: text("listen"), admin: text("admin") }
    }
}

/// Asks a process to stop; returns its exit status.
pub(crate) fn terminate(child: &mut Child) -> Option<i32> {
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    child.wait().unwrap().code()
}
