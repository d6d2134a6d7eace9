//! What is remembered of who is who, until something changes: by `auth` of its database, and by other
//! processes of what `auth` says.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use forebay_model::principal::Principal;
use forebay_model::time::Timestamp;
use ipnet::IpNet;

/// Principals, and secrets that are nobody's, that are remembered; beyond it all are looked up anew.
const MOST: usize = 10_000;
/// How long what is remembered is trusted while changes cannot be heard.
const TRUSTED: Duration = Duration::from_secs(1);

/// Whose a secret is, and until when and where from.
#[derive(Debug, Clone)]
pub struct Known {
    /// Whose.
    pub principal: Arc<Principal>,
    /// From then on it is nobody's.
    pub expires_at: Option<Timestamp>,
    /// From then on it is looked up again.
    pub fresh_until: Option<Timestamp>,
    /// Where it may come from; from anywhere when there is none.
    pub networks: Arc<[IpNet]>,
}

impl Known {
    /// Whether it opens anything now, from there.
    pub fn is_good(&self, now: Timestamp, address: IpAddr) -> bool {
        self.expires_at.is_none_or(|at| now < at)
            && (self.networks.is_empty() || self.networks.iter().any(|net| net.contains(&address)))
    }
}

/// What is remembered, as of one change. What is looked up meanwhile is remembered only when no other
/// change has been heard of since it was asked for.
#[derive(Debug)]
pub struct Memory {
    /// By the hash of their secret.
    known: HashMap<Vec<u8>, Known>,
    /// Apart, so that guessing pushes nobody out.
    nobody: HashSet<Vec<u8>>,
    /// By their key's or session's id: what goes on asking, when something has changed.
    current: HashMap<String, Option<Arc<Principal>>>,
    /// The number of the last change that was heard of.
    number: i64,
    /// When it was last asked for, and told.
    heard: Option<Instant>,
}

impl Default for Memory {
    fn default() -> Memory {
        let (known, nobody, current) = (HashMap::new(), HashSet::new(), HashMap::new());
        Memory { known, nobody, current, number: -1, heard: None }
    }
}

impl Memory {
    /// The number of the last change that was heard of; -1 before the first.
    pub fn number(&self) -> i64 {
        self.number
    }

    /// What is remembered is what holds as of then.
    pub fn heard(&mut self, asked: Instant) {
        self.heard = Some(asked);
    }

    /// Takes the number of the last change; whether it is another one, and all was forgotten.
    pub fn change(&mut self, number: i64) -> bool {
        let changed = std::mem::replace(&mut self.number, number) != number;
        if changed {
            self.known.clear();
            self.nobody.clear();
            self.current.clear();
        }
        changed
    }

    /// What is remembered of a secret, for as long as that can be trusted; `Some(None)` of nobody's.
    pub fn recall(&self, hash: &[u8], now: Timestamp) -> Option<Option<Known>> {
        if self.heard.is_none_or(|heard| heard.elapsed() > TRUSTED) {
            return None;
        }
        match self.known.get(hash) {
            Some(known) if known.fresh_until.is_some_and(|until| until <= now) => None,
            Some(known) => Some(Some(known.clone())),
            None => self.nobody.contains(hash).then_some(None),
        }
    }

    /// Remembers what was found as of a change.
    pub fn remember(&mut self, number: i64, hash: Vec<u8>, known: Option<Known>) {
        if self.number != number {
            return;
        }
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

    /// What is remembered of whoever goes on asking.
    pub fn current(&self, id: &str) -> Option<Option<Arc<Principal>>> {
        self.current.get(id).cloned()
    }

    /// Remembers who goes on asking, as of a change.
    pub fn remember_current(&mut self, number: i64, id: &str, who: &Option<Arc<Principal>>) {
        if self.number == number && self.current.len() < MOST {
            self.current.insert(id.to_owned(), who.clone());
        }
    }
}
