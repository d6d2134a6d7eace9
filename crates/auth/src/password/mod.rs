//! Passwords: which are good enough, and how they are kept.
//!
//! The hash is `bcrypt(base64(HMAC-SHA-384(pepper, password)))`: bcrypt reads 72 bytes and stops at
//! a NUL, the 64 characters of base64 are neither cut nor stopped. Or argon2id over the same text.

pub(crate) mod pool;
pub(crate) mod rules;

use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use forebay_model::{Error, Result};
use unicode_normalization::UnicodeNormalization as _;

use forebay_db::seal::Master;

/// The pepper that new hashes are made with.
const PEPPER: u32 = 1;
const SALT_BYTES: usize = 16;
const HASH_BYTES: usize = 32;

/// How a password is hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Two to this power rounds.
    Bcrypt(u32),
    /// 19 MiB, two passes, one lane.
    Argon2id,
}

impl Scheme {
    /// The least cost that is taken. Programs that are built for tests take less, so that tests are
    /// quick; no setting lowers it in what is shipped.
    pub const MIN_COST: u32 = if cfg!(debug_assertions) { 4 } else { 10 };
    /// The most: beyond it a login takes seconds.
    pub const MAX_COST: u32 = 16;

    /// As it stands beside a hash.
    pub(crate) fn name(self) -> String {
        match self {
            Scheme::Bcrypt(cost) => format!("bcrypt-{cost}"),
            Scheme::Argon2id => "argon2id".to_owned(),
        }
    }

