//! An Elasticsearch or an OpenSearch in a folder: made, started, paused, killed and started again.

use std::fs::{self, File, TryLockError};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::ask::ask;
use crate::host::{free_port, run};
use crate::postgres::Stop;
use crate::search_jars::{JAVA, Product, programs};

/// The log goes where a server's stderr goes: stdout is for the word that it has started.
const LOGGING: &str = include_str!("../search/log4j2.properties");

/// A running server; it ends with the value, and with this process, unless it is left running.
#[derive(Debug)]
pub struct SearchServer {
    product: Product,
    folder: PathBuf,
    port: u16,
    process: Process,
}

#[derive(Debug)]
enum Process {
    /// Ends when the pipe to its stdin does.
    Ours(Child),
    /// Started by another process, or left running.
    Left(u32),
}

impl Product {
    /// The variable that names a server of it for the tests.
    pub const fn variable(self) -> &'static str {
        match self {
            Product::Elasticsearch => "FOREBAY_TEST_ELASTICSEARCH",
            Product::OpenSearch => "FOREBAY_TEST_OPENSEARCH",
        }
    }

    /// The URL of the server that the tests share. Others use it at the same time: an index there
    /// needs a name of its own, and what strikes a whole server needs a server of its own.
    pub fn shared(self) -> Result<String> {
        let url = std::env::var_os(self.variable()).and_then(|url| url.into_string().ok());
        url.with_context(|| format!("{} names no server", self.variable()))
    }
}

impl SearchServer {
    /// Finds a server's programs, or builds them from Maven Central's jars; Debian's packages of
    /// Java and Maven are installed where they are missing and the user is root.
    pub fn install(product: Product) -> Result<()> {
        programs(product).map(drop)
    }

    /// Makes a server in a folder that holds none yet, and starts it.
    pub fn start(product: Product, folder: &Path) -> Result<SearchServer> {
        let (http, transport) = (free_port()?, free_port()?);
        fs::create_dir_all(folder.join("tmp"))?;
        fs::write(folder.join("log4j2.properties"), LOGGING)?;
        let settings = folder.join(format!("{}.yml", product.name()));
        fs::write(settings, settings_of(http, transport))?;
        fs::write(folder.join("port"), http.to_string())?;
        let process = Process::Ours(spawn(product, folder)?);
        let server = SearchServer { product, folder: folder.to_owned(), port: http, process };
        server.wait_until_ready()?;
        Ok(server)
    }

    /// Finds the server that runs in a folder, if there is one.
    pub fn find(product: Product, folder: &Path) -> Result<Option<SearchServer>> {
        let read = |name: &str| fs::read_to_string(folder.join(name));
        let (Ok(port), Ok(pid)) = (read("port"), read("pid")) else { return Ok(None) };
        let (port, process) = (port.parse()?, Process::Left(pid.parse()?));
        let server = SearchServer { product, folder: folder.to_owned(), port, process };
        Ok(server.runs()?.then_some(server))
    }

    /// Stops the server; it can be started again.
    pub fn stop(&mut self, how: Stop) -> Result<()> {
        if !self.runs()? {
            return Ok(());
        }
        match how {
            Stop::Fast => self.signal("TERM").and_then(|()| self.signal("CONT"))?,
            Stop::Immediate => self.signal("KILL")?,
        }
        File::open(self.log())?.lock()?;
        if let Process::Ours(child) = &mut self.process {
            child.wait()?;
        }
        Ok(())
    }

    /// Starts the stopped server, with the port and the data that it had; returns when it answers.
    pub fn start_again(&mut self) -> Result<()> {
        self.process = Process::Ours(spawn(self.product, &self.folder)?);
        self.wait_until_ready()
    }

    /// Lets it keep connections and answer nothing.
    pub fn pause(&self) -> Result<()> {
        self.signal("STOP")
    }

    /// Lets a paused server go on.
    pub fn resume(&self) -> Result<()> {
        self.signal("CONT")
    }

