//! A limit as it is configured: what is counted, by whom, where, and how much of it.

use std::net::IpAddr;

use forebay_http::meter::Plan;
use forebay_model::principal::{
    Principal, RECORDS_READ, RECORDS_WRITE, STREAMS_READ, STREAMS_WRITE,
};
use http::Method;

use super::calendar::Calendar;
use super::gcra::Quota;
use super::table::{Key, Table};
use crate::pattern::{Patterns, Place, stream_of};

/// Where records come in.
const INGEST: &[&str] = &["POST /v1/streams/{stream}/records", "POST /v1/batch"];

/// A limit as somebody has written it.
#[derive(Debug, Clone, Default)]
pub struct Draft {
    /// Its name in headers, metrics and answers.
    pub name: String,
    /// What is counted apart: `ip`, `principal`, `key`, `role`, `route`, `stream`.
    pub key: Vec<String>,
    /// `100/s`, `20/m`, `1000/h`, `5/d`.
    pub rate: Option<String>,
    /// How much at once; as much as the rate says when it is not said.
    pub burst: Option<u64>,
    /// How many requests at the same time, in place of a rate.
    pub concurrent: Option<u32>,
    /// `1000/day`, `5000/week`, `1000000/month`, in place of a rate.
    pub quota: Option<String>,
    /// `closed`, or `open`: what holds while a quota cannot be counted.
    pub fail: Option<String>,
    /// `requests`, or `records`: what a unit of the rate or quota is.
    pub cost: Option<String>,
    /// The routes that it is for; all when there are none.
    pub routes: Vec<String>,
    /// The roles that it is for; all callers when there are none.
    pub roles: Vec<String>,
}

/// What is counted apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Ip,
    Principal,
    Key,
    Role,
    Route,
    Stream,
}

/// What a limit bounds.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Measure {
    /// So many requests in a time.
    Requests(Quota),
    /// So many records in a time.
    Records(Quota),
    /// So many requests at once.
    Concurrent(u32),
    /// So many requests or records in a period of the calendar.
    Calendar(Calendar),
}

/// A limit.
#[derive(Debug, Clone)]
pub struct Policy {
    pub(crate) name: String,
    pub(crate) measure: Measure,
    /// Its item of `RateLimit-Policy`.
    pub(crate) item: String,
    by: Vec<By>,
    routes: Patterns,
    /// As they were written.
    named: Vec<String>,
    roles: Vec<String>,
}

/// Who asks for what, as far as it is known.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'r> {
    pub(crate) method: &'r Method,
    pub(crate) path: &'r str,
    /// The user's route that it takes.
    pub(crate) route: Option<&'r str>,
    pub(crate) client: IpAddr,
    pub(crate) who: Option<&'r Principal>,
}

/// When a limit is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Before anything is looked up: by address.
    Address,
    /// When it is known who asks.
    Caller,
}

#[derive(Hash, Clone, Copy)]
enum Network {
    V4(u32),
    /// What one customer has: the first 64 bits.
    V6(u64),
}

/// Whom a request counts for: what is hashed to a key.
#[derive(Hash, Default, Clone, Copy)]
pub(crate) struct Parts<'r> {
    policy: &'r str,
    network: Option<Network>,
    principal: Option<&'r str>,
    key: Option<&'r str>,
    role: Option<&'r str>,
    route: Option<usize>,
    stream: Option<&'r str>,
}

impl Policy {
    /// Reads a limit; the error is a message for people, and begins with the member that is wrong.
    pub fn new(draft: Draft) -> Result<Policy, String> {
        let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || b"-_".contains(&c);
        let name = draft.name;
        if !(1..=64).contains(&name.len()) || !name.bytes().all(plain) {
            return Err("name: 1 to 64 of a-z 0-9 - _".to_owned());
        }
        let by = draft.key.iter().map(|word| By::read(word)).collect::<Result<Vec<_>, _>>()?;
        let mut routes = draft.routes;
        // Who reads brings no records, and is not held up by those who do.
        if draft.cost.as_deref() == Some("records") && routes.is_empty() {
            routes = INGEST.iter().map(|route| (*route).to_owned()).collect();
        }
        let named = routes;
        let routes = Patterns::new(&named).map_err(|what| format!("routes: {what}"))?;
        if by.is_empty() {
            return Err("key: at least one of ip, principal, key, role, route, stream".to_owned());
        }
        if by.contains(&By::Route) && routes.is_empty() {
            return Err("routes: a limit by route names them".to_owned());
        }
        let words = Words { cost: draft.cost.as_deref(), fail: draft.fail.as_deref() };
        let (measure, item) = match (draft.rate, draft.concurrent, draft.quota) {
            (Some(rate), None, None) => read_rate(&name, &rate, draft.burst, words)?,
            (None, Some(most), None) => at_once(&name, most, draft.burst, words)?,
            (None, None, Some(quota)) => read_quota(&name, &quota, (&by, draft.burst), words)?,
            _ => return Err("rate: one of rate, concurrent and quota".to_owned()),
        };
        let roles = draft.roles;
        Ok(Policy { name, measure, item, by, routes, named, roles })
    }

