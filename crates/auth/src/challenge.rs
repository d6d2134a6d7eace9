//! Texts that stand for half a sign-in: a password was right and a second factor is due, somebody may
//! choose a password anew, or an address is shown to be theirs. Each says who, and until when; it is stored
//! nowhere, and hangs on the password's hash: another password ends it.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use forebay_model::time::Timestamp;

const SECOND: i64 = 1_000_000;
/// A password was right; a person has so long for finding the phone.
pub(crate) const FACTOR: Kind = Kind { prefix: "fbm_", good: 300 * SECOND };
/// Whoever has it chooses a password, once.
pub(crate) const RESET: Kind = Kind { prefix: "fbp_", good: 3600 * SECOND };
/// Whoever has it has the address of a new account.
pub(crate) const VERIFY: Kind = Kind { prefix: "fbv_", good: 24 * 3600 * SECOND };

/// What a text is for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    prefix: &'static str,
    /// In microseconds.
    good: i64,
}

const TAG_BYTES: usize = 32;
const MAX_BYTES: usize = 400;

/// What such a text says; nothing of it counts before [`Challenge::holds`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Challenge {
    pub(crate) account: String,
    until: i64,
    tag: Vec<u8>,
}

impl Kind {
    /// Writes the text; each kind has a key of its own.
    pub(crate) fn write(
        self,
        key: &hmac::Key,
        account: &str,
        hash: &str,
        now: Timestamp,
    ) -> String {
        let until = now.micros() + self.good;
        let mut bytes = tag(key, account, hash, until).as_ref().to_vec();
        bytes.extend_from_slice(&until.to_be_bytes());
        bytes.extend_from_slice(account.as_bytes());
        format!("{}{}", self.prefix, BASE64.encode(bytes))
    }

    /// Reads a text.
    pub(crate) fn read(self, text: &str) -> Option<Challenge> {
        let body = text.strip_prefix(self.prefix).filter(|body| body.len() <= MAX_BYTES)?;
        let bytes = BASE64.decode(body).ok()?;
        let (tag, rest) = bytes.split_at_checked(TAG_BYTES)?;
        let (until, account) = rest.split_at_checked(8)?;
        Some(Challenge {
            account: String::from_utf8(account.to_vec()).ok()?,
            until: i64::from_be_bytes(until.try_into().ok()?),
            tag: tag.to_vec(),
        })
    }
}

impl Challenge {
    /// Whether it was written here, for the password that the account has, and is in time.
    pub(crate) fn holds(&self, key: &hmac::Key, hash: &str, now: Timestamp) -> bool {
        let said = said(&self.account, hash, self.until);
        now.micros() < self.until && hmac::verify(key, &said, &self.tag).is_ok()
    }
}

fn tag(key: &hmac::Key, account: &str, hash: &str, until: i64) -> hmac::Tag {
    hmac::sign(key, &said(account, hash, until))
}

fn said(account: &str, hash: &str, until: i64) -> Vec<u8> {
    [&until.to_be_bytes(), account.as_bytes(), &[0], hash.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_for_its_account_password_and_time() {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &[1; 32]);
        let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
        let text = FACTOR.write(&key, "a", "hash", at(0));
        let read = FACTOR.read(&text).unwrap();
        assert_eq!(read.account, "a");
        assert!(read.holds(&key, "hash", at(299)));
        assert!(!read.holds(&key, "hash", at(300)));
        assert!(!read.holds(&key, "other", at(0)));
        assert!(!read.holds(&hmac::Key::new(hmac::HMAC_SHA256, &[2; 32]), "hash", at(0)));
        for at_byte in FACTOR.prefix.len()..text.len() {
            let mut torn = text.clone().into_bytes();
            torn[at_byte] = if torn[at_byte] == b'B' { b'C' } else { b'B' };
            let torn = FACTOR.read(std::str::from_utf8(&torn).unwrap());
            assert!(torn.is_none_or(|read| !read.holds(&key, "hash", at(0))), "{at_byte}");
        }
        for odd in ["", "fbm_", "fbm_AAAA", "x", &format!("fbm_{}", "A".repeat(1000))] {
            assert!(FACTOR.read(odd).is_none(), "{odd}");
        }
        assert!(RESET.read(&text).is_none());
        let link = RESET.write(&key, "a", "hash", at(0));
        assert!(FACTOR.read(&link).is_none());
        let read = RESET.read(&link).unwrap();
        assert!(read.holds(&key, "hash", at(3599)) && !read.holds(&key, "hash", at(3600)));
    }
}