    /// A hash of nothing, which costs as much as one of something to compare with.
    pub(crate) fn dummy(self) -> String {
        match self {
            Scheme::Bcrypt(cost) => format!("{PEPPER}$2b${cost:02}${}", ".".repeat(53)),
            Scheme::Argon2id => {
                let (salt, hash) = ("A".repeat(22), "A".repeat(43));
                format!("{PEPPER}$argon2id$v=19$m=19456,t=2,p=1${salt}${hash}")
            }
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Scheme> {
        match name.strip_prefix("bcrypt-") {
            Some(cost) => cost.parse().ok().map(Scheme::Bcrypt),
            None => (name == "argon2id").then_some(Scheme::Argon2id),
        }
    }

    /// Which of two takes longer; argon2id's settings take about as long as bcrypt's 2^9 rounds.
    pub(crate) fn rank(self) -> u32 {
        match self {
            Scheme::Bcrypt(cost) => cost * 2,
            Scheme::Argon2id => 19,
        }
    }
}

/// A password in one spelling (NFC): never shown, never logged.
pub(crate) struct Password(String);

impl Password {
    /// The longest, in bytes.
    pub(crate) const MAX_BYTES: usize = 1024;

    pub(crate) fn new(text: &str) -> Option<Password> {
        let text: String = (text.len() <= Self::MAX_BYTES).then(|| text.nfc().collect())?;
        (text.len() <= Self::MAX_BYTES).then_some(Password(text))
    }

    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

/// Hashes and compares. Its calls take long: they run on [`pool::Pool`].
pub(crate) struct Hasher {
    scheme: Scheme,
    pepper: hmac::Key,
}

impl Hasher {
    pub(crate) fn new(master: &Master, scheme: Scheme) -> Hasher {
        let pepper: [u8; 48] = master.derive(&format!("pepper {PEPPER}"));
        Hasher { scheme, pepper: hmac::Key::new(hmac::HMAC_SHA384, &pepper) }
    }

    pub(crate) fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Whether a hash is not as new ones are.
    pub(crate) fn is_old(&self, stored: &str) -> bool {
        scheme_of(stored) != Some(self.scheme)
    }

    pub(crate) fn hash(&self, password: &Password) -> Result<String> {
        self.hash_as(self.scheme, password)
    }

    /// Hashes as a scheme says: `<pepper>$<hash as its kind writes it>`.
    pub(crate) fn hash_as(&self, scheme: Scheme, password: &Password) -> Result<String> {
        let peppered = self.peppered(password);
        let mut salt = [0; SALT_BYTES];
        getrandom::fill(&mut salt).map_err(Error::internal)?;
        let hash = match scheme {
            Scheme::Bcrypt(cost) => bcrypt::hash_with_salt(&peppered, cost, salt)
                .map_err(Error::internal)?
                .format_for_version(bcrypt::Version::TwoB),
            Scheme::Argon2id => {
                let salt_text = STANDARD_NO_PAD.encode(salt);
                let hash = STANDARD_NO_PAD.encode(argon2id(&peppered, &salt)?);
                format!("$argon2id$v=19$m=19456,t=2,p=1${salt_text}${hash}")
            }
        };
        count(scheme);
        Ok(format!("{PEPPER}{hash}"))
    }

    /// Whether this is the password of a hash.
    pub(crate) fn matches(&self, password: &Password, stored: &str) -> Result<bool> {
        let unreadable = || Error::internal("a password's hash cannot be read");
        let scheme = scheme_of(stored).ok_or_else(unreadable)?;
        let (_, hash) = split(stored).ok_or_else(unreadable)?;
        let peppered = self.peppered(password);
        count(scheme);
        match scheme {
            Scheme::Bcrypt(_) => bcrypt::verify(&peppered, hash).map_err(Error::internal),
            Scheme::Argon2id => {
                let mut parts = hash.rsplit('$').map(|part| STANDARD_NO_PAD.decode(part));
                let kept = parts.next().and_then(Result::ok).ok_or_else(unreadable)?;
                let salt = parts.next().and_then(Result::ok).ok_or_else(unreadable)?;
                Ok(verify_slices_are_equal(&kept, &argon2id(&peppered, &salt)?).is_ok())
            }
        }
    }

    fn peppered(&self, password: &Password) -> String {
        STANDARD.encode(hmac::sign(&self.pepper, password.0.as_bytes()))
    }
}

fn argon2id(peppered: &str, salt: &[u8]) -> Result<[u8; HASH_BYTES]> {
    let params = Params::new(19 * 1024, 2, 1, Some(HASH_BYTES)).map_err(Error::internal)?;
    let mut hash = [0; HASH_BYTES];
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let done = argon2.hash_password_into(peppered.as_bytes(), salt, &mut hash);
    done.map_err(Error::internal)?;
    Ok(hash)
}

/// Takes a stored text apart: the pepper's version, and the hash from its `$` on.
fn split(stored: &str) -> Option<(u32, &str)> {
    let (pepper, hash) = stored.split_at_checked(stored.find('$')?)?;
    let pepper = pepper.parse().ok().filter(|version| *version == PEPPER)?;
    Some((pepper, hash))
}

fn scheme_of(stored: &str) -> Option<Scheme> {
    let (_, hash) = split(stored)?;
    if hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$") {
        return Some(Scheme::Argon2id);
    }
    let cost = hash.strip_prefix("$2b$")?.split('$').next()?;
    cost.parse().ok().map(Scheme::Bcrypt)
}

/// How often something dear was done: whoever is unknown must cost as much as whoever is not.
fn count(scheme: Scheme) {
    metrics::counter!("forebay_password_hashes_total", "scheme" => scheme.name()).increment(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Password {
        Password::new(text).unwrap()
    }

    #[test]
    fn every_byte_of_a_password_counts() {
        for scheme in [Scheme::Bcrypt(4), Scheme::Argon2id] {
            let hasher = Hasher::new(&Master::new(&[1; 32]), scheme);
            let long = "a".repeat(72);
            let texts =
                [&long, &format!("{long}b"), &format!("{long}c"), "", "a\0b", "a\0c", "a", "🐎🔋"];
            let hashes = texts.map(|text| hasher.hash(&password(text)).unwrap());
            for (at, text) in texts.iter().enumerate() {
                for (other, hash) in hashes.iter().enumerate() {
                    let same = hasher.matches(&password(text), hash).unwrap();
                    assert_eq!(same, at == other, "{scheme:?} {text:?} {:?}", texts[other]);
                }
            }
        }
    }

    #[test]
    fn one_spelling_a_text_and_a_bound() {
        assert_eq!(password("Cafe\u{301}").text(), "Caf\u{e9}");
        assert!(Password::new(&"a".repeat(1024)).is_some());
        assert!(Password::new(&"a".repeat(1025)).is_none());
        // It grows by being normalised.
        assert!(Password::new(&"\u{1d160}".repeat(256)).is_none());
    }

    #[test]
    fn a_hash_says_how_it_was_made_and_hangs_on_the_pepper() {
        let master = Master::new(&[1; 32]);
        let old = Hasher::new(&master, Scheme::Bcrypt(4));
        let new = Hasher::new(&master, Scheme::Argon2id);
        let stored = old.hash(&password("p")).unwrap();
        assert!(stored.starts_with("1$2b$04$"), "{stored}");
        assert!(!old.is_old(&stored) && new.is_old(&stored));
        assert!(new.matches(&password("p"), &stored).unwrap());
        assert_ne!(old.hash(&password("p")).unwrap(), stored);
        let other = Hasher::new(&Master::new(&[2; 32]), Scheme::Bcrypt(4));
        assert!(!other.matches(&password("p"), &stored).unwrap());
        for unreadable in ["", "1", "$2b$04$", "2$2b$04$x", "1$2b$x", "1$argon2id$v=19$m=1$a$b"] {
            assert!(old.matches(&password("p"), unreadable).is_err(), "{unreadable}");
        }
        for scheme in [Scheme::Bcrypt(4), Scheme::Argon2id] {
            assert_eq!(Scheme::parse(&scheme.name()), Some(scheme));
            assert_eq!(scheme_of(&scheme.dummy()), Some(scheme));
            assert!(!old.matches(&password(""), &scheme.dummy()).unwrap());
        }
    }
}
