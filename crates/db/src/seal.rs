//! The master key: what it is made of, the keys that are derived from it (HKDF, RFC 5869), and
//! what is sealed with those (AES-256-GCM).

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use forebay_model::{Error, Result};

/// The first byte of what is sealed: how.
const VERSION: u8 = 1;
const MIN_BYTES: usize = 32;

/// The key that all other keys come from.
#[derive(Clone)]
pub struct Master(Prk);

struct Bytes(usize);

impl KeyType for Bytes {
    fn len(&self) -> usize {
        self.0
    }
}

impl Master {
    /// Takes the secret.
    pub fn new(secret: &[u8]) -> Master {
        Master(Salt::new(HKDF_SHA256, b"forebay master key").extract(secret))
    }

    /// Finds the key: the one that is given, else the one in the file. `known` says that the
    /// database has seen a key before; if not, one is made. The error is a message for people.
    pub fn find(given: Option<&str>, file: &Path, known: bool) -> Result<Master, String> {
        if let Some(given) = given {
            if given.len() < MIN_BYTES {
                return Err(format!("auth.master_key: at least {MIN_BYTES} bytes (MASTER_KEY)"));
            }
            return Ok(Master::new(given.as_bytes()));
        }
        let wrong = |what: String| format!("auth.master_key: {}: {what}", file.display());
        match std::fs::read(file) {
            Ok(secret) if secret.len() < MIN_BYTES => Err(wrong("is too short".to_owned())),
            Ok(secret) => Ok(Master::new(secret.trim_ascii_end())),
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(wrong(e.to_string())),
            Err(_) if known => Err(wrong(
                "is not there, and the database was used with a master key: set MASTER_KEY to the \
                 one that all processes of this deployment share, or bring the file back"
                    .to_owned(),
            )),
            Err(_) => make(file).map_err(|e| wrong(e.to_string())),
        }
    }

    /// A key for one purpose.
    pub fn derive<const N: usize>(&self, purpose: &str) -> [u8; N] {
        let mut key = [0; N];
        let info = [purpose.as_bytes()];
        let filled = self.0.expand(&info, Bytes(N)).and_then(|okm| okm.fill(&mut key));
        // HKDF gives up to 8 KiB; keys have at most 64 bytes.
        debug_assert!(filled.is_ok());
        key
    }

    /// Tells one master key from another, and nothing else about it.
    pub fn fingerprint(&self) -> [u8; 16] {
        self.derive("fingerprint")
    }

    /// Seals a secret for one purpose and one owner: moved elsewhere it cannot be opened.
    pub fn seal(&self, purpose: &str, owner: &str, plain: &[u8]) -> Result<Vec<u8>> {
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).map_err(Error::internal)?;
        let mut text = plain.to_vec();
        let aad = Aad::from(owner.as_bytes());
        self.key(purpose)?
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut text)
            .map_err(|_| Error::internal("cannot seal"))?;
        Ok([&[VERSION], &nonce[..], &text].concat())
    }

    /// Opens what was sealed.
    pub fn open(&self, purpose: &str, owner: &str, sealed: &[u8]) -> Result<Vec<u8>> {
        let broken = || Error::internal("a sealed secret cannot be opened");
        let (head, text) = sealed.split_at_checked(1 + NONCE_LEN).ok_or_else(broken)?;
        let (version, nonce) = (head[0], &head[1..]);
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| broken())?;
        let mut text = text.to_vec();
        let key = self.key(purpose)?;
        let plain = key.open_in_place(nonce, Aad::from(owner.as_bytes()), &mut text);
        let plain = plain.map_err(|_| broken())?;
        if version == VERSION { Ok(plain.to_vec()) } else { Err(broken()) }
    }

    fn key(&self, purpose: &str) -> Result<LessSafeKey> {
        let key: [u8; 32] = self.derive(&format!("seal {purpose}"));
        let key = UnboundKey::new(&AES_256_GCM, &key).map_err(Error::internal)?;
        Ok(LessSafeKey::new(key))
    }
}

/// Makes a key that only this user may read.
fn make(file: &Path) -> std::io::Result<Master> {
    let mut secret = [0; 48];
    getrandom::fill(&mut secret).map_err(std::io::Error::other)?;
    let text = STANDARD_NO_PAD.encode(secret);
    let mut new =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    new.write_all(text.as_bytes())?;
    new.write_all(b"\n")?;
    // What is sealed with it must not outlive it.
    new.sync_all()?;
    Ok(Master::new(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_is_sealed_opens_for_its_owner_and_purpose_alone() {
        let master = Master::new(&[7; 32]);
        let sealed = master.seal("totp", "a", b"seed").unwrap();
        assert_eq!(master.open("totp", "a", &sealed).unwrap(), b"seed");
        assert_ne!(sealed, master.seal("totp", "a", b"seed").unwrap());
        assert!(!sealed.windows(4).any(|bytes| bytes == b"seed"));
        assert!(master.open("totp", "b", &sealed).is_err());
        assert!(master.open("key", "a", &sealed).is_err());
        assert!(Master::new(&[8; 32]).open("totp", "a", &sealed).is_err());
        for at in 0..sealed.len() {
            let mut torn = sealed.clone();
            torn[at] ^= 1;
            assert!(master.open("totp", "a", &torn).is_err(), "{at}");
            assert!(master.open("totp", "a", &sealed[..at]).is_err(), "{at}");
        }
    }

    #[test]
    fn a_key_is_given_or_kept_or_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("master.key");
        assert!(Master::find(Some("short"), &file, false).is_err());
        assert!(Master::find(None, &file, true).is_err());
        assert!(!file.exists());
        let made = Master::find(None, &file, false).unwrap().fingerprint();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(Master::find(None, &file, true).unwrap().fingerprint(), made);
        let given = "0123456789abcdef0123456789abcdef";
        assert_ne!(Master::find(Some(given), &file, true).unwrap().fingerprint(), made);
        std::fs::write(&file, "short").unwrap();
        assert!(Master::find(None, &file, false).is_err());
    }
}
