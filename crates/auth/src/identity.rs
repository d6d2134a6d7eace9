//! The door at which everybody is asked who they are: remembered, and forgotten when anything
//! changes.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use forebay_contract::{Identity, Shown};
use forebay_db::{Db, DbError, Look};
use forebay_model::Result;
use forebay_model::principal::Principal;
use forebay_model::time::{SharedClock, Timestamp};
use ipnet::IpNet;
use tokio::sync::watch;

use crate::sql::{api_key, head};
use crate::{directory, key};

/// Principals, and keys that are nobody's, that are remembered; beyond it all are looked up anew.
const MOST: usize = 10_000;
/// How long the database may take to say who somebody is.
const PATIENCE: Duration = Duration::from_secs(1);
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
    /// By the hash of their key.
    known: HashMap<Vec<u8>, Known>,
    /// Hashes of keys that are nobody's: apart, so that guessing pushes nobody out.
    nobody: HashSet<Vec<u8>>,
    /// By their key's id: what goes on asking, when something has changed.
    current: HashMap<String, Option<Arc<Principal>>>,
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
        let memory = Memory {
            known: HashMap::new(),
            nobody: HashSet::new(),
            current: HashMap::new(),
            used: HashMap::new(),
            number: -1,
            heard: Instant::now(),
        };
        Directory {
            db,
            clock,
            admin,
            bootstrap: Arc::new(directory::bootstrap()),
            memory: Mutex::new(memory),
            changes: watch::Sender::new(0),
        }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hears whether anything has changed since it last asked; then all is forgotten.
    pub(crate) async fn listen(&self) -> Result<(), DbError> {
        let asked = Instant::now();
        let number = within(async {
            let mut conn = self.db.reader(Look::Point).await?;
            head::number(&mut conn).await
        });
        let number = number.await?;
        let mut memory = self.memory();
        memory.heard = asked;
        if std::mem::replace(&mut memory.number, number) != number {
            memory.forget();
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
        match memory.known.get(hash) {
            Some(known) => Some(Some(known.clone())),
            None => memory.nobody.contains(hash).then_some(None),
        }
    }

    async fn look_up(&self, hash: Vec<u8>) -> Result<Option<Known>, DbError> {
        let mut conn = self.db.reader(Look::Point).await?;
        // Asked first: a change that comes in between makes what is read here forgotten again.
        let number = head::number(&mut conn).await?;
        let known = match api_key::by_hash(&mut conn, &hash).await? {
            None => None,
            Some(key) => {
                // Networks that cannot be read are nowhere.
                let networks = key.networks.iter().map(|net| net.parse().ok()).collect();
                let principal = directory::of_key(&mut conn, &key).await?;
                principal.zip(networks).map(|(principal, networks)| Known {
                    principal: Arc::new(principal),
                    expires_at: key.expires_at,
                    networks,
                })
            }
        };
        let mut memory = self.memory();
        if memory.number == number {
            memory.remember(hash, known.clone());
        }
        Ok(known)
    }

    async fn look_again(&self, id: &str) -> Result<Option<Arc<Principal>>, DbError> {
        let mut conn = self.db.reader(Look::Point).await?;
        let number = head::number(&mut conn).await?;
        let found = api_key::find(&mut conn, id).await?;
        let now = self.clock.now();
        let good = found.filter(|key| key.expires_at.is_none_or(|at| now < at));
        let principal = match good {
            Some(key) => directory::of_key(&mut conn, &key).await?.map(Arc::new),
            None => None,
        };
        let mut memory = self.memory();
        if memory.number == number && memory.current.len() < MOST {
            memory.current.insert(id.to_owned(), principal.clone());
        }
        Ok(principal)
    }
}

impl Memory {
    fn forget(&mut self) {
        self.known.clear();
        self.nobody.clear();
        self.current.clear();
    }

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

/// Waits no longer than somebody should who asks who they are.
async fn within<T>(asked: impl Future<Output = Result<T, DbError>>) -> Result<T, DbError> {
    let answer = tokio::time::timeout(PATIENCE, asked).await;
    answer.unwrap_or_else(|_| Err(DbError::Unavailable("it does not say who asks".to_owned())))
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
            None => within(self.look_up(hash)).await?,
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
        let remembered = self.memory().current.get(id).cloned();
        match remembered {
            Some(principal) => Ok(principal),
            None => Ok(within(self.look_again(id)).await?),
        }
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}
