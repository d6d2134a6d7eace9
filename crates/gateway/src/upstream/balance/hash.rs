//! Requests of a key to the same endpoint, as far as there can be one: rendezvous hashing, by weights.
//! When an endpoint goes, only its keys move, and they move to all the others; no ring has to be kept.

use super::{Among, Ask, Balance, Kind, mix};

pub(super) const KIND: Kind = Kind { name: "hash", build: |_| Box::new(Hash) };

struct Hash;

impl Balance for Hash {
    fn pick(&self, among: &dyn Among, ask: Ask) -> Option<usize> {
        // Without a key it is by chance.
        let key = ask.key.unwrap_or(ask.random);
        let usable = (0..among.count()).filter(|at| among.usable(*at));
        let scored = usable.map(|at| (at, score(key, among.mark(at), among.weight(at))));
        scored.max_by(|(_, one), (_, other)| one.total_cmp(other)).map(|(at, _)| at)
    }
}

/// An endpoint's claim to a key: the highest gets it.
fn score(key: u64, mark: u64, weight: u32) -> f64 {
    let drawn = mix(key ^ mix(mark)) >> 11;
    // From just above 0 to 1: 53 bits are what a double has.
    #[allow(clippy::cast_precision_loss)]
    let part = (drawn as f64 + 1.0) / (1_u64 << 53) as f64;
    f64::from(weight) / -part.ln()
}
