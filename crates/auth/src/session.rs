//! Sessions: the secrets that stand for one, and how long it lasts.
//!
//! A refresh token is `sid ‖ counter ‖ HMAC`, with a checksum behind it. The counter that a session
//! is at follows from the token that was shown, so that the same token gets the same successor.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use forebay_model::time::Timestamp;
use forebay_model::{Error, Result};

use crate::key::checksum;
use forebay_db::seal::Master;

const SECOND: i64 = 1_000_000;
/// How long a session lasts, whatever is done with it.
pub(crate) const ABSOLUTE: i64 = 30 * 24 * 3600 * SECOND;
/// How long a session lasts that nobody uses.
pub(crate) const IDLE: i64 = 24 * 3600 * SECOND;
/// How long the refresh token before the last is answered as the last was.
pub(crate) const GRACE: i64 = 10 * SECOND;
/// The most sessions of an account; the one that was used least lately makes room.
pub(crate) const MOST: usize = 100;

const ID_BYTES: usize = 16;
const COUNTER_BYTES: usize = 8;
const TAG_BYTES: usize = 32;
const REFRESH: &str = "fbr_";
const COOKIE: &str = "fbs_";
const CHECK: usize = 6;

/// A session, as the database holds it.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) account: String,
    pub(crate) counter: i64,
    pub(crate) rotated_at: Timestamp,
    pub(crate) second_factor: bool,
    pub(crate) created_at: Timestamp,
    pub(crate) proven_at: Timestamp,
    pub(crate) last_used_at: Timestamp,
    pub(crate) expires_at: Timestamp,
    pub(crate) device: String,
    pub(crate) address: String,
}

impl Session {
    /// Whether it lasts still.
    pub(crate) fn is_good(&self, now: Timestamp) -> bool {
        now < self.expires_at && now.micros() - self.last_used_at.micros() < IDLE
    }
}

/// What a refresh token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refresh {
    pub(crate) session: String,
    pub(crate) counter: i64,
}

/// Makes and reads the secrets of sessions. They are derived, so nothing of them is stored.
pub(crate) struct Secrets {
    refresh: hmac::Key,
    cookie: hmac::Key,
    challenge: hmac::Key,
    reset: hmac::Key,
    verify: hmac::Key,
}

impl Secrets {
    pub(crate) fn new(master: &Master) -> Secrets {
        let key = |purpose| {
            let key: [u8; 32] = master.derive(purpose);
            hmac::Key::new(hmac::HMAC_SHA256, &key)
        };
        Secrets {
            refresh: key("refresh token"),
            cookie: key("session cookie"),
            challenge: key("second factor challenge"),
            reset: key("password reset"),
            verify: key("address verification"),
        }
    }

    /// The refresh token of a session at a counter.
    pub(crate) fn refresh(&self, session: &str, counter: i64) -> Result<String> {
        let mut said = id_bytes(session).ok_or_else(|| Error::internal("a session's id"))?.to_vec();
        said.extend_from_slice(&counter.to_be_bytes());
        Ok(written(REFRESH, &self.refresh, said))
    }

    /// Reads a refresh token that was made here.
    pub(crate) fn read_refresh(&self, token: &str) -> Option<Refresh> {
        let said = said(REFRESH, &self.refresh, ID_BYTES + COUNTER_BYTES, token)?;
        let (id, counter) = said.split_at(ID_BYTES);
        let counter = i64::from_be_bytes(counter.try_into().ok()?);
        Some(Refresh { session: hex(id), counter })
    }

    /// The cookie's value for a session.
    pub(crate) fn cookie(&self, session: &str) -> Result<String> {
        let said = id_bytes(session).ok_or_else(|| Error::internal("a session's id"))?;
        Ok(written(COOKIE, &self.cookie, said.to_vec()))
    }

    /// Reads a cookie's value: which session it is.
    pub(crate) fn read_cookie(&self, value: &str) -> Option<String> {
        said(COOKIE, &self.cookie, ID_BYTES, value).map(|id| hex(&id))
    }

    /// What signs the time between a password and a second factor.
    pub(crate) fn challenge(&self) -> &hmac::Key {
        &self.challenge
    }

    /// What signs the links by which a password is chosen anew.
    pub(crate) fn reset(&self) -> &hmac::Key {
        &self.reset
    }

    /// What signs the links by which an address is shown to be somebody's.
    pub(crate) fn verify(&self) -> &hmac::Key {
        &self.verify
    }
}

/// A new session's id: random, so that none is ever met twice or known before.
pub(crate) fn new_id() -> Result<String> {
    let mut id = [0; ID_BYTES];
    getrandom::fill(&mut id).map_err(Error::internal)?;
    Ok(hex(&id))
}

fn written(prefix: &str, key: &hmac::Key, mut said: Vec<u8>) -> String {
    let tag = hmac::sign(key, &said);
    said.extend_from_slice(tag.as_ref());
    let mut text = format!("{prefix}{}", BASE64.encode(said));
    let check = checksum(&text);
    text.push_str(&check);
    text
}

fn said(prefix: &str, key: &hmac::Key, bytes: usize, text: &str) -> Option<Vec<u8>> {
    let (text, check) = text.split_at_checked(text.len().checked_sub(CHECK)?)?;
    let body = text.strip_prefix(prefix)?;
    if body.len() > 4 * (bytes + TAG_BYTES) || checksum(text) != check {
        return None;
    }
    let mut said = BASE64.decode(body).ok()?;
    let (_, tag) = said.split_at_checked(bytes)?;
    hmac::verify(key, &said[..bytes], tag).ok()?;
    said.truncate(bytes);
    Some(said)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn id_bytes(id: &str) -> Option<[u8; ID_BYTES]> {
    let plain = id.len() == 2 * ID_BYTES && id.bytes().all(|b| b.is_ascii_hexdigit());
    plain.then(|| u128::from_str_radix(id, 16).ok()).flatten().map(u128::to_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_read_back_and_never_guessed() {
        let secrets = Secrets::new(&Master::new(&[1; 32]));
        let id = new_id().unwrap();
        assert_ne!(id, new_id().unwrap());
        let refresh = secrets.refresh(&id, 7).unwrap();
        assert_eq!(refresh, secrets.refresh(&id, 7).unwrap());
        let read = secrets.read_refresh(&refresh).unwrap();
        assert_eq!(read, Refresh { session: id.clone(), counter: 7 });
        let cookie = secrets.cookie(&id).unwrap();
        assert_eq!(secrets.read_cookie(&cookie), Some(id));
        // Neither opens the other's door.
        assert_eq!(secrets.read_cookie(&refresh), None);
        assert_eq!(secrets.read_refresh(&cookie), None);
        assert_eq!(Secrets::new(&Master::new(&[2; 32])).read_refresh(&refresh), None);
        for at in 0..refresh.len() {
            let mut torn = refresh.clone().into_bytes();
            torn[at] = if torn[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(secrets.read_refresh(&String::from_utf8(torn).unwrap()), None, "{at}");
            assert_eq!(secrets.read_refresh(&refresh[..at]), None);
        }
        // A right checksum over a wrong tag.
        let (body, _) = refresh.split_at(refresh.len() - CHECK);
        let last = if body.ends_with('A') { "E" } else { "A" };
        let forged = format!("{}{last}", &body[..body.len() - 1]);
        let forged = format!("{forged}{}", checksum(&forged));
        assert_eq!(secrets.read_refresh(&forged), None);
        for odd in ["", "é", "fbr_", "fbr_éééééé", &"x".repeat(100_000)] {
            assert_eq!(secrets.read_refresh(odd), None);
        }
    }
}
