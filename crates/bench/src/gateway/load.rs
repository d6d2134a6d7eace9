//! Loads for proxies: as much as they take, by `wrk`, and so much a second, by threads that wait.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::proxies::Proxy;

const SECONDS: &str = "3s";
const PACED: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(10);
const HEAD: usize = 64 << 10;

/// What came of a load; latencies in milliseconds.
pub(super) struct Told {
    pub(super) requests: f64,
    /// A second.
    pub(super) rate: f64,
    pub(super) p50: f64,
    pub(super) p99: f64,
}

/// As many requests as it takes, on so many connections.
pub(super) fn full(proxy: &Proxy, connections: usize) -> Result<Told> {
    let script = proxy.folder.path().join("load.lua");
    std::fs::write(
        &script,
        "done = function(s, l, r) local e = s.errors; io.write(string.format(\
         \"RESULT %d %d %d %d %d\\n\", s.requests, s.duration, e.connect + e.read + e.write \
         + e.status + e.timeout, l:percentile(50), l:percentile(99))) end\n",
    )?;
    let mut wrk = Command::new("wrk");
    wrk.args(["-t1", "-c", &connections.to_string(), "-d", SECONDS, "-s"]).arg(&script);
    if !proxy.key.is_empty() {
        wrk.arg("-H").arg(format!("Authorization: Bearer {}", proxy.key));
    }
    let output = wrk.arg(proxy.url()).output().context("wrk is needed: apt-get install wrk")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find_map(|l| l.strip_prefix("RESULT ")).context("wrk said nothing")?;
    let numbers: Vec<f64> = line.split(' ').map(str::parse).collect::<Result<_, _>>()?;
    let [requests, micros, errors, p50, p99] = numbers[..] else {
        anyhow::bail!("wrk said {line}")
    };
    ensure!(errors == 0.0, "{}: {errors} of {requests} requests failed", proxy.name);
    Ok(Told { requests, rate: requests / micros * 1e6, p50: p50 / 1e3, p99: p99 / 1e3 })
}

/// How long its answer is.
pub(super) fn length(proxy: &Proxy) -> Result<usize> {
    Client::connect(proxy)?.ask()
}

/// So many requests a second, evenly. Latencies count from when a request was due: one that waits for
/// the answer before it is late too.
pub(super) fn paced(proxy: &Proxy, connections: usize, rate: f64) -> Result<Told> {
    let every = Duration::from_secs_f64(connections as f64 / rate);
    let mut clients = Vec::new();
    for _ in 0..connections {
        clients.push(Client::connect(proxy)?);
    }
    let began = Instant::now() + Duration::from_millis(50);
    let all = std::thread::scope(|scope| {
        let threads: Vec<_> = clients
            .into_iter()
            .enumerate()
            .map(|(n, client)| {
                let first = began + every.mul_f64(n as f64 / connections as f64);
                scope.spawn(move || keep_pace(client, first, every))
            })
            .collect();
        threads.into_iter().map(|thread| thread.join()).collect::<Vec<_>>()
    });
    let mut times = Vec::new();
    for one in all {
        times.extend(one.map_err(|_| anyhow::anyhow!("a client ended"))??);
    }
    times.sort_unstable();
    let at = |part: usize| {
        let time = times.get(times.len().saturating_sub(1) * part / 100).copied();
        time.unwrap_or_default().as_secs_f64() * 1e3
    };
    let requests = times.len() as f64;
    Ok(Told { requests, rate: requests / PACED.as_secs_f64(), p50: at(50), p99: at(99) })
}

fn keep_pace(mut client: Client, first: Instant, every: Duration) -> Result<Vec<Duration>> {
    let mut times = Vec::new();
    let mut due = first;
    while due < first + PACED {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        client.ask()?;
        times.push(due.elapsed());
        due += every;
    }
    Ok(times)
}

/// A connection that asks for the same again and again.
pub(super) struct Client {
    socket: TcpStream,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl Client {
    pub(super) fn connect(proxy: &Proxy) -> Result<Client> {
        let socket = TcpStream::connect(&proxy.address)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(LONGEST))?;
        let (path, host) = (proxy.path, &proxy.address);
        let mut request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n");
        if !proxy.key.is_empty() {
            request.push_str(&format!("authorization: Bearer {}\r\n", proxy.key));
        }
        request.push_str("\r\n");
        Ok(Client { socket, request: request.into_bytes(), answer: Vec::new() })
    }

    /// Asks, and reads the whole answer, which is to be a 200; the body's length.
    pub(super) fn ask(&mut self) -> Result<usize> {
        self.socket.write_all(&self.request)?;
        self.answer.clear();
        let mut piece = [0; 16 << 10];
        let mut whole = None;
        while whole.is_none_or(|(head, body)| self.answer.len() < head + body) {
            let count = self.socket.read(&mut piece)?;
            ensure!(count > 0, "the connection ended");
            self.answer.extend_from_slice(&piece[..count]);
            if whole.is_none() {
                whole = lengths(&self.answer)?;
            }
        }
        Ok(whole.map_or(0, |(_, body)| body))
    }
}

/// How long head and body are, once the head is there.
fn lengths(answer: &[u8]) -> Result<Option<(usize, usize)>> {
    let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
        ensure!(answer.len() < HEAD, "the head has no end");
        return Ok(None);
    };
    let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    ensure!(head.starts_with("http/1.1 200"), "{head}");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    Ok(Some((end + 4, length.context("the answer says no length")?.trim().parse()?)))
}
