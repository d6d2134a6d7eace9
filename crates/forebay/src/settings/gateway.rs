//! The section `gateway`: whom to believe, how much of them, and which pages of theirs.

use std::collections::BTreeMap;

use forebay_config::{Config, Span};
use forebay_gateway::client::{Proxies, Written};
use forebay_gateway::limit::{self, Policy};
use forebay_gateway::{cors, shield};
use serde::Deserialize;

use crate::Failure;

#[derive(Deserialize)]
pub(super) struct Gateway {
    trusted_proxies: Vec<String>,
    client_header: String,
    limits: Vec<Limit>,
    pub(super) limit_keys: usize,
    cors: Vec<Cors>,
    headers: Vec<Headers>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Limit {
    name: String,
    key: Words,
    rate: Option<String>,
    burst: Option<u64>,
    concurrent: Option<u32>,
    quota: Option<String>,
    fail: Option<String>,
    cost: Option<String>,
    #[serde(default)]
    routes: Vec<String>,
    #[serde(default)]
    roles: Vec<String>,
}

/// One word, or a list of them.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Words {
    One(String),
    Many(Vec<String>),
}

impl Words {
    pub(super) fn list(&self) -> Vec<String> {
        match self {
            Words::One(word) => vec![word.clone()],
            Words::Many(words) => words.clone(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cors {
    origins: Vec<String>,
    #[serde(default)]
    routes: Vec<String>,
    methods: Option<Vec<String>>,
    headers: Option<Vec<String>>,
    expose: Option<Vec<String>>,
    max_age: Option<Span>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Headers {
    #[serde(default)]
    routes: Vec<String>,
    set: BTreeMap<String, String>,
}

/// What a page may send where its rule does not say it: all that the API reads.
const METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
const HEADERS: &[&str] = &[
    "authorization",
    "content-type",
    "idempotency-key",
    "if-match",
    "if-none-match",
    "last-event-id",
    "traceparent",
    "x-api-key",
    "x-forebay-view-as",
    "x-request-id",
];
/// And what it may read of an answer.
const EXPOSE: &[&str] = &[
    "etag",
    "idempotent-replayed",
    "ratelimit",
    "ratelimit-policy",
    "retry-after",
    "traceresponse",
    "x-request-id",
];
const MAX_AGE: std::time::Duration = std::time::Duration::from_secs(600);

impl Gateway {
    pub(super) fn proxies(&self, config: &Config) -> Result<Proxies, Failure> {
        let written = match self.client_header.to_ascii_lowercase().as_str() {
            "x-forwarded-for" => Written::XForwardedFor,
            "forwarded" => Written::Forwarded,
            _ => return Err(wrong(config, "client_header", "X-Forwarded-For or Forwarded")),
        };
        let proxies = Proxies::new(&self.trusted_proxies, written);
        proxies.map_err(|what| wrong(config, "trusted_proxies", &what))
    }

    pub(super) fn limits(&self, config: &Config) -> Result<Vec<Policy>, Failure> {
        let mut policies = Vec::new();
        for (at, limit) in self.limits.iter().enumerate() {
            let policy = Policy::new(limit.draft());
            policies.push(policy.map_err(|what| place(config, "limits", at, &what))?);
            if self.limits[..at].iter().any(|other| other.name == limit.name) {
                return Err(place(config, "limits", at, "name: another one has it"));
            }
        }
        Ok(policies)
    }

    pub(super) fn cors(&self, config: &Config) -> Result<Vec<cors::Rule>, Failure> {
        let rules = self.cors.iter().enumerate().map(|(at, rule)| {
            cors::Rule::new(&rule.draft()).map_err(|what| place(config, "cors", at, &what))
        });
        rules.collect()
    }

    pub(super) fn headers(&self, config: &Config) -> Result<Vec<shield::Rule>, Failure> {
        let rules = self.headers.iter().enumerate().map(|(at, rule)| {
            let set: Vec<_> = rule.set.iter().map(|(n, v)| (n.clone(), v.clone())).collect();
            shield::Rule::new(&rule.routes, &set)
                .map_err(|what| place(config, "headers", at, &what))
        });
        rules.collect()
    }
}

impl Limit {
    fn draft(&self) -> limit::Draft {
        limit::Draft {
            name: self.name.clone(),
            key: self.key.list(),
            rate: self.rate.clone(),
            burst: self.burst,
            concurrent: self.concurrent,
            quota: self.quota.clone(),
            fail: self.fail.clone(),
            cost: self.cost.clone(),
            routes: self.routes.clone(),
            roles: self.roles.clone(),
        }
    }
}

impl Cors {
    fn draft(&self) -> cors::Draft {
        let or = |given: &Option<Vec<String>>, all: &[&str]| {
            given.clone().unwrap_or_else(|| all.iter().map(|word| (*word).to_owned()).collect())
        };
        cors::Draft {
            origins: self.origins.clone(),
            routes: self.routes.clone(),
            methods: or(&self.methods, METHODS),
            headers: or(&self.headers, HEADERS),
            expose: or(&self.expose, EXPOSE),
            max_age: self.max_age.map_or(MAX_AGE, |age| age.0),
        }
    }
}

fn wrong(config: &Config, name: &str, what: &str) -> Failure {
    Failure::Configuration(config.fault(&format!("gateway.{name}"), what))
}

/// What is wrong with an entry of a list.
fn place(config: &Config, name: &str, at: usize, what: &str) -> Failure {
    wrong(config, name, &format!("[{at}].{what}"))
}
