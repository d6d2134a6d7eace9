//! To which endpoint a request goes: the list of strategies.
//!
//! They see endpoints only as [`Among`], and chance only as a number: what they do can be said ahead.

mod hash;
mod least_request;
mod p2c;
mod round_robin;
mod weighted;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Every strategy, in the order of their names.
pub(crate) static KINDS: &[Kind] =
    &[hash::KIND, least_request::KIND, p2c::KIND, round_robin::KIND, weighted::KIND];

/// A strategy that can be chosen.
#[derive(Debug)]
pub(crate) struct Kind {
    /// As `balance` names it.
    pub(crate) name: &'static str,
    /// For so many endpoints.
    pub(crate) build: fn(usize) -> Box<dyn Balance>,
}

impl PartialEq for Kind {
    fn eq(&self, other: &Kind) -> bool {
        self.name == other.name
    }
}

impl Eq for Kind {}

/// A strategy at work.
pub(crate) trait Balance: Send + Sync {
    /// Picks an endpoint that may be used; none when there is none.
    fn pick(&self, among: &dyn Among, ask: Ask) -> Option<usize>;
}

/// The endpoints, numbered from 0, as they are just now.
pub(crate) trait Among {
    fn count(&self) -> usize;
    /// Whether it may be picked.
    fn usable(&self, at: usize) -> bool;
    /// How much of the work it takes, from 1.
    fn weight(&self, at: usize) -> u32;
    /// How many requests it is answering.
    fn in_flight(&self, at: usize) -> u32;
    /// In how many nanoseconds it would answer one request, by its latest answers.
    fn round_trip(&self, at: usize) -> f64;
    /// What it is recognised by, in every process.
    fn mark(&self, at: usize) -> u64;
}

/// What is known of the request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask {
    /// What requests have in common that belong together.
    pub(crate) key: Option<u64>,
    /// Any number.
    pub(crate) random: u64,
}

/// How many endpoints may be picked.
fn usable(among: &dyn Among) -> usize {
    (0..among.count()).filter(|at| among.usable(*at)).count()
}

/// The n-th of those that may be picked.
fn nth_usable(among: &dyn Among, n: usize) -> Option<usize> {
    (0..among.count()).filter(|at| among.usable(*at)).nth(n)
}

/// One or two different endpoints, by chance.
fn two(among: &dyn Among, random: u64) -> Option<(usize, Option<usize>)> {
    let count = usable(among) as u64;
    let place = |n: u64| nth_usable(among, usize::try_from(n).ok()?);
    match count {
        0 => None,
        1 => Some((place(0)?, None)),
        _ => {
            let first = (random & 0xffff_ffff) % count;
            let other = (first + 1 + (random >> 32) % (count - 1)) % count;
            Some((place(first)?, place(other)))
        }
    }
}

/// The better of one or two: the first where neither is.
fn better((first, other): (usize, Option<usize>), cost: impl Fn(usize) -> f64) -> usize {
    match other {
        Some(other) if cost(other) < cost(first) => other,
        _ => first,
    }
}

/// Spreads the bits of a number over all of it (the finish of splitmix64).
pub(crate) fn mix(n: u64) -> u64 {
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

/// What requests have in common, as a number: the same in every process, and of every release.
pub fn key(of: &[u8]) -> u64 {
    // FNV-1a.
    let hash = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    mix(of.iter().fold(0xcbf2_9ce4_8422_2325, hash))
}

/// Numbers by chance (splitmix64); not for secrets.
#[derive(Debug)]
pub(crate) struct Dice(AtomicU64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Dice {
        Dice(AtomicU64::new(seed))
    }

    pub(crate) fn roll(&self) -> u64 {
        mix(self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Relaxed))
    }
}

#[cfg(test)]
mod tests;
