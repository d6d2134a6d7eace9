//! Access tokens: JWTs as RFC 9068 describes them, signed with ES256, good for ten minutes.

pub(crate) mod jws;
pub(crate) mod keyring;

use forebay_model::time::Timestamp;
use forebay_model::{Error, Result, json};
use serde_json::{Value, json};

use jws::{Refusal, VerifyingKey};

/// How long a token is good, in seconds.
pub(crate) const LIFETIME: i64 = 600;
/// How far clocks may be apart, in seconds.
pub(crate) const LEEWAY: i64 = 30;
const TYPE: &str = "at+jwt";
/// Who tokens are given to: the sign-in of this product itself.
const CLIENT: &str = "forebay";

/// Whom a token is for, and how they have shown that they are it.
#[derive(Debug, Clone)]
pub(crate) struct Subject<'s> {
    pub(crate) account: &'s str,
    pub(crate) session: &'s str,
    pub(crate) roles: &'s [String],
    pub(crate) proven_at: Timestamp,
    pub(crate) second_factor: bool,
}

/// What is taken from a token: the rest is looked up, so that it is as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claims {
    pub(crate) account: String,
    pub(crate) session: String,
    /// From then on it is not good, leeway included.
    pub(crate) until: Timestamp,
}

/// Whether a text could be a token at all: what could not needs no look.
pub(crate) fn is_like(text: &str) -> bool {
    text.len() <= jws::MAX_BYTES && text.starts_with("ey")
}

/// Writes a token.
pub(crate) fn write(
    key: &jws::SigningKey,
    issuer: &str,
    now: Timestamp,
    subject: &Subject<'_>,
) -> Result<String> {
    let now = seconds(now);
    let (acr, amr) = if subject.second_factor {
        ("aal2", json!(["pwd", "otp", "mfa"]))
    } else {
        ("aal1", json!(["pwd"]))
    };
    let claims = json!({
        "iss": issuer,
        "exp": now + LIFETIME,
        "aud": issuer,
        "sub": subject.account,
        "client_id": CLIENT,
        "iat": now,
        "jti": uuid::Uuid::now_v7().to_string(),
        "scope": CLIENT,
        "auth_time": seconds(subject.proven_at),
        "acr": acr,
        "amr": amr,
        "sid": subject.session,
        "roles": subject.roles,
    });
    key.sign(TYPE, claims.to_string().as_bytes()).map_err(Error::internal)
}

/// Reads a token that was written here, for here, and is good now.
pub(crate) fn read(
    token: &str,
    issuer: &str,
    now: Timestamp,
    key: impl FnOnce(&str) -> Option<VerifyingKey>,
) -> Result<Claims, Refusal> {
    let payload = jws::open(token, Some(TYPE), key)?;
    let text = std::str::from_utf8(&payload).map_err(|_| Refusal("claims that are not UTF-8"))?;
    // Reads strictly: a member that stands twice, deep nesting or what follows is refused.
    let claims = json::read(text).map_err(|_| Refusal("claims that are not JSON"))?;
    let said = |name: &str| claims.get(name).and_then(Value::as_str);
    let at = |name: &str| claims.get(name).map(|value| value.as_i64().ok_or(()));
    if said("iss") != Some(issuer) {
        return Err(Refusal("another issuer"));
    }
    if said("aud") != Some(issuer) {
        return Err(Refusal("another audience"));
    }
    let now = seconds(now);
    let Some(Ok(exp)) = at("exp") else { return Err(Refusal("no expiry")) };
    let until = exp.checked_add(LEEWAY).ok_or(Refusal("an expiry that is no time"))?;
    if now >= until {
        return Err(Refusal("expired"));
    }
    for begins in ["nbf", "iat"] {
        match at(begins) {
            None if begins == "nbf" => {}
            Some(Ok(at)) if at <= now + LEEWAY => {}
            _ => return Err(Refusal("not good yet")),
        }
    }
    match (said("sub"), said("sid")) {
        (Some(account), Some(session)) => Ok(Claims {
            account: account.to_owned(),
            session: session.to_owned(),
            until: Timestamp::from_micros(until.saturating_mul(1_000_000)),
        }),
        _ => Err(Refusal("no subject or no session")),
    }
}

