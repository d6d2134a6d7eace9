//! What is counted, by key: a map that does not outgrow its bound, however many keys come.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher};
use std::sync::{Mutex, PoisonError};

use super::gcra::Quota;

/// So many parts, each under a lock of its own: a part that is cleared holds up its own keys alone.
const PARTS: usize = 64;

/// A key as it is kept: two hashes of it under secrets of this process, so that nobody can make keys
/// that meet, and what is counted is not a list of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key(u64, u64);

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0);
    }
}

/// Of a key that is a hash already.
#[derive(Default)]
struct Same(u64);

impl Hasher for Same {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

type Map = HashMap<Key, u64, BuildHasherDefault<Same>>;

/// For each key when all that it has taken is forgotten.
pub(crate) struct Table {
    parts: Box<[Mutex<Map>]>,
    most: usize,
    secrets: (RandomState, RandomState),
    dropped: metrics::Counter,
}

impl Table {
    /// A table of at most about `most` keys.
    pub(crate) fn new(most: usize) -> Table {
        Table {
            parts: (0..PARTS).map(|_| Mutex::default()).collect(),
            most: (most / PARTS).max(2),
            secrets: (RandomState::new(), RandomState::new()),
            dropped: metrics::counter!("forebay_limit_keys_dropped_total"),
        }
    }

    /// What stands for a key.
    pub(crate) fn key(&self, of: impl Hash) -> Key {
        Key(self.secrets.0.hash_one(&of), self.secrets.1.hash_one(&of))
    }

    /// Takes from a key; when its takings are forgotten, or how long to wait.
    pub(crate) fn take(&self, key: Key, quota: Quota, cost: u64, now: u64) -> Result<u64, u64> {
        let mut part = self.part(key).lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(until) = part.get_mut(&key) {
            *until = quota.take(*until, cost, now)?;
            return Ok(*until);
        }
        let until = quota.take(now, cost, now)?;
        self.make_room(&mut part, now);
        part.insert(key, until);
        Ok(until)
    }

    /// How long to wait until `cost` could be taken.
    pub(crate) fn wait(&self, key: Key, quota: Quota, cost: u64, now: u64) -> Result<u64, u64> {
        let part = self.part(key).lock().unwrap_or_else(PoisonError::into_inner);
        let until = part.get(&key).copied().unwrap_or(now);
        quota.take(until, cost, now).map(|_| until)
    }

    /// When the takings of a key are forgotten.
    pub(crate) fn until(&self, key: Key) -> u64 {
        let part = self.part(key).lock().unwrap_or_else(PoisonError::into_inner);
        part.get(&key).copied().unwrap_or(0)
    }

    /// Takes from a key what has been used already: when its takings are forgotten.
    pub(crate) fn charge(&self, key: Key, quota: Quota, cost: u64, now: u64) -> u64 {
        let until = quota.charge(self.until(key), cost, now);
        self.owe(key, until, now);
        until
    }

    /// Has a key's takings be forgotten no earlier than at a time.
    pub(crate) fn owe(&self, key: Key, until: u64, now: u64) {
        let mut part = self.part(key).lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = part.get_mut(&key) {
            *known = until.max(*known);
        } else if until > now {
            self.make_room(&mut part, now);
            part.insert(key, until);
        }
    }

    /// Gives back what was taken for a request that is refused by another limit.
    pub(crate) fn give_back(&self, key: Key, quota: Quota, cost: u64) {
        let mut part = self.part(key).lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(until) = part.get_mut(&key) {
            *until = quota.give_back(*until, cost);
        }
    }

    fn part(&self, key: Key) -> &Mutex<Map> {
        // The map goes by the other half.
        let at = usize::try_from(key.1 % PARTS as u64).unwrap_or_default();
        &self.parts[at]
    }

