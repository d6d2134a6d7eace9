//! `Identity` of another process: asked once, remembered until something changes, and trusted for as
//! long as changes can be heard.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use aws_lc_rs::digest;
use forebay_contract::{Identity, Known, Memory, Seen, Shown};
use forebay_http::internal::{read_principal, write_principal};
use forebay_model::principal::Principal;
use forebay_model::time::{SharedClock, Timestamp};
use forebay_model::{Error, Result};
use http::Method;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::door::{Door, Place, away};

/// How often it is asked whether anything has changed.
const LISTEN: Duration = Duration::from_millis(250);
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

impl RemoteIdentity {
    /// Knows nobody yet; [`RemoteIdentity::listen_on`] has to run beside it.
    pub fn new(place: Place) -> Result<Arc<RemoteIdentity>> {
        let clock = place.clock.clone();
        let (door, memory) = (Door::new(place)?, Mutex::default());
        Ok(Arc::new(RemoteIdentity { door, clock, memory, changes: watch::Sender::new(0) }))
    }

    /// Asks whether anything has changed since it was last asked; then all is forgotten.
    pub async fn listen(&self) -> Result<()> {
        let asked = Instant::now();
        let path = (Method::GET, "/internal/v1/changes");
        let answer = self.door.ask(path, None, PATIENCE_TO_LISTEN).await?;
        self.heard(number(&answer)?);
        self.memory().heard(asked);
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
        if number > memory.number() && memory.change(number) {
            drop(memory);
            self.changes.send_modify(|changes| *changes += 1);
        }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks, and hears the number with the answer.
    async fn ask(&self, path: &str, mut body: Value, patience: Duration) -> Result<(Value, i64)> {
        body["number"] = self.memory().number().into();
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
            known => Some(read_known(known).ok_or_else(unreadable)?),
        };
        self.memory().remember(number, hash, known.clone());
        Ok(known)
    }
}

/// Reads what is known of a secret.
fn read_known(known: &Value) -> Option<Known> {
    let networks = known["networks"].as_array()?.iter();
    let networks = networks.map(|net| net.as_str()?.parse().ok());
    Some(Known {
        principal: Arc::new(read_principal(&known["who"])?),
        expires_at: match &known["expires"] {
            Value::Null => None,
            at => Some(Timestamp::from_micros(at.as_i64()?)),
        },
        fresh_until: Some(Timestamp::from_micros(known["fresh"].as_i64()?)),
        networks: networks.collect::<Option<_>>()?,
    })
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
        let remembered = self.memory().recall(&hash, self.clock.now());
        let known = match remembered {
            Some(known) => known,
            None => self.look_up(hash, shown).await?,
        };
        let now = self.clock.now();
        Ok(known.filter(|known| known.is_good(now, shown.address)).map(|known| known.principal))
    }

    async fn current(&self, principal: &Principal) -> Result<Option<Arc<Principal>>> {
        // Two people's rights are looked at where one sees as another: nobody remembers that.
        let id = principal.session_id.as_deref().or(principal.key_id.as_deref());
        let id = id.filter(|_| principal.viewer.is_none());
        if let Some(known) = id.and_then(|id| self.memory().current(id)) {
            return Ok(known);
        }
        let body = json!({"who": write_principal(principal)});
        let (answer, number) = self.ask("/internal/v1/current", body, PATIENCE).await?;
        let who = match &answer["who"] {
            Value::Null => None,
            who => Some(Arc::new(read_principal(who).ok_or_else(unreadable)?)),
        };
        if let Some(id) = id {
            self.memory().remember_current(number, id, &who);
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