pub(crate) fn seconds(at: Timestamp) -> i64 {
    at.micros().div_euclid(1_000_000)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;

    use super::*;
    use crate::token::jws::SigningKey;

    const ISSUER: &str = "urn:forebay:test";
    const NOW: i64 = 1_800_000_000;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    fn key() -> SigningKey {
        SigningKey::generate().unwrap().0
    }

    fn opened(key: &SigningKey, token: &str, now: i64) -> Result<Claims, &'static str> {
        let found = |kid: &str| (kid == key.kid()).then(|| key.verifying());
        read(token, ISSUER, at(now), found).map_err(|refusal| refusal.0)
    }

    fn claims() -> Value {
        json!({"iss": ISSUER, "aud": ISSUER, "exp": NOW + 600, "iat": NOW, "sub": "u", "sid": "s"})
    }

    /// Signs what was not written here.
    fn forged(key: &SigningKey, header: &str, payload: &str) -> String {
        key.sign_raw(header, payload.as_bytes()).unwrap()
    }

    fn header(key: &SigningKey) -> String {
        json!({"typ": "at+jwt", "alg": "ES256", "kid": key.kid()}).to_string()
    }

    #[test]
    fn a_token_is_read_as_it_was_written() {
        let key = key();
        let subject = Subject {
            account: "u",
            session: "s",
            roles: &["viewer".to_owned()],
            proven_at: at(NOW - 5),
            second_factor: true,
        };
        let token = write(&key, ISSUER, at(NOW), &subject).unwrap();
        let claims = opened(&key, &token, NOW).unwrap();
        assert_eq!((claims.account.as_str(), claims.session.as_str()), ("u", "s"));
        assert!(opened(&key, &token, NOW + LIFETIME + LEEWAY - 1).is_ok());
        assert_eq!(opened(&key, &token, NOW + LIFETIME + LEEWAY), Err("expired"));
        assert_eq!(opened(&key, &token, NOW - LEEWAY - 1), Err("not good yet"));
        let payload = BASE64.decode(token.split('.').nth(1).unwrap()).unwrap();
        let payload: Value = serde_json::from_slice(&payload).unwrap();
        for name in [
            "iss",
            "exp",
            "aud",
            "sub",
            "client_id",
            "iat",
            "jti",
            "scope",
            "auth_time",
            "acr",
            "amr",
            "sid",
            "roles",
        ] {
            assert!(payload.get(name).is_some(), "{name}");
        }
        assert_eq!(payload["auth_time"], NOW - 5);
    }

    #[test]
    fn claims_that_do_not_fit_are_refused() {
        let key = key();
        let with = |name: &str, value: Value| {
            let mut claims = claims();
            if value.is_null() {
                claims.as_object_mut().unwrap().remove(name);
            } else {
                claims[name] = value;
            }
            opened(&key, &forged(&key, &header(&key), &claims.to_string()), NOW)
        };
        assert!(with("x", json!(1)).is_ok());
        for (name, value) in [
            ("iss", json!("urn:forebay:other")),
            ("iss", Value::Null),
            ("aud", json!("other")),
            ("aud", json!([ISSUER])),
            ("aud", Value::Null),
            ("exp", Value::Null),
            ("exp", json!("1800000600")),
            ("exp", json!(1.9e9)),
            ("exp", json!(i64::MAX)),
            ("exp", json!(NOW - LEEWAY)),
            ("nbf", json!(NOW + LEEWAY + 1)),
            ("nbf", json!("0")),
            ("iat", json!(NOW + LEEWAY + 1)),
            ("iat", Value::Null),
            ("sub", Value::Null),
            ("sid", json!(7)),
        ] {
            let shown = value.clone();
            assert!(with(name, value).is_err(), "{name} {shown}");
        }
        let twice = format!("{{\"sub\":\"a\",{}", claims().to_string().strip_prefix('{').unwrap());
        let deep = format!("{{\"x\":{}{},", "[".repeat(5000), "]".repeat(5000))
            + claims().to_string().strip_prefix('{').unwrap();
        let trailing = format!("{} {{}}", claims());
        for payload in [&twice, &deep, &trailing, "", "[]", "null", "{", "\u{feff}{}"] {
            assert!(opened(&key, &forged(&key, &header(&key), payload), NOW).is_err(), "{payload}");
        }
    }
}
