//! The keys that tokens are signed with: one signs, the next is published before it does, the ones
//! before are published until no token of theirs is good.

use std::sync::{Arc, PoisonError, RwLock};

use forebay_model::time::Timestamp;
use forebay_model::{Error, Result};
use serde_json::{Value, json};

use super::jws::{SigningKey, VerifyingKey};

const DAY: i64 = 24 * 3600 * 1_000_000;
/// How long a key signs.
const SIGNS: i64 = 30 * DAY;
/// How long a key is known to all before it signs: whoever keeps our keys asks again in that time.
const AHEAD: i64 = 7 * DAY;
/// How long a key is known after it has signed its last: longer than any token is good.
const AFTER: i64 = DAY;

/// When a key is what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Times {
    pub(crate) active_at: Timestamp,
    pub(crate) retiring_at: Timestamp,
    pub(crate) gone_at: Timestamp,
}

/// What is to be done about keys.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Keys to be made.
    pub(crate) make: Vec<Times>,
    /// Keys that are gone are struck out: it is time.
    pub(crate) strike: bool,
}

/// Looks at what there is: somebody signs always, and the next is known ahead.
pub(crate) fn plan(keys: &[Times], now: Timestamp) -> Plan {
    let later = |at: Timestamp, micros: i64| Timestamp::from_micros(at.micros() + micros);
    let times = |from: Timestamp| Times {
        active_at: from,
        retiring_at: later(from, SIGNS),
        gone_at: later(from, SIGNS + AFTER),
    };
    let mut make = Vec::new();
    let mut until = keys.iter().map(|key| key.retiring_at).max();
    if until.is_none_or(|until| until <= now) {
        make.push(times(now));
        until = Some(later(now, SIGNS));
    }
    if let Some(until) = until.filter(|until| *until <= later(now, AHEAD)) {
        make.push(times(until));
    }
    Plan { make, strike: keys.iter().any(|key| key.gone_at <= now) }
}

/// A key with its times.
pub(crate) struct Key {
    pub(crate) signing: Arc<SigningKey>,
    pub(crate) times: Times,
}

/// The keys as this process knows them. A name is looked up here and nowhere else.
#[derive(Default)]
pub(crate) struct Keyring(RwLock<Vec<Key>>);

impl Keyring {
    /// Takes what the database holds.
    pub(crate) fn replace(&self, keys: Vec<Key>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    /// The key that signs now.
    pub(crate) fn signing(&self, now: Timestamp) -> Result<Arc<SigningKey>> {
        let keys = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let begun = keys.iter().filter(|key| key.times.active_at <= now);
        // The newest that has begun: also past its time, where no next one could be made.
        let newest = begun.max_by_key(|key| key.times.active_at);
        newest.map(|key| key.signing.clone()).ok_or_else(|| Error::internal("no key signs"))
    }

    /// The key of a name, while it is known.
    pub(crate) fn verifying(&self, kid: &str) -> Option<VerifyingKey> {
        let keys = self.0.read().unwrap_or_else(PoisonError::into_inner);
        keys.iter().find(|key| key.signing.kid() == kid).map(|key| key.signing.verifying())
    }

    /// As they are published (RFC 7517): the next, the one that signs, and those before.
    pub(crate) fn published(&self) -> Value {
        let keys = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let keys: Vec<Value> = keys.iter().map(|key| key.signing.verifying().jwk()).collect();
        json!({"keys": keys})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(days: i64) -> Timestamp {
        Timestamp::from_micros(days * DAY)
    }

    #[test]
    fn somebody_signs_always_and_the_next_is_known_ahead() {
        let mut keys: Vec<Times> = Vec::new();
        for day in 0..400 {
            let now = at(day);
            let plan = plan(&keys, now);
            if plan.strike {
                keys.retain(|key| key.gone_at > now);
            }
            keys.extend(plan.make);
            let signs = keys.iter().filter(|k| k.active_at <= now && now < k.retiring_at).count();
            assert_eq!(signs, 1, "day {day}");
            assert!(keys.len() <= 3, "day {day}");
            // Whoever signs soon is known for some days by then.
            let soon = at(day + 6);
            assert!(keys.iter().any(|k| k.active_at <= soon && soon < k.retiring_at), "day {day}");
        }
        // Off for a year: it goes on at once, and what was there is struck out.
        let back = plan(&keys, at(800));
        assert_eq!(back.make.len(), 1);
        assert_eq!((back.make[0].active_at, back.strike), (at(800), true));
    }

    #[test]
    fn a_token_outlives_the_turn_of_keys() {
        let times = |from| Times {
            active_at: at(from),
            retiring_at: at(from + 30),
            gone_at: at(from + 31),
        };
        let key =
            |from| Key { signing: Arc::new(SigningKey::generate().unwrap().0), times: times(from) };
        let ring = Keyring::default();
        assert!(ring.signing(at(0)).is_err());
        ring.replace(vec![key(0), key(30)]);
        let first = ring.signing(at(29)).unwrap();
        let second = ring.signing(at(30)).unwrap();
        assert_ne!(first.kid(), second.kid());
        assert_eq!(ring.published()["keys"].as_array().unwrap().len(), 2);
        for key in [&first, &second] {
            assert!(ring.verifying(key.kid()).is_some());
        }
        assert!(ring.verifying("else").is_none());
        assert!(ring.published().to_string().find("\"d\"").is_none());
    }
}
