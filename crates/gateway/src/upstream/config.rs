//! An upstream as it is configured: where it is, and how much patience there is with it.

use std::time::Duration;

use http::HeaderValue;
use http::uri::{Authority, Uri};

use super::balance::{KINDS, Kind};

/// Most endpoints of one upstream.
const MAX_ENDPOINTS: usize = 256;
/// Highest weight of an endpoint.
const MAX_WEIGHT: u32 = 1000;

/// An upstream as somebody has written it; the defaults are those of the design.
#[derive(Debug, Clone)]
pub struct Draft {
    /// Its name in routes, metrics and answers.
    pub name: String,
    /// Where it is: `http://host:port`, and how much of the work each takes.
    pub endpoints: Vec<(String, u32)>,
    /// `p2c`, `round_robin`, `least_request`, `weighted`, or `hash`.
    pub balance: String,
    /// `keep`: the host that the client asked for; `endpoint`: the endpoint's own.
    pub host: String,
    /// Asks each endpoint how it is; not asked when there is none.
    pub check: Option<Check>,
    /// Leaves out an endpoint that fails; never when there is none.
    pub ejection: Option<Ejection>,
    /// How long is waited for what.
    pub timeouts: Timeouts,
    /// How often something is tried again.
    pub retries: Retries,
    /// How many connections there are.
    pub pool: PoolLimits,
}

impl Default for Draft {
    fn default() -> Draft {
        Draft {
            name: String::new(),
            endpoints: Vec::new(),
            balance: "p2c".to_owned(),
            host: "keep".to_owned(),
            check: None,
            ejection: Some(Ejection::default()),
            timeouts: Timeouts::default(),
            retries: Retries::default(),
            pool: PoolLimits::default(),
        }
    }
}

/// Asks an endpoint how it is: any status from 200 to 399 is good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The path that is asked for, with `GET`.
    pub path: String,
    /// Time from one question to the next.
    pub interval: Duration,
    /// Longest time until the answer's head is there.
    pub timeout: Duration,
    /// So many bad answers in a row take an endpoint out.
    pub bad: u32,
    /// So many good ones in a row bring it back.
    pub good: u32,
}

impl Default for Check {
    fn default() -> Check {
        Check {
            path: "/".to_owned(),
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(2),
            bad: 3,
            good: 2,
        }
    }
}

/// Leaves out an endpoint whose requests fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ejection {
    /// So many failures in a row.
    pub failures: u32,
    /// How long for the first time; each time in a row doubles it.
    pub base: Duration,
    /// How long at most.
    pub max: Duration,
    /// How many of the endpoints may be out at once; the last one never is.
    pub max_percent: u32,
}

impl Default for Ejection {
    fn default() -> Ejection {
        let (base, max) = (Duration::from_secs(30), Duration::from_secs(300));
        Ejection { failures: 5, base, max, max_percent: 50 }
    }
}

/// How long is waited for what. There is no limit on how long an answer streams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeouts {
    /// Until a connection is there, with the look-up of its name.
    pub connect: Duration,
    /// Until an answer's head is there, from when the endpoint last took a piece of the request.
    pub header: Duration,
    /// How long a connection rests between two requests.
    pub idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        Timeouts {
            connect: Duration::from_secs(2),
            header: Duration::from_secs(30),
            idle: Duration::from_secs(60),
        }
    }
}

/// How often something is tried again on another endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retries {
    /// How often a request is tried again.
    pub tries: u32,
    /// How many of a hundred requests may be.
    pub budget_percent: u32,
    /// Shortest wait before it.
    pub pause_min: Duration,
    /// Longest wait before it.
    pub pause_max: Duration,
    /// Most bytes of a request's body that are kept for it.
    pub body_bytes: usize,
}

impl Default for Retries {
    fn default() -> Retries {
        Retries {
            tries: 1,
            budget_percent: 20,
            pause_min: Duration::from_millis(25),
            pause_max: Duration::from_millis(250),
            body_bytes: 64 << 10,
        }
    }
}

/// How many connections there are, and how many requests wait for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolLimits {
    /// Most connections to one endpoint.
    pub connections: u32,
    /// Most requests that wait for a connection to one endpoint; more are refused.
    pub waiting: u32,
    /// How long they wait.
    pub wait: Duration,
}

impl Default for PoolLimits {
    fn default() -> PoolLimits {
        PoolLimits { connections: 1024, waiting: 1024, wait: Duration::from_secs(2) }
    }
}

/// An upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamConfig {
    pub(crate) name: String,
    pub(crate) targets: Vec<Target>,
    pub(crate) balance: &'static Kind,
    pub(crate) own_host: bool,
    pub(crate) check: Option<Check>,
    pub(crate) ejection: Option<Ejection>,
    pub(crate) timeouts: Timeouts,
    pub(crate) retries: Retries,
    pub(crate) pool: PoolLimits,
}

/// Where an endpoint is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// `host:port`; an IPv6 address stands in brackets.
    pub(crate) address: String,
    /// What `Host` is, where it is the endpoint's own.
    pub(crate) host: HeaderValue,
    pub(crate) weight: u32,
}