    /// Does to all indices what the server does to them when its disk is full: documents are
    /// refused with 429, searches are answered. An index that is made later takes documents; where
    /// there is none yet, this is an error.
    pub fn block_writes(&self, blocked: bool) -> Result<()> {
        let value = if blocked { "true" } else { "null" };
        let body = format!(r#"{{"index.blocks.read_only_allow_delete": {value}}}"#);
        match self.ask("PUT", "/_all/_settings", &body)? {
            (200, _) => Ok(()),
            (status, text) => bail!("{status} {text}"),
        }
    }

    /// Its URL, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Lets the server run on without this value and this process.
    pub fn leave(mut self) -> Result<()> {
        if let Process::Ours(child) = &mut self.process {
            let mut stdin = child.stdin.take().context("its stdin was asked for")?;
            stdin.write_all(b"\n")?;
            self.process = Process::Left(child.id());
        }
        Ok(())
    }

    /// Sends a request with a body of JSON or of lines of it; returns the status and the answer.
    pub fn ask(&self, method: &str, path: &str, body: &str) -> Result<(u16, String)> {
        ask(self.port, method, path, body)
    }

    /// Waits until what it holds can be searched.
    fn wait_until_ready(&self) -> Result<()> {
        for path in ["/_cluster/health?wait_for_status=yellow&timeout=50s", "/"] {
            let (status, text) = self.ask("GET", path, "")?;
            if status != 200 {
                bail!("{:?} is not ready: {status} {text}", self.product);
            }
        }
        Ok(())
    }

    /// A server holds the lock of its log for as long as its process is there.
    fn runs(&self) -> Result<bool> {
        match File::open(self.log())?.try_lock() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => Err(error.into()),
        }
    }

    fn signal(&self, name: &str) -> Result<()> {
        let id = match &self.process {
            Process::Ours(child) => child.id(),
            Process::Left(id) => *id,
        };
        run(Command::new("kill").arg(format!("-{name}")).arg(id.to_string()))
    }

    fn log(&self) -> PathBuf {
        log_in(&self.folder)
    }
}

impl Drop for SearchServer {
    fn drop(&mut self) {
        if let Process::Ours(child) = &mut self.process {
            // It may have ended.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Starts the process; returns when it has said that it takes connections.
fn spawn(product: Product, folder: &Path) -> Result<Child> {
    let programs = programs(product)?;
    let log = File::options().create(true).append(true).open(log_in(folder))?;
    // The process inherits the lock with the file.
    log.try_lock().with_context(|| format!("{product:?} runs already in {}", folder.display()))?;
    let mut java = Command::new(JAVA);
    java.args(["-Xms512m", "-Xmx512m", "-XX:+UseSerialGC", "-Dio.netty.noUnsafe=true"]);
    java.args(["-Dlog4j.shutdownHookEnabled=false", "-Dlog4j2.formatMsgNoLookups=true"]);
    java.arg(format!("-Djava.io.tmpdir={}", folder.join("tmp").display()));
    java.arg("-cp").arg(format!("{0}/classes:{0}/lib/*", programs.display()));
    java.arg("Launcher").arg(folder).arg(programs.join("modules"));
    java.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
    // A terminal's interrupt is for this process; the server sees it end.
    let mut child = java.process_group(0).spawn()?;
    fs::write(folder.join("pid"), child.id().to_string())?;
    let mut said = String::new();
    let out = child.stdout.take().context("its stdout was asked for")?;
    BufReader::new(out).read_line(&mut said)?;
    if said.is_empty() {
        child.wait()?;
        bail!("{product:?} does not start: see {}", log_in(folder).display());
    }
    Ok(child)
}

fn log_in(folder: &Path) -> PathBuf {
    folder.join("log")
}

fn settings_of(http: u16, transport: u16) -> String {
    format!(
        "cluster.name: test\n\
         node.name: test\n\
         network.host: 127.0.0.1\n\
         http.port: {http}\n\
         transport.port: {transport}\n\
         discovery.type: single-node\n\
         cluster.routing.allocation.disk.threshold_enabled: false\n"
    )
}