    /// When it is looked at. Whatever an address does alone is refused before it costs anything; what
    /// others share is not for those to use up who may not even ask.
    pub(crate) fn stage(&self) -> Stage {
        let early = |by: &By| matches!(by, By::Ip | By::Route);
        let by_address = self.by.contains(&By::Ip) && self.by.iter().all(early);
        // Which user's route it takes is known later.
        let early = by_address && self.roles.is_empty() && !self.routes.names_routes();
        if early { Stage::Address } else { Stage::Caller }
    }

    /// Whether it counts streams apart.
    pub(crate) fn by_stream(&self) -> bool {
        self.by.contains(&By::Stream)
    }

    /// The keys that a request counts for; none when it is not for this request. `stream` stands for
    /// the one that the path is about.
    pub(crate) fn keys(&self, table: &Table, asked: Asked<'_>, stream: Option<&str>) -> Vec<Key> {
        self.parts(asked, stream).iter().map(|parts| table.key(parts)).collect()
    }

    /// What its keys are made of.
    pub(crate) fn parts<'r>(&'r self, asked: Asked<'r>, stream: Option<&'r str>) -> Vec<Parts<'r>> {
        self.parts_by(asked, Some(stream))
    }

    /// What its keys are made of beside the streams, which are known when the request has been read.
    pub(crate) fn parts_but_stream<'r>(&'r self, asked: Asked<'r>) -> Vec<Parts<'r>> {
        self.parts_by(asked, None)
    }

    fn parts_by<'r>(&'r self, asked: Asked<'r>, stream: Option<Option<&'r str>>) -> Vec<Parts<'r>> {
        let Some(route) = self.routes.find(asked.place()) else { return Vec::new() };
        let holds = |who: &Principal| who.roles.iter().any(|role| self.roles.contains(role));
        if !self.roles.is_empty() && !asked.who.is_some_and(holds) {
            return Vec::new();
        }
        let mut parts = Parts { policy: &self.name, ..Parts::default() };
        let mut roles = None;
        for by in &self.by {
            let known = match by {
                By::Ip => {
                    parts.network = Some(network(asked.client));
                    true
                }
                By::Principal => {
                    parts.principal = asked.who.map(|who| who.id.as_str());
                    parts.principal.is_some()
                }
                By::Key => {
                    parts.key = asked.who.and_then(|who| who.key_id.as_deref());
                    parts.key.is_some()
                }
                By::Role => {
                    roles = asked.who.map(|who| who.roles.as_slice());
                    roles.is_some()
                }
                By::Route => {
                    parts.route = Some(route);
                    true
                }
                By::Stream => match stream {
                    None => true,
                    Some(stream) => {
                        let known = |name: &&str| asked.who.is_some_and(|who| knows(who, name));
                        parts.stream = stream.filter(known);
                        parts.stream.is_some()
                    }
                },
            };
            if !known {
                return Vec::new();
            }
        }
        let Some(roles) = roles else { return vec![parts] };
        let counted = |role: &&String| self.roles.is_empty() || self.roles.contains(role);
        let of_role = |role: &'r String| Parts { role: Some(role), ..parts };
        roles.iter().filter(counted).map(of_role).collect()
    }

    /// What the database knows a count by: the same in all processes and after a restart, and another
    /// one for whatever differs. A quota is not by address.
    pub(crate) fn name(&self, parts: &Parts<'_>, calendar: &Calendar) -> String {
        let route = parts.route.and_then(|at| self.named.get(at)).map(String::as_str);
        let route = route.filter(|_| self.by.contains(&By::Route));
        let unit = if calendar.records { "records" } else { "requests" };
        let mut text = format!("{} {unit} {}", self.name, calendar.period.as_str());
        for (what, of) in [
            ("principal", parts.principal),
            ("key", parts.key),
            ("role", parts.role),
            ("route", route),
        ] {
            if let Some(of) = of {
                // The length says where it ends, whatever stands in it.
                text.push_str(&format!(" {what} {} {of}", of.len()));
            }
        }
        match parts.stream {
            Some(stream) => Plan::of_stream(&text, stream),
            None => text,
        }
    }

    /// Whether whoever reads records has to ask how many may come.
    pub fn is_quota_of_records(&self) -> bool {
        matches!(self.measure, Measure::Calendar(calendar) if calendar.records)
    }
}

