//! The lists `upstreams` and `routes`: the users' own services, and which requests go there.

use std::time::Duration;

use forebay_config::{Config, Size, Span};
use forebay_gateway::routes::{Action, Draft, Edits, Is, Plan, Rewrite, Route, Wanted};
use forebay_gateway::upstream::{self, UpstreamConfig};
use forebay_model::field::nearest;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::Failure;

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct RouteEntry {
    name: String,
    priority: i64,
    r#match: Option<Value>,
    upstream: Option<Value>,
    rewrite: Option<Value>,
    redirect: Option<Value>,
    answer: Option<Value>,
    request_headers: Option<Value>,
    response_headers: Option<Value>,
    auth: Option<String>,
    permission: Option<String>,
    timeout: Option<Span>,
    pass_credentials: bool,
    identity: bool,
    lax_paths: bool,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct MatchEntry {
    host: Option<String>,
    path: Option<String>,
    prefix: Option<String>,
    methods: Vec<String>,
    headers: Map<String, Value>,
    query: Map<String, Value>,
    filter: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct ShareEntry {
    name: String,
    weight: Option<u32>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct RewriteEntry {
    prefix: Option<String>,
    path: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct RedirectEntry {
    status: Option<u16>,
    to: String,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct AnswerEntry {
    status: u16,
    body: String,
    content_type: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct EditsEntry {
    set: Map<String, Value>,
    add: Map<String, Value>,
    remove: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct UpstreamEntry {
    name: String,
    endpoints: Vec<Value>,
    balance: Option<String>,
    host: Option<String>,
    check: Option<Value>,
    ejection: Option<Value>,
    timeouts: Option<Value>,
    retries: Option<Value>,
    pool: Option<Value>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct EndpointEntry {
    url: String,
    weight: Option<u32>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct CheckEntry {
    path: Option<String>,
    interval: Option<Span>,
    timeout: Option<Span>,
    bad: Option<u32>,
    good: Option<u32>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct EjectionEntry {
    failures: Option<u32>,
    base: Option<Span>,
    max: Option<Span>,
    max_percent: Option<u32>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct TimeoutsEntry {
    connect: Option<Span>,
    header: Option<Span>,
    idle: Option<Span>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct RetriesEntry {
    tries: Option<u32>,
    budget_percent: Option<u32>,
    pause_min: Option<Span>,
    pause_max: Option<Span>,
    body: Option<Size>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct PoolEntry {
    connections: Option<u32>,
    waiting: Option<u32>,
    wait: Option<Span>,
}

/// Reads both lists; an error names the entry and its member.
pub(crate) fn plan(config: &Config) -> Result<Plan, Failure> {
    let list = |key: &'static str| -> Result<Vec<Value>, Failure> {
        config.section(key).map_err(|e| Failure::Configuration(e.to_string()))
    };
    let (routes, upstreams) = (list("routes")?, list("upstreams")?);
    let upstreams = each(config, "upstreams", upstreams, read_upstream)?;
    let routes = each(config, "routes", routes, read_route)?;
    Plan::new(routes, upstreams).map_err(|(list, at, what)| place(config, list, at, &what))
}

fn each<T>(
    config: &Config,
    list: &str,
    entries: Vec<Value>,
    read: fn(Value) -> Result<T, String>,
) -> Result<Vec<T>, Failure> {
    let one = |(at, entry)| read(entry).map_err(|what| place(config, list, at, &what));
    entries.into_iter().enumerate().map(one).collect()
}

fn place(config: &Config, list: &str, at: usize, what: &str) -> Failure {
    Failure::Configuration(config.fault(list, format!("[{at}].{what}")))
}

/// Reads the members of an object; the error names the first that is wrong. `at` is the object's own
/// name with a dot, or nothing.
fn members<T: DeserializeOwned>(at: &str, value: Value) -> Result<T, String> {
    let Value::Object(all) = value else {
        return Err(format!("{at} takes members, as `{{name: value}}`"));
    };
    serde_json::from_value(Value::Object(all.clone())).map_err(|whole| {
        let alone = all.into_iter().find_map(|(name, value)| {
            let one = Map::from_iter([(name.clone(), value)]);
            let wrong = serde_json::from_value::<T>(Value::Object(one)).err()?;
            Some(format!("{at}{name}: {}", known(&name, &wrong.to_string())))
        });
        alone.unwrap_or_else(|| format!("{at}: {whole}"))
    })
}

/// What is wrong with a member; one that is not known gets the nearest that is.
fn known(name: &str, wrong: &str) -> String {
    let Some((_, list)) = wrong.strip_prefix("unknown field ").and_then(|w| w.split_once(','))
    else {
        return wrong.to_owned();
    };
    let near = nearest(name, list.split('`').skip(1).step_by(2));
    let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    format!("there is no such member{hint}")
}

fn part<T: DeserializeOwned>(name: &str, value: Option<Value>) -> Result<Option<T>, String> {
    value.map(|value| members(&format!("{name}."), value)).transpose()
}

fn read_route(value: Value) -> Result<Route, String> {
    let entry: RouteEntry = members("", value)?;
    let rewrite = part::<RewriteEntry>("rewrite", entry.rewrite)?.map(|rewrite| {
        match (rewrite.prefix, rewrite.path) {
            (Some(prefix), None) => Ok(Rewrite::Prefix(prefix)),
            (None, Some(path)) => Ok(Rewrite::Path(path)),
            _ => Err("rewrite: either prefix or path".to_owned()),
        }
    });
    let redirect = part::<RedirectEntry>("redirect", entry.redirect)?;
    let answer = part::<AnswerEntry>("answer", entry.answer)?;
    let action = match (entry.upstream, redirect, answer) {
        (Some(upstream), None, None) => Action::Upstream(split(upstream)?),
        (None, Some(to), None) => Action::Redirect { status: to.status.unwrap_or(308), to: to.to },
        (None, None, Some(answer)) => {
            let AnswerEntry { status, body, content_type } = answer;
            Action::Answer { status, body, content_type }
        }
        _ => return Err("upstream: it, redirect or answer, and only one of them".to_owned()),
    };
    let wanted = part::<MatchEntry>("match", entry.r#match)?.unwrap_or_default();
    Route::new(Draft {
        name: entry.name,
        priority: entry.priority,
        wanted: wanted.wanted()?,
        action,
        rewrite: rewrite.transpose()?,
        request_headers: edits("request_headers", entry.request_headers)?,
        response_headers: edits("response_headers", entry.response_headers)?,
        auth: entry.auth,
        permission: entry.permission,
        timeout: entry.timeout.map(|time| time.0),
        pass_credentials: entry.pass_credentials,
        identity: entry.identity,
        lax_paths: entry.lax_paths,
    })
}

/// A name, or a list of names with weights.
fn split(value: Value) -> Result<Vec<(String, u32)>, String> {
    match value {
        Value::String(name) => Ok(vec![(name, 1)]),
        Value::Array(shares) => {
            let share = |(at, value)| {
                let share: ShareEntry = members(&format!("upstream[{at}]."), value)?;
                Ok((share.name, share.weight.unwrap_or(1)))
            };
            shares.into_iter().enumerate().map(share).collect()
        }
        _ => Err("upstream: a name, or a list such as [{name: shop, weight: 1}]".to_owned()),
    }
}

fn edits(name: &str, value: Option<Value>) -> Result<Edits, String> {
    let entry: EditsEntry = part(name, value)?.unwrap_or_default();
    let fields = |member: &str, fields: Map<String, Value>| {
        let field = |(field, value): (String, Value)| {
            let text = text(&value).ok_or_else(|| format!("{name}.{member}.{field}: a text"))?;
            Ok((field, text))
        };
        fields.into_iter().map(field).collect::<Result<Vec<_>, String>>()
    };
    Ok(Edits {
        set: fields("set", entry.set)?,
        add: fields("add", entry.add)?,
        remove: entry.remove,
    })
}

/// A text; numbers stand there without quotes now and then.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

impl MatchEntry {
    fn wanted(self) -> Result<Wanted, String> {
        let each = |member: &str, wanted: Map<String, Value>| {
            let is = |(name, value): (String, Value)| {
                let is = match &value {
                    Value::Bool(there) => Some(Is::There(*there)),
                    value => text(value).map(Is::Text),
                };
                let wrong = || format!("match.{member}.{name}: a text, true (there) or false");
                Ok((name.clone(), is.ok_or_else(wrong)?))
            };
            wanted.into_iter().map(is).collect::<Result<Vec<_>, String>>()
        };
        Ok(Wanted {
            host: self.host,
            path: self.path,
            prefix: self.prefix,
            methods: self.methods,
            headers: each("headers", self.headers)?,
            query: each("query", self.query)?,
            filter: self.filter,
        })
    }
}

fn read_upstream(value: Value) -> Result<UpstreamConfig, String> {
    let entry: UpstreamEntry = members("", value)?;
    let mut draft = upstream::Draft { name: entry.name, ..upstream::Draft::default() };
    for (at, endpoint) in entry.endpoints.into_iter().enumerate() {
        draft.endpoints.push(match endpoint {
            Value::String(url) => (url, 1),
            other => {
                let one: EndpointEntry = members(&format!("endpoints[{at}]."), other)?;
                (one.url, one.weight.unwrap_or(1))
            }
        });
    }
    put(&mut draft.balance, entry.balance);
    put(&mut draft.host, entry.host);
    draft.check = part::<CheckEntry>("check", entry.check)?.map(CheckEntry::check);
    match entry.ejection {
        None => {}
        Some(Value::Bool(false)) => draft.ejection = None,
        some => {
            draft.ejection = part::<EjectionEntry>("ejection", some)?.map(EjectionEntry::ejection);
        }
    }
    let timeouts: TimeoutsEntry = part("timeouts", entry.timeouts)?.unwrap_or_default();
    put_time(&mut draft.timeouts.connect, timeouts.connect);
    put_time(&mut draft.timeouts.header, timeouts.header);
    put_time(&mut draft.timeouts.idle, timeouts.idle);
    let retries: RetriesEntry = part("retries", entry.retries)?.unwrap_or_default();
    put(&mut draft.retries.tries, retries.tries);
    put(&mut draft.retries.budget_percent, retries.budget_percent);
    put_time(&mut draft.retries.pause_min, retries.pause_min);
    put_time(&mut draft.retries.pause_max, retries.pause_max);
    put(&mut draft.retries.body_bytes, retries.body.map(|size| size.0));
    let pool: PoolEntry = part("pool", entry.pool)?.unwrap_or_default();
    put(&mut draft.pool.connections, pool.connections);
    put(&mut draft.pool.waiting, pool.waiting);
    put_time(&mut draft.pool.wait, pool.wait);
    UpstreamConfig::new(draft)
}

impl CheckEntry {
    fn check(self) -> upstream::Check {
        let mut check = upstream::Check::default();
        put(&mut check.path, self.path);
        put_time(&mut check.interval, self.interval);
        put_time(&mut check.timeout, self.timeout);
        put(&mut check.bad, self.bad);
        put(&mut check.good, self.good);
        check
    }
}

impl EjectionEntry {
    fn ejection(self) -> upstream::Ejection {
        let mut ejection = upstream::Ejection::default();
        put(&mut ejection.failures, self.failures);
        put_time(&mut ejection.base, self.base);
        put_time(&mut ejection.max, self.max);
        put(&mut ejection.max_percent, self.max_percent);
        ejection
    }
}

/// What is said takes the default's place.
fn put<T>(slot: &mut T, said: Option<T>) {
    if let Some(said) = said {
        *slot = said;
    }
}

fn put_time(slot: &mut Duration, said: Option<Span>) {
    put(slot, said.map(|time| time.0));
}
