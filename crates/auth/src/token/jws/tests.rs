//! What is signed elsewhere, otherwise or not at all; and published vectors.

use aws_lc_rs::hmac;

use super::*;

fn opened(key: &SigningKey, token: &str) -> Result<Vec<u8>, &'static str> {
    let found = |kid: &str| (kid == key.kid()).then(|| key.verifying());
    open(token, Some("at+jwt"), found).map_err(|refusal| refusal.0)
}

#[test]
fn only_our_own_signature_counts() {
    let (key, kept) = SigningKey::generate().unwrap();
    let token = key.sign("at+jwt", b"said").unwrap();
    assert_eq!(opened(&key, &token).unwrap(), b"said");
    let again = SigningKey::read(&kept).unwrap();
    assert_eq!(again.kid(), key.kid());
    assert_eq!(opened(&again, &token).unwrap(), b"said");
    let (other, _) = SigningKey::generate().unwrap();
    assert_eq!(opened(&other, &token), Err("no such key"));
    assert_eq!(opened(&key, &key.sign("JWT", b"an ID token").unwrap()), Err("another type"));
    for at in 0..token.len() {
        let mut torn = token.clone().into_bytes();
        torn[at] = if torn[at] == b'A' { b'B' } else { b'A' };
        assert!(opened(&key, std::str::from_utf8(&torn).unwrap()).is_err(), "{at}");
    }
    for long in [format!("{token}{}", "A".repeat(5000)), "A".repeat(1 << 20)] {
        assert_eq!(opened(&key, &long), Err("too long"));
    }
    for parts in ["", ".", "..", "...", &format!("{token}."), &format!(".{token}")] {
        assert!(opened(&key, parts).is_err(), "{parts}");
    }
}

#[test]
fn what_a_header_says_chooses_nothing() {
    let (key, _) = SigningKey::generate().unwrap();
    let kid = key.kid();
    let good = json!({"typ": "at+jwt", "alg": "ES256", "kid": kid});
    let signed = |header: &str| opened(&key, &key.sign_raw(header, b"said").unwrap());
    assert!(signed(&good.to_string()).is_ok());
    let with = |name: &str, value: Value| {
        let mut header = good.clone();
        header[name] = value;
        header.to_string()
    };
    let jwk = key.verifying().jwk();
    for header in [
        with("alg", json!("none")),
        with("alg", json!("None")),
        with("alg", json!("HS256")),
        with("alg", json!("RS256")),
        with("alg", json!("es256")),
        with("alg", json!(["ES256"])),
        with("crit", json!(["exp"])),
        with("crit", json!([])),
        with("jku", json!("https://evil.example/jwks.json")),
        with("x5u", json!("https://evil.example/x.pem")),
        with("x5c", json!([])),
        with("jwk", jwk),
        with("b64", json!(false)),
        with("typ", json!("JWT")),
        with("typ", Value::Null),
        with("kid", json!("../../etc/passwd")),
        with("kid", json!("' OR 1=1 --")),
        with("kid", json!("https://evil.example/")),
        with("kid", json!(7)),
        json!({"typ": "at+jwt", "alg": "ES256"}).to_string(),
        format!("{{\"alg\":\"none\",{}", good.to_string().strip_prefix('{').unwrap()),
        format!("{good} {{}}"),
        "[]".to_owned(),
        String::new(),
    ] {
        assert!(signed(&header).is_err(), "{header}");
    }
}

#[test]
fn no_signature_and_the_public_key_as_a_secret() {
    let (key, _) = SigningKey::generate().unwrap();
    let payload = BASE64.encode("said");
    for alg in ["none", "ES256"] {
        let header = json!({"typ": "at+jwt", "alg": alg, "kid": key.kid()}).to_string();
        let header = BASE64.encode(header);
        assert!(opened(&key, &format!("{header}.{payload}.")).is_err());
        assert!(opened(&key, &format!("{header}.{payload}.{}", BASE64.encode([0; 64]))).is_err());
    }
    for secret in [key.verifying().bytes(), key.verifying().jwk().to_string().into_bytes()] {
        let header = json!({"typ": "at+jwt", "alg": "HS256", "kid": key.kid()}).to_string();
        let signed = format!("{}.{payload}", BASE64.encode(header));
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), signed.as_bytes());
        let token = format!("{signed}.{}", BASE64.encode(tag));
        assert_eq!(opened(&key, &token), Err("another algorithm"));
    }
}

#[test]
fn a_thumbprint_is_what_others_make_of_it() {
    // RFC 7638 has an RSA example alone; this is the key of RFC 7515, A.3.
    let key = read(&json!({
        "kty": "EC",
        "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    }));
    let key = key.unwrap();
    assert_eq!(key.kid(), "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U");
}

/// Where Wycheproof's verdict is `valid` and ours is not, each with why.
const STRICTER: &[(&str, &str)] = &[
    ("HS256", "a key that checks would also sign: only whoever holds the private key may"),
    ("RS384", "no key of ours is for it"),
    ("RS512", "no key of ours is for it"),
    ("PS256", "no key of ours is for it"),
    ("PS384", "no key of ours is for it"),
    ("PS512", "no key of ours is for it"),
    ("ES521", "no key of ours is for it"),
];

/// All vectors of a file go through the same door as tokens do, tried with their own key where it
/// is one that we could have, or another issuer.
#[test]
fn wycheproof() {
    let mut seen = 0;
    for file in ["json_web_signature_test.json", "json_web_crypto_test.json"] {
        let Some(path) = forebay_testkit::data(&format!("vectors/wycheproof/{file}")) else {
            return;
        };
        let file: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        for group in file["testGroups"].as_array().unwrap() {
            let jwk =
                if group["public"].is_object() { &group["public"] } else { &group["private"] };
            for test in group["tests"].as_array().unwrap() {
                let Some(token) = test["jws"].as_str() else { continue };
                seen += 1;
                // A set of keys, or one.
                let one = vec![jwk.clone()];
                let keys = jwk["keys"].as_array().unwrap_or(&one);
                let key = |kid: &str| keys.iter().find_map(|jwk| key_of(jwk, kid));
                let taken = open(token, None, key).is_ok();
                let valid = test["result"] == "valid";
                let alg = keys[0]["alg"].as_str().unwrap_or_default();
                let excepted = STRICTER.iter().any(|(stricter, _)| *stricter == alg);
                let expected = valid && !excepted;
                assert_eq!(taken, expected, "{alg} {} {}", test["tcId"], test["comment"]);
            }
        }
    }
    assert!(seen > 400, "{seen}");
}

fn key_of(jwk: &Value, kid: &str) -> Option<VerifyingKey> {
    read(jwk).ok().filter(|_| jwk["kid"] == kid)
}

fn read(jwk: &Value) -> Result<VerifyingKey, &'static str> {
    VerifyingKey::from_jwk(jwk.as_object().unwrap()).map_err(|refusal| refusal.0)
}
