//! Published keys (RFC 7517): those that can be used are taken, any other is passed over.

use forebay_model::json;
use serde_json::Value;

use crate::token::jws::VerifyingKey;

/// Most keys of an issuer.
const MOST_KEYS: usize = 100;
const MAX_KID_BYTES: usize = 500;

/// A key under its name.
pub(super) type Named = (String, VerifyingKey);

/// Reads a set; one without a key that can be used is none.
pub(super) fn read(document: &[u8]) -> Result<Vec<Named>, String> {
    let text = std::str::from_utf8(document).map_err(|_| "the keys are not UTF-8")?;
    let set = json::read(text).map_err(|_| "the keys are not JSON")?;
    let keys = set.get("keys").and_then(Value::as_array).ok_or("there is no list of keys")?;
    if keys.len() > MOST_KEYS {
        return Err(format!("there are more than {MOST_KEYS} keys"));
    }
    let mut taken: Vec<Named> = Vec::new();
    let mut why = "there is no key";
    for jwk in keys.iter().filter_map(Value::as_object) {
        let kid = jwk.get("kid").and_then(Value::as_str);
        let Some(kid) = kid.filter(|kid| kid.len() <= MAX_KID_BYTES) else {
            why = "a key without a name";
            continue;
        };
        match VerifyingKey::from_jwk(jwk) {
            // Two of one name and algorithm: nobody could say which one is meant.
            Ok(key) if taken.iter().any(|(k, v)| k == kid && v.algorithm() == key.algorithm()) => {
                return Err(format!("two keys are named `{kid}`"));
            }
            Ok(key) => taken.push((kid.to_owned(), key)),
            Err(refusal) => why = refusal.0,
        }
    }
    if taken.is_empty() { Err(format!("no key can be used: {why}")) } else { Ok(taken) }
}
