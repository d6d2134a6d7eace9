//! Signed texts (RFC 7515, compact), as strictly as they are needed here: what a token says about
//! itself decides nothing but which of our own keys it is tried with.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
    UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use forebay_model::json;
use serde_json::{Value, json};

/// The longest token.
pub(crate) const MAX_BYTES: usize = 4096;
/// What a header may hold. `crit`, `jku`, `x5u`, `jwk`, `x5c` and `b64` are not among it.
const HEADER: [&str; 3] = ["alg", "kid", "typ"];
/// The one algorithm: it belongs to the key, and a token that names another is not tried.
const ALGORITHM: &str = "ES256";
const COORDINATE_BYTES: usize = 32;

/// Why a token is not taken: for the log and for tests, never for who showed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refusal(pub(crate) &'static str);

/// A key that checks.
#[derive(Debug, Clone)]
pub(crate) struct VerifyingKey {
    /// The uncompressed point.
    point: Vec<u8>,
}

impl VerifyingKey {
    /// The members of a JWK that say which key it is (RFC 7638, in its order).
    fn members(&self) -> Value {
        let (x, y) = self.point[1..].split_at(COORDINATE_BYTES);
        json!({"crv": "P-256", "kty": "EC", "x": BASE64.encode(x), "y": BASE64.encode(y)})
    }

    /// The key's name: its thumbprint (RFC 7638).
    pub(crate) fn kid(&self) -> String {
        BASE64.encode(digest(&SHA256, self.members().to_string().as_bytes()))
    }

    /// As it is published.
    pub(crate) fn jwk(&self) -> Value {
        let mut jwk = self.members();
        jwk["kid"] = self.kid().into();
        jwk["alg"] = ALGORITHM.into();
        jwk["use"] = "sig".into();
        jwk
    }
}

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
        let header = json!({"typ": typ, "alg": ALGORITHM, "kid": self.kid});
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
    VerifyingKey { point: pair.public_key().as_ref().to_vec() }
}

/// Checks a token's form and signature; returns what was signed. The key is looked up by its name
/// among those that are known already. Without `typ` it may be of any type.
pub(crate) fn open(
    token: &str,
    typ: Option<&str>,
    key: impl FnOnce(&str) -> Option<VerifyingKey>,
) -> Result<Vec<u8>, Refusal> {
    if token.len() > MAX_BYTES {
        return Err(Refusal("too long"));
    }
    let mut parts = token.split('.');
    let (Some(header), Some(payload), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Refusal("not three parts"));
    };
    let kid = kid_of(&decoded(header)?, typ)?;
    let key = key(&kid).ok_or(Refusal("no such key"))?;
    let signature = decoded(signature)?;
    let signed = &token.as_bytes()[..header.len() + 1 + payload.len()];
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &key.point)
        .verify(signed, &signature)
        .map_err(|_| Refusal("another signature"))?;
    decoded(payload)
}

/// Refuses what is padded, or has bits left over: each token has one spelling.
fn decoded(part: &str) -> Result<Vec<u8>, Refusal> {
    BASE64.decode(part).map_err(|_| Refusal("not base64url"))
}

fn kid_of(header: &[u8], typ: Option<&str>) -> Result<String, Refusal> {
    let text = std::str::from_utf8(header).map_err(|_| Refusal("a header that is not UTF-8"))?;
    let header = json::read(text).map_err(|_| Refusal("a header that is not JSON"))?;
    let Value::Object(members) = &header else { return Err(Refusal("a header of no members")) };
    if members.keys().any(|name| !HEADER.contains(&name.as_str())) {
        return Err(Refusal("a header that asks for more"));
    }
    let said = |name: &str| members.get(name).and_then(Value::as_str);
    if said("alg") != Some(ALGORITHM) {
        return Err(Refusal("another algorithm"));
    }
    if typ.is_some() && said("typ") != typ {
        return Err(Refusal("another type"));
    }
    said("kid").map(str::to_owned).ok_or(Refusal("no key is named"))
}

#[cfg(test)]
mod tests;
