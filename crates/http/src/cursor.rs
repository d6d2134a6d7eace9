//! Cursors: keyset positions that a client carries and cannot forge.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use forebay_model::{Error, FieldError};

/// Signs cursors with a key of this deployment.
#[derive(Clone)]
pub struct Signer(std::sync::Arc<hmac::Key>);

const TAG_BYTES: usize = 16;

impl Signer {
    /// Takes the secret that all processes of a deployment share.
    pub fn new(secret: &[u8]) -> Self {
        Signer(std::sync::Arc::new(hmac::Key::new(hmac::HMAC_SHA256, secret)))
    }

    /// Writes a cursor; `scope` says which list it belongs to, and is not readable from it.
    pub fn sign(&self, scope: &str, position: &str) -> String {
        let mut bytes = self.tag(scope, position.as_bytes());
        bytes.extend_from_slice(position.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a cursor back, if it was written here for the same list.
    pub fn open(&self, scope: &str, cursor: &str) -> Result<String, Error> {
        let bad = || {
            let message = "the cursor does not belong to this list";
            Error::invalid(FieldError::new("?cursor", "cursor_invalid", message))
        };
        let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| bad())?;
        let (tag, position) = bytes.split_at_checked(TAG_BYTES).ok_or_else(bad)?;
        aws_lc_rs::constant_time::verify_slices_are_equal(tag, &self.tag(scope, position))
            .map_err(|_| bad())?;
        String::from_utf8(position.to_vec()).map_err(|_| bad())
    }

    fn tag(&self, scope: &str, position: &[u8]) -> Vec<u8> {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(scope.as_bytes());
        context.update(&[0]);
        context.update(position);
        context.sign().as_ref()[..TAG_BYTES].to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_signed_for_this_list_is_opened() {
        let signer = Signer::new(b"secret");
        let cursor = signer.sign("orders seq", "41");
        assert_eq!(signer.open("orders seq", &cursor).unwrap(), "41");
        assert!(signer.open("other seq", &cursor).is_err());
        assert!(Signer::new(b"else").open("orders seq", &cursor).is_err());
        for forged in ["", "x", "AAAA", &format!("{cursor}A"), "é"] {
            assert!(signer.open("orders seq", forged).is_err(), "{forged}");
        }
    }
}
