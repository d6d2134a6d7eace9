//! The door at which everybody is asked who they are: remembered, and forgotten when anything
//! changes.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use forebay_contract::{Identity, Shown};
use forebay_db::{Db, DbError, Look};
use forebay_model::principal::Principal;
use forebay_model::time::{SharedClock, Timestamp};
use forebay_model::{Error, Result};
use ipnet::IpNet;
use tokio::sync::watch;

use crate::sql::{api_key, head};
use crate::{directory, key};

/// Principals that are remembered; beyond it all are looked up anew.
const MOST: usize = 10_000;
/// How long what is remembered is trusted while the database does not answer.
const TRUSTED: Duration = Duration::from_secs(1);

/// Who is who.
pub(crate) struct Directory {
    db: Db,
    clock: SharedClock,
    /// The hash of the administrator's first key, where there is one.
    admin: Vec<u8>,
    bootstrap: Arc<Principal>,
    memory: Mutex<Memory>,
    changes: watch::Sender<u64>,
}

struct Memory {
    /// By the hash of their key; `None` for keys that are nobody's.
    known: HashMap<Vec<u8>, Option<Known>>,
    /// Keys that were shown, and when, since it was last written down.
    used: HashMap<String, Timestamp>,
    /// The number of the last change that was heard of.
    number: i64,
    /// When the database last said so.
    heard: Instant,
}

#[derive(Clone)]
struct Known {
    principal: Arc<Principal>,
    expires_at: Option<Timestamp>,
    networks: Arc<[IpNet]>,
}

impl Known {
    fn is_good(&self, now: Timestamp, address: IpAddr) -> bool {
        self.expires_at.is_none_or(|at| now < at)
            && (self.networks.is_empty() || self.networks.iter().any(|net| net.contains(&address)))
    }
}

impl Directory {
    pub(crate) fn new(db: Db, clock: SharedClock, admin: Vec<u8>) -> Directory {
        let (known, used) = (HashMap::new(), HashMap::new());
        Directory {
            db,
            clock,
            admin,
            bootstrap: Arc::new(directory::bootstrap()),
            memory: Mutex::new(Memory { known, used, number: -1, heard: Instant::now() }),
            changes: watch::Sender::new(0),
        }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hears whether anything has changed since it last asked; then all is forgotten.
    pub(crate) async fn listen(&self) -> Result<(), DbError> {
        let asked = Instant::now();
        let mut conn = self.db.reader(Look::Point).await?;
        let number = head::number(&mut conn).await?;
        let mut memory = self.memory();
        memory.heard = asked;
        if std::mem::replace(&mut memory.number, number) != number {
            memory.known.clear();
            drop(memory);
            self.changes.send_modify(|number| *number += 1);
        }
        Ok(())
    }

    /// Takes the keys that were shown since it was last asked.
    pub(crate) fn take_used(&self) -> HashMap<String, Timestamp> {
        std::mem::take(&mut self.memory().used)
    }

    /// What is remembered of a key, for as long as that can be trusted.
    fn remembered(&self, hash: &[u8]) -> Option<Option<Known>> {
        let memory = self.memory();
        if memory.heard.elapsed() > TRUSTED {
            return None;
        }
        memory.known.get(hash).cloned()
    }

    async fn look_up(&self, hash: Vec<u8>) -> Result<Option<Known>, Error> {
        let mut conn = self.db.reader(Look::Point).await?;
        // Asked first: a change that comes in between makes what is read here forgotten again.
        let number = head::number(&mut conn).await?;
        let found = api_key::by_hash(&mut conn, &hash, self.clock.now()).await?;
        let known = match found {
            None => None,
            Some(key) => {
                let networks = key.networks.iter().filter_map(|net| net.parse().ok()).collect();
                directory::of_key(&mut conn, &key).await?.map(|principal| Known {
                    principal: Arc::new(principal),
                    expires_at: key.expires_at,
                    networks,
                })
            }
        };
        let mut memory = self.memory();
        if memory.number == number {
            if memory.known.len() >= MOST {
                memory.known.clear();
            }
            memory.known.insert(hash, known.clone());
        }
        Ok(known)
    }
}

#[async_trait]
impl Identity for Directory {
    async fn identify(&self, shown: Shown<'_>) -> Result<Option<Arc<Principal>>> {
        let hash = key::hash(shown.secret);
        if verify_slices_are_equal(&self.admin, &hash).is_ok() {
            return Ok(Some(self.bootstrap.clone()));
        }
        if !key::is_whole(shown.secret) {
            return Ok(None);
        }
        let known = match self.remembered(&hash) {
            Some(known) => known,
            None => self.look_up(hash).await?,
        };
        let now = self.clock.now();
        let Some(known) = known.filter(|known| known.is_good(now, shown.address)) else {
            return Ok(None);
        };
        if let Some(key) = &known.principal.key_id {
            let mut memory = self.memory();
            match memory.used.get_mut(key) {
                Some(at) => *at = now,
                None => drop(memory.used.insert(key.clone(), now)),
            }
        }
        Ok(Some(known.principal))
    }

    async fn current(&self, principal: &Principal) -> Result<Option<Arc<Principal>>> {
        let Some(id) = principal.key_id.as_deref().filter(|_| principal.id.starts_with("key:"))
        else {
            return Ok(None);
        };
        if principal.id == self.bootstrap.id {
            return Ok(Some(self.bootstrap.clone()));
        }
        let mut conn = self.db.reader(Look::Point).await?;
        let Some(key) = api_key::find(&mut conn, id).await? else { return Ok(None) };
        if key.expires_at.is_some_and(|at| at <= self.clock.now()) {
            return Ok(None);
        }
        Ok(directory::of_key(&mut conn, &key).await?.map(Arc::new))
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}