impl UpstreamConfig {
    /// Reads an upstream; the error is a message for people, and begins with the member that is
    /// wrong.
    pub fn new(draft: Draft) -> Result<UpstreamConfig, String> {
        let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || b"-_".contains(&c);
        if !(1..=64).contains(&draft.name.len()) || !draft.name.bytes().all(plain) {
            return Err("name: 1 to 64 of a-z 0-9 - _".to_owned());
        }
        if !(1..=MAX_ENDPOINTS).contains(&draft.endpoints.len()) {
            return Err(format!("endpoints: 1 to {MAX_ENDPOINTS}"));
        }
        let targets = draft.endpoints.iter().map(|(url, weight)| Target::new(url, *weight));
        let targets = targets.collect::<Result<Vec<_>, _>>()?;
        let mut addresses: Vec<&str> = targets.iter().map(|target| &*target.address).collect();
        addresses.sort_unstable();
        if let Some([twice, _]) = addresses.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(format!("endpoints: `{twice}` stands there twice"));
        }
        let known = KINDS.iter().find(|kind| kind.name == draft.balance);
        let balance = known.ok_or_else(|| {
            let names: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
            format!("balance: `{}` is none of {}", draft.balance, names.join(", "))
        })?;
        let own_host = match draft.host.as_str() {
            "keep" => false,
            "endpoint" => true,
            other => return Err(format!("host: `{other}` is neither keep nor endpoint")),
        };
        draft.check.as_ref().map_or(Ok(()), Check::judge)?;
        draft.ejection.as_ref().map_or(Ok(()), Ejection::judge)?;
        draft.timeouts.judge()?;
        draft.retries.judge()?;
        draft.pool.judge()?;
        let Draft { name, check, ejection, timeouts, retries, pool, .. } = draft;
        Ok(UpstreamConfig {
            name,
            targets,
            balance,
            own_host,
            check,
            ejection,
            timeouts,
            retries,
            pool,
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Target {
    fn new(url: &str, weight: u32) -> Result<Target, String> {
        let wrong = || format!("endpoints: `{url}` is no address such as http://10.0.0.5:8080");
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let authority = uri.authority().filter(|a| !a.as_str().contains('@')).ok_or_else(wrong)?;
        let bare = uri.path_and_query().is_none_or(|path| path == "/");
        if uri.scheme_str() != Some("http") || !bare || authority.host().is_empty() {
            return Err(wrong());
        }
        if !(1..=MAX_WEIGHT).contains(&weight) {
            return Err(format!("endpoints: the weight of `{url}` is 1 to {MAX_WEIGHT}"));
        }
        let port = match authority.port() {
            Some(port) => port.as_str().parse::<u16>().map_err(|_| wrong())?,
            // Two colons without a number would be read as none.
            None if authority.as_str() != authority.host() => return Err(wrong()),
            None => 80,
        };
        if port == 0 {
            return Err(wrong());
        }
        let address = format!("{}:{port}", authority.host());
        Ok(Target { address, host: host(authority).ok_or_else(wrong)?, weight })
    }
}

fn host(authority: &Authority) -> Option<HeaderValue> {
    HeaderValue::from_str(authority.as_str()).ok()
}

/// Refuses what is no time to wait.
fn time(name: &str, time: Duration) -> Result<(), String> {
    let fits = (Duration::from_millis(1)..=Duration::from_secs(86_400)).contains(&time);
    if fits { Ok(()) } else { Err(format!("{name}: from a millisecond to a day")) }
}

fn count(name: &str, count: u32, most: u32) -> Result<(), String> {
    if (1..=most).contains(&count) { Ok(()) } else { Err(format!("{name}: 1 to {most}")) }
}

impl Check {
    fn judge(&self) -> Result<(), String> {
        let plain = self.path.bytes().all(|c| c.is_ascii_graphic() && c != b'#');
        if !self.path.starts_with('/') || !plain || self.path.parse::<Uri>().is_err() {
            return Err(format!("check.path: `{}` is no path such as /health", self.path));
        }
        time("check.interval", self.interval)?;
        time("check.timeout", self.timeout)?;
        count("check.bad", self.bad, 100)?;
        count("check.good", self.good, 100)
    }
}

impl Ejection {
    fn judge(&self) -> Result<(), String> {
        count("ejection.failures", self.failures, 1000)?;
        time("ejection.base", self.base)?;
        time("ejection.max", self.max)?;
        if self.max < self.base {
            return Err("ejection.max: not shorter than ejection.base".to_owned());
        }
        count("ejection.max_percent", self.max_percent, 100)
    }
}

impl Timeouts {
    fn judge(&self) -> Result<(), String> {
        time("timeouts.connect", self.connect)?;
        time("timeouts.header", self.header)?;
        time("timeouts.idle", self.idle)
    }
}

impl Retries {
    fn judge(&self) -> Result<(), String> {
        if self.tries > 5 {
            return Err("retries.tries: 0 to 5".to_owned());
        }
        if self.budget_percent > 100 {
            return Err("retries.budget_percent: 0 to 100".to_owned());
        }
        if self.pause_max < self.pause_min || self.pause_max > Duration::from_secs(10) {
            return Err("retries.pause_max: from retries.pause_min to 10 seconds".to_owned());
        }
        if self.body_bytes > 1 << 20 {
            return Err("retries.body_bytes: at most 1 MiB".to_owned());
        }
        Ok(())
    }
}

impl PoolLimits {
    fn judge(&self) -> Result<(), String> {
        count("pool.connections", self.connections, 65_536)?;
        if self.waiting > 65_536 {
            return Err("pool.waiting: at most 65536".to_owned());
        }
        time("pool.wait", self.wait)
    }
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
