//! Signed texts (RFC 7515, compact), as strictly as they are needed here: what a token says about
//! itself decides nothing but which of our own keys it is tried with.

mod key;

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use forebay_model::json;
use serde_json::{Value, json};

pub use key::Algorithm;
pub(crate) use key::VerifyingKey;

/// The longest token of our own.
pub(crate) const MAX_BYTES: usize = 4096;
/// What a header of our own holds.
const HEADER: [&str; 3] = ["alg", "kid", "typ"];
/// What no header may hold: it would have the token say how it is checked.
const REFUSED: [&str; 6] = ["b64", "crit", "jku", "jwk", "x5c", "x5u"];
/// What is signed with here.
const ALGORITHM: Algorithm = Algorithm::Es256;

/// Why a token is not taken: for the log and for tests, never for who showed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refusal(pub(crate) &'static str);

/// A key that signs.
#[derive(Debug)]
pub(crate) struct SigningKey {
    kid: String,
    pair: EcdsaKeyPair,
}

impl SigningKey {
    /// Makes one; the second is how it is kept (PKCS #8), to be sealed.
    pub(crate) fn generate() -> Result<(SigningKey, Vec<u8>), Unspecified> {
        let random = SystemRandom::new();
        let kept = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random)?;
        let kept = kept.as_ref().to_vec();
        Ok((SigningKey::read(&kept)?, kept))
    }

    /// Reads one as it was kept.
    pub(crate) fn read(kept: &[u8]) -> Result<SigningKey, Unspecified> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, kept);
        let pair = pair.map_err(|_| Unspecified)?;
        let kid = verifying(&pair).kid();
        Ok(SigningKey { kid, pair })
    }

    pub(crate) fn kid(&self) -> &str {
        &self.kid
    }

    pub(crate) fn verifying(&self) -> VerifyingKey {
        verifying(&self.pair)
    }

    pub(crate) fn sign(&self, typ: &str, payload: &[u8]) -> Result<String, Unspecified> {
        let header = json!({"typ": typ, "alg": ALGORITHM.name(), "kid": self.kid});
        self.sign_raw(&header.to_string(), payload)
    }

    pub(crate) fn sign_raw(&self, header: &str, payload: &[u8]) -> Result<String, Unspecified> {
        let mut token = format!("{}.{}", BASE64.encode(header), BASE64.encode(payload));
        let signature = self.pair.sign(&SystemRandom::new(), token.as_bytes())?;
        token.push('.');
        token.push_str(&BASE64.encode(signature));
        Ok(token)
    }
}

fn verifying(pair: &EcdsaKeyPair) -> VerifyingKey {
    VerifyingKey::p256(pair.public_key().as_ref())
}

/// Checks the form and signature of a token of our own; returns what was signed. The key is looked
/// up by its name among those that are known already. Without `typ` it may be of any type.
pub(crate) fn open(
    token: &str,
    typ: Option<&str>,
    key: impl FnOnce(&str) -> Option<VerifyingKey>,
) -> Result<Vec<u8>, Refusal> {
    let token = Signed::read(token, MAX_BYTES)?;
    if !token.plain {
        return Err(Refusal("a header that asks for more"));
    }
    if typ.is_some() && token.typ.as_deref() != typ {
        return Err(Refusal("another type"));
    }
    let key = key(&token.kid).ok_or(Refusal("no such key"))?;
    token.open(&key)
}

/// A token whose signature has not been checked: it says which key it names, and nothing else of it
/// counts.
#[derive(Debug)]
pub(crate) struct Signed<'t> {
    pub(crate) kid: String,
    pub(crate) algorithm: Algorithm,
    pub(crate) typ: Option<String>,
    /// Its header holds nothing but what our own do.
    plain: bool,
    signed: &'t [u8],
    payload: &'t str,
    signature: Vec<u8>,
}

impl<'t> Signed<'t> {
    /// Reads a token's form (RFC 7515, 7.1), up to so many bytes.
    pub(crate) fn read(token: &'t str, most: usize) -> Result<Signed<'t>, Refusal> {
        if token.len() > most {
            return Err(Refusal("too long"));
        }
        let mut parts = token.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Refusal("not three parts"));
        };
        let bytes = decoded(header)?;
        let text =
            std::str::from_utf8(&bytes).map_err(|_| Refusal("a header that is not UTF-8"))?;
        let header_value = json::read(text).map_err(|_| Refusal("a header that is not JSON"))?;
        let Value::Object(members) = header_value else {
            return Err(Refusal("a header of no members"));
        };
        if members.keys().any(|name| REFUSED.contains(&name.as_str())) {
            return Err(Refusal("a header that asks for more"));
        }
        let said = |name: &str| members.get(name).and_then(Value::as_str);
        let algorithm = said("alg").and_then(Algorithm::parse);
        Ok(Signed {
            kid: said("kid").map(str::to_owned).ok_or(Refusal("no key is named"))?,
            algorithm: algorithm.ok_or(Refusal("another algorithm"))?,
            typ: said("typ").map(str::to_owned),
            plain: members.keys().all(|name| HEADER.contains(&name.as_str())),
            signed: &token.as_bytes()[..header.len() + 1 + payload.len()],
            payload,
            signature: decoded(signature)?,
        })
    }

    /// What it says, which nobody has signed for yet.
    pub(crate) fn unchecked(&self) -> Result<Vec<u8>, Refusal> {
        decoded(self.payload)
    }

    /// What was signed with this key.
    pub(crate) fn open(self, key: &VerifyingKey) -> Result<Vec<u8>, Refusal> {
        if self.algorithm != key.algorithm() {
            return Err(Refusal("another algorithm"));
        }
        key.verify(self.signed, &self.signature).map_err(|_| Refusal("another signature"))?;
        decoded(self.payload)
    }
}

/// Refuses what is padded, or has bits left over: each token has one spelling.
fn decoded(part: &str) -> Result<Vec<u8>, Refusal> {
    BASE64.decode(part).map_err(|_| Refusal("not base64url"))
}

#[cfg(test)]
mod tests;