/// Whether somebody may do anything with a stream: a stranger does not use up what others share.
fn knows(who: &Principal, stream: &str) -> bool {
    let rights = [RECORDS_READ, RECORDS_WRITE, STREAMS_READ, STREAMS_WRITE];
    rights.into_iter().any(|right| who.may_on_stream(right, stream))
}

impl Asked<'_> {
    fn place(&self) -> Place<'_> {
        Place { method: self.method, path: self.path, route: self.route }
    }

    /// The stream of the path.
    pub(crate) fn stream(&self) -> Option<&str> {
        stream_of(self.path)
    }
}

impl By {
    fn read(word: &str) -> Result<By, String> {
        match word {
            "ip" => Ok(By::Ip),
            "principal" => Ok(By::Principal),
            "key" => Ok(By::Key),
            "role" => Ok(By::Role),
            "route" => Ok(By::Route),
            "stream" => Ok(By::Stream),
            _ => Err(format!("key: `{word}` is not ip, principal, key, role, route or stream")),
        }
    }
}

fn network(address: IpAddr) -> Network {
    match address.to_canonical() {
        IpAddr::V4(address) => Network::V4(address.to_bits()),
        IpAddr::V6(address) => {
            Network::V6(u64::try_from(address.to_bits() >> 64).unwrap_or_default())
        }
    }
}

/// Words that say more about how is counted.
#[derive(Clone, Copy)]
struct Words<'d> {
    cost: Option<&'d str>,
    fail: Option<&'d str>,
}

fn at_once(
    name: &str,
    most: u32,
    burst: Option<u64>,
    words: Words<'_>,
) -> Result<(Measure, String), String> {
    if most == 0 || burst.is_some() || words.cost.is_some() {
        return Err("concurrent: at least 1, without burst and cost".to_owned());
    }
    words.never_fails()?;
    Ok((Measure::Concurrent(most), format!("\"{name}\";q={most};qu=\"concurrent-requests\"")))
}

/// Reads a quota. Each of its counts is a row in the database, so that nobody may make them as they
/// like: not by address, and by stream only where the stream is there.
fn read_quota(
    name: &str,
    quota: &str,
    (by, burst): (&[By], Option<u64>),
    words: Words<'_>,
) -> Result<(Measure, String), String> {
    let calendar = Calendar::read(quota, words.cost, words.fail)?;
    if burst.is_some() {
        return Err("burst: it is for a rate".to_owned());
    }
    if by.contains(&By::Ip) {
        return Err("key: a quota is not by ip: every address would be kept".to_owned());
    }
    if by.contains(&By::Stream) && !calendar.records {
        return Err("key: a quota by stream counts records".to_owned());
    }
    Ok((Measure::Calendar(calendar), calendar.item(name)))
}

impl Words<'_> {
    fn never_fails(self) -> Result<(), String> {
        self.fail.map_or(Ok(()), |_| Err("fail: it is for a quota".to_owned()))
    }
}

/// Reads a rate, and writes its item (draft-ietf-httpapi-ratelimit-headers, 3): the burst is the
/// quota, and the window is the time in which it is there again.
fn read_rate(
    name: &str,
    rate: &str,
    burst: Option<u64>,
    words: Words<'_>,
) -> Result<(Measure, String), String> {
    const SECOND: u64 = 1_000_000_000;
    let wrong = || format!("rate: `{rate}` is no rate such as 100/s, 20/m, 1000/h or 5/d");
    let (count, unit) = rate.trim().split_once('/').ok_or_else(wrong)?;
    let count: u64 = count.trim().parse().map_err(|_| wrong())?;
    let period = match unit.trim() {
        "s" => SECOND,
        "m" => 60 * SECOND,
        "h" => 3_600 * SECOND,
        "d" => 86_400 * SECOND,
        _ => return Err(wrong()),
    };
    let quota = Quota::new(count, period, burst.unwrap_or(count)).ok_or_else(|| {
        "rate: from 1 on, to 10000000 in a second, with a burst from 1 to what comes in a century"
            .to_owned()
    })?;
    words.never_fails()?;
    let (burst, window) = (quota.burst(), quota.window().div_ceil(SECOND));
    match words.cost {
        None | Some("requests") => {
            Ok((Measure::Requests(quota), format!("\"{name}\";q={burst};w={window}")))
        }
        Some("records") => {
            let item = format!("\"{name}\";q={burst};qu=\"records\";w={window}");
            Ok((Measure::Records(quota), item))
        }
        Some(_) => Err("cost: requests or records".to_owned()),
    }
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
