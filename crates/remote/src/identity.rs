//! `Identity` of another process: asked once, remembered until something changes, and trusted for as
//! long as changes can be heard.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use aws_lc_rs::digest;
use forebay_contract::{Identity, Seen, Shown};
use forebay_http::internal::{read_principal, write_principal};
use forebay_model::principal::Principal;
use forebay_model::time::{SharedClock, Timestamp};
use forebay_model::{Error, Result};
use http::Method;
use ipnet::IpNet;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::door::{Door, Place, away};

/// Principals, and secrets that are nobody's, that are remembered; beyond it all are asked for anew.
const MOST: usize = 10_000;
/// How often it is asked whether anything has changed.
const LISTEN: Duration = Duration::from_millis(250);
/// How long what is remembered is trusted while nobody answers.
const TRUSTED: Duration = Duration::from_secs(1);
/// How long it may take to say whether anything has changed.
const PATIENCE_TO_LISTEN: Duration = Duration::from_secs(1);
/// How long it may take to say who somebody is: a process with much to do is not away.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long it may take to write down who looks through whose eyes.
const PATIENCE_TO_WRITE: Duration = Duration::from_secs(10);

/// Who is who, as another process knows it.
pub struct RemoteIdentity {
    door: Door,
    clock: SharedClock,
    memory: Mutex<Memory>,
    changes: watch::Sender<u64>,
}

struct Memory {
    /// By the hash of the secret and how it is shown.
    known: HashMap<Vec<u8>, Known>,
    /// Apart, so that guessing pushes nobody out.
    nobody: HashSet<Vec<u8>>,
    /// By their key's or session's id.
    current: HashMap<String, Option<Arc<Principal>>>,
    /// The number of the last change that was heard of.
    number: i64,
    /// When it was last asked for, and told.
    heard: Option<Instant>,
}

#[derive(Clone)]
struct Known {
    who: Arc<Principal>,
    expires: Option<Timestamp>,
    /// From then on it is asked for again.
    fresh: Timestamp,
    networks: Arc<[IpNet]>,
}

impl Known {
    fn is_good(&self, now: Timestamp, address: IpAddr) -> bool {
        self.expires.is_none_or(|at| now < at)
            && (self.networks.is_empty() || self.networks.iter().any(|net| net.contains(&address)))
    }

    fn read(known: &Value) -> Option<Known> {
        let networks = known["networks"].as_array()?.iter();
        let networks = networks.map(|net| net.as_str()?.parse().ok());
        Some(Known {
            who: Arc::new(read_principal(&known["who"])?),
            expires: match &known["expires"] {
                Value::Null => None,
                at => Some(Timestamp::from_micros(at.as_i64()?)),
            },
            fresh: Timestamp::from_micros(known["fresh"].as_i64()?),
            networks: networks.collect::<Option<_>>()?,
        })
    }
}

impl RemoteIdentity {
    /// Knows nobody yet; [`RemoteIdentity::listen_on`] has to run beside it.
    pub fn new(place: Place) -> Result<Arc<RemoteIdentity>> {
        let clock = place.clock.clone();
        let memory = Memory {
            known: HashMap::new(),
            nobody: HashSet::new(),
            current: HashMap::new(),
            number: -1,
            heard: None,
        };
        let (door, memory) = (Door::new(place)?, Mutex::new(memory));
        Ok(Arc::new(RemoteIdentity { door, clock, memory, changes: watch::Sender::new(0) }))
    }

    /// Asks whether anything has changed since it was last asked; then all is forgotten.
    pub async fn listen(&self) -> Result<()> {
        let asked = Instant::now();
        let path = (Method::GET, "/internal/v1/changes");
        let answer = self.door.ask(path, None, PATIENCE_TO_LISTEN).await?;
        self.heard(number(&answer)?);
        self.memory().heard = Some(asked);
        Ok(())
    }

    /// Listens four times a second, until it is dropped.
    pub async fn listen_on(&self) {
        let mut every = tokio::time::interval(LISTEN);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut well = true;
        loop {
            every.tick().await;
            let heard = self.listen().await;
            if let (Err(error), true) = (&heard, well) {
                // Once: what is remembered is soon trusted no more, and requests say so.
                let cause = error.cause.as_deref().unwrap_or_default();
                tracing::warn!(%error, cause, "changes of rights cannot be heard");
            }
            well = heard.is_ok();
        }
    }

