//! Cursors: keyset positions that a client carries, cannot forge and cannot read. A position may be that
//! of a record which its reader may not see.

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use forebay_model::{Error, FieldError};

/// Positions are filled up to so many bytes, or twice that and so on: their length tells nothing of
/// a value that stands in them.
const ROOM: usize = 64;

/// Seals cursors with a key of this deployment (AES-GCM-SIV, RFC 8452).
#[derive(Clone)]
pub struct Sealer(std::sync::Arc<hmac::Tag>);

impl Sealer {
    /// Takes the secret that all processes of a deployment share.
    pub fn new(secret: &[u8]) -> Self {
        let secret = hmac::Key::new(hmac::HMAC_SHA256, secret);
        Sealer(std::sync::Arc::new(hmac::sign(&secret, b"cursors")))
    }

    fn key(&self) -> Result<LessSafeKey, Error> {
        let key = UnboundKey::new(&AES_256_GCM_SIV, self.0.as_ref().as_ref());
        key.map(LessSafeKey::new).map_err(Error::internal)
    }

    /// Writes a cursor; `scope` says which list it belongs to, and is not in it.
    pub fn seal(&self, scope: &str, position: &str) -> Result<String, Error> {
        let mut nonce = [0; NONCE_LEN];
        aws_lc_rs::rand::fill(&mut nonce).map_err(Error::internal)?;
        let mut text = position.as_bytes().to_vec();
        // No position holds U+0000, so that what was filled up can be told from it.
        text.resize(text.len().max(ROOM).next_power_of_two(), 0);
        let sealed = Nonce::assume_unique_for_key(nonce);
        self.key()?
            .seal_in_place_append_tag(sealed, Aad::from(scope.as_bytes()), &mut text)
            .map_err(Error::internal)?;
        Ok(URL_SAFE_NO_PAD.encode([&nonce[..], &text].concat()))
    }

    /// Reads a cursor back, if it was written here for the same list.
    pub fn open(&self, scope: &str, cursor: &str) -> Result<String, Error> {
        let bad = || {
            let message = "the cursor does not belong to this list";
            Error::invalid(FieldError::new("?cursor", "cursor_invalid", message))
        };
        let mut bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| bad())?;
        let (nonce, sealed) = bytes.split_at_mut_checked(NONCE_LEN).ok_or_else(bad)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| bad())?;
        let opened = self.key()?.open_in_place(nonce, Aad::from(scope.as_bytes()), sealed);
        let position = std::str::from_utf8(opened.map_err(|_| bad())?).map_err(|_| bad())?;
        Ok(position.trim_end_matches('\0').to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_sealed_for_this_list_is_opened() {
        let sealer = Sealer::new(b"secret");
        let cursor = sealer.seal("orders seq", "41").unwrap();
        assert_eq!(sealer.open("orders seq", &cursor).unwrap(), "41");
        assert!(sealer.open("other seq", &cursor).is_err());
        assert!(Sealer::new(b"else").open("orders seq", &cursor).is_err());
        for forged in ["", "x", "AAAA", &format!("{cursor}A"), "é"] {
            assert!(sealer.open("orders seq", forged).is_err(), "{forged}");
        }
    }

    #[test]
    fn a_cursor_tells_nothing() {
        let sealer = Sealer::new(b"secret");
        let seal = |position: &str| sealer.seal("list", position).unwrap();
        let cursor = seal(r#"[1,2,"SECRET",3]"#);
        let bytes = URL_SAFE_NO_PAD.decode(&cursor).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains("SECRET"));
        assert_eq!(cursor.len(), seal("[1,2,\"\",3]").len());
        assert_ne!(cursor, seal(r#"[1,2,"SECRET",3]"#));
        let long = "é".repeat(700);
        assert_eq!(sealer.open("list", &seal(&long)).unwrap(), long);
    }
}
