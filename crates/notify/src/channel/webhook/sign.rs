//! Signatures of webhooks: `v1` (HMAC-SHA256) and `v1a` (Ed25519), as Standard Webhooks 1.0 has them.
//!
//! What is signed is `id.timestamp.body`. Renewed secrets sign beside the new ones for a day, so that a
//! receiver can change over when it likes.

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use forebay_model::time::Timestamp;
use forebay_model::{Error, FieldError, Result};
use serde_json::{Value, json};

/// How long an old secret signs on.
const OVERLAP_MICROS: i64 = 24 * 60 * 60 * 1_000_000;
/// Secrets at once: the one that is good, and old ones.
const MOST: usize = 3;
const SECRET_BYTES: usize = 32;

/// Which signatures a message has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Signatures {
    symmetric: bool,
    asymmetric: bool,
}

impl Signatures {
    /// Reads the member `signatures`.
    pub(super) fn read(names: Option<Vec<String>>) -> Result<Signatures> {
        let Some(names) = names else {
            return Ok(Signatures { symmetric: true, asymmetric: false });
        };
        let has = |name: &str| names.iter().any(|known| known == name);
        let known = names.iter().all(|name| name == "v1" || name == "v1a");
        if names.is_empty() || names.len() > 2 || !known {
            let message = "one or both of v1 and v1a";
            return Err(Error::invalid(FieldError::new("/signatures", "invalid", message)));
        }
        Ok(Signatures { symmetric: has("v1"), asymmetric: has("v1a") })
    }
}

/// A secret of each kind, good until then.
#[derive(Clone)]
struct Pair {
    symmetric: [u8; SECRET_BYTES],
    seed: [u8; SECRET_BYTES],
    /// Microseconds; the greatest number while it is the one that is good.
    until: i64,
}

/// A channel's secrets, the newest first.
#[derive(Clone)]
pub(super) struct Secrets(Vec<Pair>);

impl Secrets {
    /// Makes new ones, beside which the old ones stay good for a while.
    pub(super) fn renew(old: Option<Secrets>, now: Timestamp) -> Result<Secrets> {
        let (mut symmetric, mut seed) = ([0; SECRET_BYTES], [0; SECRET_BYTES]);
        aws_lc_rs::rand::fill(&mut symmetric).map_err(Error::internal)?;
        aws_lc_rs::rand::fill(&mut seed).map_err(Error::internal)?;
        let mut all = vec![Pair { symmetric, seed, until: i64::MAX }];
        let end = now.micros().saturating_add(OVERLAP_MICROS);
        let old = old.into_iter().flat_map(|old| old.0).filter(|pair| pair.until > now.micros());
        all.extend(old.map(|pair| Pair { until: pair.until.min(end), ..pair }));
        all.truncate(MOST);
        Ok(Secrets(all))
    }

    /// Reads what was sealed.
    pub(super) fn read(value: &Value) -> Result<Secrets> {
        let broken = || Error::internal("a webhook's secrets cannot be read");
        let bytes = |value: &Value, name: &str| -> Option<[u8; SECRET_BYTES]> {
            BASE64.decode(value.get(name)?.as_str()?).ok()?.try_into().ok()
        };
        let pair = |value: &Value| {
            Some(Pair {
                symmetric: bytes(value, "symmetric")?,
                seed: bytes(value, "seed")?,
                until: value.get("until")?.as_i64()?,
            })
        };
        let all = value.get("pairs").and_then(Value::as_array).ok_or_else(broken)?;
        let all: Option<Vec<Pair>> = all.iter().map(pair).collect();
        all.filter(|all| !all.is_empty()).map(Secrets).ok_or_else(broken)
    }

    /// As it is sealed.
    pub(super) fn to_json(&self) -> Value {
        let pair = |pair: &Pair| {
            json!({
                "symmetric": BASE64.encode(pair.symmetric),
                "seed": BASE64.encode(pair.seed),
                "until": pair.until,
            })
        };
        json!({"pairs": self.0.iter().map(pair).collect::<Vec<_>>()})
    }

    /// The secret that receivers check `v1` with.
    pub(super) fn symmetric(&self) -> Option<String> {
        self.0.first().map(|pair| format!("whsec_{}", BASE64.encode(pair.symmetric)))
    }

    /// The key that receivers check `v1a` with.
    pub(super) fn public(&self) -> Option<String> {
        let key = key(&self.0.first()?.seed)?;
        Some(format!("whpk_{}", BASE64.encode(key.public_key().as_ref())))
    }

    /// The header `webhook-signature` of a message with this id at this second.
    pub(super) fn sign(
        &self,
        which: Signatures,
        (id, seconds): (&str, i64),
        body: &str,
        now: Timestamp,
    ) -> String {
        let content = format!("{id}.{seconds}.{body}");
        let mut signed: Vec<String> = Vec::new();
        for pair in self.0.iter().filter(|pair| pair.until > now.micros()) {
            if which.symmetric {
                let key = hmac::Key::new(hmac::HMAC_SHA256, &pair.symmetric);
                let tag = hmac::sign(&key, content.as_bytes());
                signed.push(format!("v1,{}", BASE64.encode(tag)));
            }
            if which.asymmetric
                && let Some(key) = key(&pair.seed)
            {
                let signature = key.sign(content.as_bytes());
                signed.push(format!("v1a,{}", BASE64.encode(signature)));
            }
        }
        signed.join(" ")
    }
}

fn key(seed: &[u8; SECRET_BYTES]) -> Option<Ed25519KeyPair> {
    Ed25519KeyPair::from_seed_unchecked(seed).ok()
}