    /// Hears of a change by the way.
    pub fn heard(&self, number: i64) {
        let mut memory = self.memory();
        if number > memory.number {
            memory.number = number;
            memory.known.clear();
            memory.nobody.clear();
            memory.current.clear();
            drop(memory);
            self.changes.send_modify(|changes| *changes += 1);
        }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is remembered of a secret, for as long as that can be trusted.
    fn remembered(&self, hash: &[u8]) -> Option<Option<Known>> {
        let memory = self.memory();
        if memory.heard.is_none_or(|heard| heard.elapsed() > TRUSTED) {
            return None;
        }
        match memory.known.get(hash) {
            Some(known) if known.fresh <= self.clock.now() => None,
            Some(known) => Some(Some(known.clone())),
            None => memory.nobody.contains(hash).then_some(None),
        }
    }

    /// Asks, and hears the number with the answer.
    async fn ask(&self, path: &str, mut body: Value, patience: Duration) -> Result<(Value, i64)> {
        body["number"] = self.memory().number.into();
        let answer = self.door.ask((Method::POST, path), Some(body), patience).await?;
        let number = number(&answer)?;
        self.heard(number);
        Ok((answer, number))
    }

    async fn look_up(&self, hash: Vec<u8>, shown: Shown<'_>) -> Result<Option<Known>> {
        let Shown { secret, cookie, address } = shown;
        let body = json!({"secret": secret, "cookie": cookie, "address": address.to_string()});
        let (answer, number) = self.ask("/internal/v1/identify", body, PATIENCE).await?;
        let known = match &answer["known"] {
            Value::Null => None,
            known => Some(Known::read(known).ok_or_else(unreadable)?),
        };
        let mut memory = self.memory();
        if memory.number == number {
            memory.remember(hash, known.clone());
        }
        Ok(known)
    }
}

impl Memory {
    fn remember(&mut self, hash: Vec<u8>, known: Option<Known>) {
        match known {
            Some(known) => {
                if self.known.len() >= MOST {
                    self.known.clear();
                }
                self.known.insert(hash, known);
            }
            None => {
                if self.nobody.len() >= MOST {
                    self.nobody.clear();
                }
                self.nobody.insert(hash);
            }
        }
    }
}

fn number(answer: &Value) -> Result<i64> {
    answer["number"].as_i64().ok_or_else(unreadable)
}

fn unreadable() -> Error {
    away().cause("what it says is not understood")
}

#[async_trait]
impl Identity for RemoteIdentity {
    async fn identify(&self, shown: Shown<'_>) -> Result<Option<Arc<Principal>>> {
        let mut hash = digest::Context::new(&digest::SHA256);
        hash.update(if shown.cookie { b"cookie" } else { b"secret" });
        hash.update(shown.secret.as_bytes());
        let hash = hash.finish().as_ref().to_vec();
        let known = match self.remembered(&hash) {
            Some(known) => known,
            None => self.look_up(hash, shown).await?,
        };
        let now = self.clock.now();
        Ok(known.filter(|known| known.is_good(now, shown.address)).map(|known| known.who))
    }

    async fn current(&self, principal: &Principal) -> Result<Option<Arc<Principal>>> {
        // Two people's rights are looked at where one sees as another: nobody remembers that.
        let id = principal.session_id.as_deref().or(principal.key_id.as_deref());
        let id = id.filter(|_| principal.viewer.is_none());
        if let Some(known) = id.and_then(|id| self.memory().current.get(id).cloned()) {
            return Ok(known);
        }
        let body = json!({"who": write_principal(principal)});
        let (answer, number) = self.ask("/internal/v1/current", body, PATIENCE).await?;
        let who = match &answer["who"] {
            Value::Null => None,
            who => Some(Arc::new(read_principal(who).ok_or_else(unreadable)?)),
        };
        let mut memory = self.memory();
        if let Some(id) = id
            && memory.number == number
            && memory.current.len() < MOST
        {
            memory.current.insert(id.to_owned(), who.clone());
        }
        Ok(who)
    }

    async fn view_as(&self, who: &Arc<Principal>, seen: Seen<'_>) -> Result<Arc<Principal>> {
        let (method, path) = seen.request;
        let body = json!({
            "who": write_principal(who),
            "account": seen.account,
            "method": method,
            "path": path,
            "request_id": seen.request_id,
            "address": seen.address.to_string(),
        });
        let (answer, _) = self.ask("/internal/v1/view-as", body, PATIENCE_TO_WRITE).await?;
        read_principal(&answer["who"]).map(Arc::new).ok_or_else(unreadable)
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}
