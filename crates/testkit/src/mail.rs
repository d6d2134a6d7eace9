//! A mail server by others: PyPI's `aiosmtpd`, as Debian has it.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::host::install;

const PYTHON: &str = "/usr/bin/python3";
const PACKAGE: &str = "/usr/lib/python3/dist-packages/aiosmtpd";
const RECEIVER: &str = include_str!("../smtp/receiver.py");
/// How long a message may take.
const LIMIT: Duration = Duration::from_secs(30);

type Lines = Arc<(Mutex<Vec<String>>, Condvar)>;

/// A running mail server; it ends with the value.
pub struct MailServer {
    /// Where it listens, on this machine.
    pub port: u16,
    lines: Lines,
    child: Child,
}

impl MailServer {
    /// The user and password that it knows, where it has a certificate.
    pub const LOGIN: (&str, &str) = ("forebay", "the-sender's-secret");

    /// Starts it; with a certificate and its key it takes mail by TLS from that user alone.
    pub fn start(certificate: Option<(&Path, &Path)>) -> Result<MailServer> {
        install("python3-aiosmtpd", || Path::new(PACKAGE).exists())?;
        let mut python = Command::new(PYTHON);
        python.args(["-c", RECEIVER]);
        if let Some((certificate, key)) = certificate {
            python.arg(certificate).arg(key);
        }
        python.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = python.spawn()?;
        let mut said = BufReader::new(child.stdout.take().context("its stdout was asked for")?);
        let mut first = String::new();
        said.read_line(&mut first)?;
        let port = first.trim().strip_prefix("{\"port\": ").and_then(|rest| rest.strip_suffix('}'));
        let Some(port) = port.and_then(|port| port.parse().ok()) else {
            let _ = child.kill();
            bail!("aiosmtpd does not start: {first}");
        };
        let lines = Lines::default();
        let told = lines.clone();
        std::thread::spawn(move || {
            for line in said.lines().map_while(Result::ok) {
                told.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
                told.1.notify_all();
            }
        });
        Ok(MailServer { port, lines, child })
    }

    /// All messages so far, each as JSON.
    pub fn messages(&self) -> Vec<String> {
        self.lines.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for a message that is as wanted.
    pub fn until(&self, wanted: impl Fn(&str) -> bool) -> Result<String> {
        let (lines, more) = &*self.lines;
        let lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
        let missing = |lines: &mut Vec<String>| !lines.iter().any(|line| wanted(line));
        let waited = more.wait_timeout_while(lines, LIMIT, missing);
        let (lines, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let found = lines.iter().find(|line| wanted(line)).cloned();
        found.with_context(|| format!("there is no such message: {lines:?}"))
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
