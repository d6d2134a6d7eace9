//! Keys that check signatures: each has one algorithm, whatever a token says.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RsaPublicKeyComponents, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde_json::{Map, Value, json};

use super::Refusal;

/// Bytes of a coordinate of P-256, and of a key of Ed25519.
const COORDINATE_BYTES: usize = 32;
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;
/// The least public exponent (FIPS 186-5, A.1.1).
const LEAST_EXPONENT: u64 = 65_537;
/// Primes of which 65537 makes few remainders.
const MARKED_PRIMES: [u64; 17] =
    [11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157];
/// Members that a key has which also signs.
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// A way of signing (RFC 7518, RFC 8037).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// Ed25519.
    EdDsa,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
}

impl Algorithm {
    /// Reads its name as a JOSE header has it.
    pub fn parse(name: &str) -> Option<Algorithm> {
        [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Rs256]
            .into_iter()
            .find(|algorithm| algorithm.name() == name)
    }

    /// As a JOSE header has it.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::EdDsa => "EdDSA",
            Algorithm::Es256 => "ES256",
            Algorithm::Rs256 => "RS256",
        }
    }
}

/// A key that checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VerifyingKey(Material);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Material {
    Ed25519(Vec<u8>),
    /// The uncompressed point.
    P256(Vec<u8>),
    /// Big-endian, without leading zeros.
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
}

impl VerifyingKey {
    /// A point of P-256 as this process has made it.
    pub(super) fn p256(point: &[u8]) -> VerifyingKey {
        VerifyingKey(Material::P256(point.to_vec()))
    }

    /// Reads a published key (RFC 7517). One that is for something else, gives away its secret, is
    /// weak, or is no point of its curve is refused.
    pub(crate) fn from_jwk(jwk: &Map<String, Value>) -> Result<VerifyingKey, Refusal> {
        let said = |name: &str| jwk.get(name).and_then(Value::as_str);
        if PRIVATE.iter().any(|name| jwk.contains_key(*name)) {
            return Err(Refusal("a key that also signs"));
        }
        if jwk.contains_key("use") && said("use") != Some("sig") {
            return Err(Refusal("a key for something else"));
        }
        if let Some(uses) = jwk.get("key_ops") {
            let checks = uses.as_array().is_some_and(|uses| uses.iter().any(|u| u == "verify"));
            checks.then_some(()).ok_or(Refusal("a key for something else"))?;
        }
        let part = |name: &str| {
            let bytes = said(name).and_then(|text| BASE64.decode(text).ok());
            bytes.ok_or(Refusal("a key without its parts"))
        };
        let material = match (said("kty"), said("crv")) {
            (Some("EC"), Some("P-256")) => p256(&part("x")?, &part("y")?)?,
            (Some("OKP"), Some("Ed25519")) => ed25519(part("x")?)?,
            (Some("RSA"), None) => rsa(&part("n")?, &part("e")?)?,
            _ => return Err(Refusal("a key of another kind")),
        };
        let key = VerifyingKey(material);
        if jwk.contains_key("alg") && said("alg") != Some(key.algorithm().name()) {
            return Err(Refusal("a key for another algorithm"));
        }
        Ok(key)
    }

    /// The one algorithm that it is for.
    pub(crate) fn algorithm(&self) -> Algorithm {
        match self.0 {
            Material::Ed25519(_) => Algorithm::EdDsa,
            Material::P256(_) => Algorithm::Es256,
            Material::Rsa { .. } => Algorithm::Rs256,
        }
    }

    pub(super) fn verify(&self, signed: &[u8], signature: &[u8]) -> Result<(), Unspecified> {
        match &self.0 {
            Material::Ed25519(x) => UnparsedPublicKey::new(&ED25519, x).verify(signed, signature),
            Material::P256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(signed, signature)
            }
            Material::Rsa { n, e } => RsaPublicKeyComponents { n, e }.verify(
                &RSA_PKCS1_2048_8192_SHA256,
                signed,
                signature,
            ),
        }
    }

    /// The members of a JWK that say which key it is (RFC 7638, in its order).
    fn members(&self) -> Value {
        let text = |bytes: &[u8]| BASE64.encode(bytes);
        match &self.0 {
            Material::Ed25519(x) => json!({"crv": "Ed25519", "kty": "OKP", "x": text(x)}),
            Material::P256(point) => {
                let (x, y) = point.get(1..).unwrap_or_default().split_at(COORDINATE_BYTES);
                json!({"crv": "P-256", "kty": "EC", "x": text(x), "y": text(y)})
            }
            Material::Rsa { n, e } => json!({"e": text(e), "kty": "RSA", "n": text(n)}),
        }
    }

    /// The key's name: its thumbprint (RFC 7638).
    pub(crate) fn kid(&self) -> String {
        BASE64.encode(digest(&SHA256, self.members().to_string().as_bytes()))
    }

    /// As it is published.
    pub(crate) fn jwk(&self) -> Value {
        let mut jwk = self.members();
        jwk["kid"] = self.kid().into();
        jwk["alg"] = self.algorithm().name().into();
        jwk["use"] = "sig".into();
        jwk
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> Vec<u8> {
        match &self.0 {
            Material::Ed25519(bytes) | Material::P256(bytes) => bytes.clone(),
            Material::Rsa { n, e } => [n.clone(), e.clone()].concat(),
        }
    }
}

fn p256(x: &[u8], y: &[u8]) -> Result<Material, Refusal> {
    if x.len() != COORDINATE_BYTES || y.len() != COORDINATE_BYTES {
        return Err(Refusal("a coordinate of another length"));
    }
    let point = [&[4], x, y].concat();
    // What is no point of the curve cannot be read.
    ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &point)
        .map_err(|_| Refusal("no point of the curve"))?;
    Ok(Material::P256(point))
}

fn ed25519(x: Vec<u8>) -> Result<Material, Refusal> {
    if x.len() != COORDINATE_BYTES {
        return Err(Refusal("a coordinate of another length"));
    }
    Ok(Material::Ed25519(x))
}

fn rsa(n: &[u8], e: &[u8]) -> Result<Material, Refusal> {
    // Some write a zero before a modulus whose first bit is set.
    let without_zeros =
        |bytes: &[u8]| -> Vec<u8> { bytes.iter().copied().skip_while(|byte| *byte == 0).collect() };
    let (n, e) = (without_zeros(n), without_zeros(e));
    let leading = n.first().map_or(0, |byte| byte.leading_zeros() as usize);
    let bits = (8 * n.len()).saturating_sub(leading);
    if !RSA_BITS.contains(&bits) {
        return Err(Refusal("an RSA key of too few or too many bits"));
    }
    if e.len() > 4 {
        return Err(Refusal("an RSA key with a strange exponent"));
    }
    let exponent = e.iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    if exponent < LEAST_EXPONENT || exponent % 2 == 0 {
        return Err(Refusal("an RSA key with a strange exponent"));
    }
    if is_roca(&n) {
        return Err(Refusal("an RSA key whose primes can be found"));
    }
    Ok(Material::Rsa { n, e })
}

/// Whether a modulus bears the mark of the chips whose primes are powers of 65537 modulo many small
/// ones (CVE-2017-15361): so is then their product. Any other modulus does one time in 2^27.
fn is_roca(n: &[u8]) -> bool {
    MARKED_PRIMES.iter().all(|prime| {
        let rest = n.iter().fold(0_u64, |rest, byte| (rest << 8 | u64::from(*byte)) % prime);
        let mut power = 1;
        (0..*prime).any(|_| {
            power = power * LEAST_EXPONENT % prime;
            power == rest
        })
    })
}