    /// A key that has nothing to forget is as good as one that never came. Beyond those the ones go
    /// that owe least: whoever is at a limit stays at it, however many others come.
    fn make_room(&self, part: &mut Map, now: u64) {
        if part.len() < self.most {
            return;
        }
        let mut times: Vec<u64> = part.values().copied().filter(|until| *until > now).collect();
        let mut end = now;
        if times.len() > self.most / 2 {
            let middle = times.len() / 2;
            let (_, median, _) = times.select_nth_unstable(middle);
            end = *median;
            let dropped = times.iter().filter(|until| **until <= end).count();
            self.dropped.increment(dropped as u64);
        }
        // A map that only loses entries keeps their places, and grows for want of free ones.
        let mut kept = Map::with_capacity_and_hasher(self.most, BuildHasherDefault::default());
        kept.extend(part.iter().filter(|(_, until)| **until > end));
        *part = kept;
    }

    /// How many keys there are, and the bytes that they take.
    #[cfg(test)]
    fn size(&self) -> (usize, usize) {
        let size = |part: &Mutex<Map>| {
            let part = part.lock().unwrap();
            // An entry, a byte of control, and the eighth that a map leaves free.
            (part.len(), part.capacity() * 8 / 7 * (size_of::<(Key, u64)>() + 1))
        };
        self.parts.iter().map(size).fold((0, 0), |(n, bytes), (m, more)| (n + m, bytes + more))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv6Addr;

    const SECOND: u64 = 1_000_000_000;

    fn flood(table: &Table, quota: Quota, addresses: u128) -> usize {
        let mut most = 0;
        for n in 0..addresses {
            let key = table.key(Ipv6Addr::from(n << 64));
            table.take(key, quota, 1, SECOND + u64::try_from(n).unwrap()).unwrap();
            if n % 50_000 == 0 {
                most = most.max(table.size().0);
            }
        }
        most
    }

    #[test]
    fn it_does_not_outgrow_its_bound_and_forgets_nobody_who_is_at_a_limit() {
        let table = Table::new(20_000);
        let quota = Quota::new(1, SECOND, 5).unwrap();
        let key = table.key("somebody");
        for _ in 0..5 {
            table.take(key, quota, 1, SECOND).unwrap();
        }
        assert!(table.take(key, quota, 1, SECOND).is_err());
        let most = flood(&table, quota, 500_000);
        let (keys, bytes) = table.size();
        assert!(most <= 20_000 && keys > 5_000, "{most} {keys}");
        assert!(bytes <= 20_000 * 60, "{bytes} bytes for {keys} keys");
        assert!(table.take(key, quota, 1, SECOND).is_err());
        // A second later one is free again, and one alone.
        assert!(table.take(key, quota, 1, 2 * SECOND).is_ok());
        assert!(table.take(key, quota, 1, 2 * SECOND).is_err());
    }

    #[test]
    fn what_has_nothing_to_forget_goes_first() {
        let table = Table::new(6_400);
        let slow = Quota::new(1, 1_000 * SECOND, 5).unwrap();
        let quick = Quota::new(1_000_000, SECOND, 1).unwrap();
        let keys: Vec<Key> = (0..1_000).map(|n| table.key(("slow", n))).collect();
        for key in &keys {
            table.take(*key, slow, 5, SECOND).unwrap();
        }
        for n in 0..100_000_u64 {
            table.take(table.key(("quick", n)), quick, 1, SECOND + n * 1_000).unwrap();
        }
        assert!(keys.iter().all(|key| table.take(*key, slow, 1, SECOND).is_err()));
    }

    #[test]
    #[ignore = "a measurement: ten million addresses at the bound that is the default"]
    fn ten_million_addresses() {
        let table = Table::new(1_000_000);
        let begun = std::time::Instant::now();
        flood(&table, Quota::new(1, 60 * SECOND, 5).unwrap(), 10_000_000);
        let nanos = begun.elapsed().as_nanos() / 10_000_000;
        let (keys, bytes) = table.size();
        println!("{keys} keys, {} MiB, {nanos} ns an address", bytes >> 20);
        assert!(keys <= 1_000_000 && bytes < 64 << 20, "{keys} {bytes}");
    }
}
