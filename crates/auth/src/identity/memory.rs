//! What is remembered of who is who, until something changes.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use forebay_model::principal::Principal;
use forebay_model::time::Timestamp;
use ipnet::IpNet;

use super::Used;

/// Principals, and keys that are nobody's, that are remembered; beyond it all are looked up anew.
pub(super) const MOST: usize = 10_000;

/// What is remembered.
pub(super) struct Memory {
    /// By the hash of their key.
    pub(super) known: HashMap<Vec<u8>, Known>,
    /// Hashes of keys that are nobody's: apart, so that guessing pushes nobody out.
    pub(super) nobody: HashSet<Vec<u8>>,
    /// By their key's or session's id: what goes on asking, when something has changed.
    pub(super) current: HashMap<String, Option<Arc<Principal>>>,
    /// What was used, and when, since it was last written down.
    pub(super) used: HashMap<Used, Timestamp>,
    /// The number of the last change that was heard of.
    pub(super) number: i64,
    /// When the database last said so.
    pub(super) heard: Instant,
}

/// Whose a secret is, and until when and where from.
#[derive(Clone)]
pub(crate) struct Known {
    pub(crate) principal: Arc<Principal>,
    pub(crate) expires_at: Option<Timestamp>,
    /// From then on it is looked up again.
    pub(crate) fresh_until: Option<Timestamp>,
    pub(crate) networks: Arc<[IpNet]>,
}

impl Known {
    pub(super) fn always(principal: Arc<Principal>) -> Known {
        Known { principal, expires_at: None, fresh_until: None, networks: Arc::new([]) }
    }

    pub(crate) fn is_good(&self, now: Timestamp, address: IpAddr) -> bool {
        self.expires_at.is_none_or(|at| now < at)
            && (self.networks.is_empty() || self.networks.iter().any(|net| net.contains(&address)))
    }
}

impl Memory {
    pub(super) fn forget(&mut self) {
        self.known.clear();
        self.nobody.clear();
        self.current.clear();
    }

    pub(super) fn remember(&mut self, hash: Vec<u8>, known: Option<Known>) {
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
