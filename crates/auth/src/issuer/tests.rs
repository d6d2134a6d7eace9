//! Tokens of another issuer that are right, and every way in which they are not.

mod scene;

use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use forebay_model::time::Timestamp;
use serde_json::{Value, json};

use super::*;
use scene::{NOW, Scene, Theirs, claims, draft, header, issuer, set, with};

#[tokio::test]
async fn each_way_of_signing_is_taken_for_its_own_key() {
    let keys = [
        Theirs::ec(),
        Theirs::Ed(Ed25519KeyPair::generate().unwrap()),
        Theirs::rsa(KeySize::Rsa2048),
    ];
    let algorithms = ["ES256", "EdDSA", "RS256"];
    let jwks: Vec<Value> =
        keys.iter().zip(algorithms).map(|(key, alg)| key.jwk(&format!("k-{alg}"))).collect();
    let scene = Scene::new(issuer(), &[set(&jwks)]);
    for (key, alg) in keys.iter().zip(algorithms) {
        let kid = format!("k-{alg}");
        let token = key.sign(&header(alg, &kid), &claims().to_string());
        let passport = scene.read(&token).await.unwrap();
        assert_eq!((passport.id.as_str(), passport.name.as_str()), ("acme:ann", "ann"));
        assert_eq!(passport.roles, ["viewer"]);
        assert_eq!(passport.until, Timestamp::from_micros((NOW + 3600) * 1_000_000));
        // Under another key's name, or said to be signed in another way.
        for other in algorithms.iter().filter(|other| **other != alg) {
            let renamed = key.sign(&header(other, &kid), &claims().to_string());
            assert_eq!(scene.read(&renamed).await, Err("another algorithm"), "{alg} {other}");
            let misnamed = key.sign(&header(alg, &format!("k-{other}")), &claims().to_string());
            assert_eq!(scene.read(&misnamed).await, Err("another algorithm"), "{alg} {other}");
        }
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let first = if signature.starts_with('A') { "B" } else { "A" };
        let torn = format!("{signed}.{first}{}", &signature[1..]);
        assert_eq!(scene.read(&torn).await, Err("another signature"), "{alg}");
        assert!(scene.read(&format!("{signed}.")).await.is_err(), "{alg}");
    }
    assert_eq!(scene.asked(), 1);
    // What the settings do not name is not taken, whoever has signed it.
    let narrow = Issuer::new(Draft { algorithms: Some(vec!["ES256".into()]), ..draft() }).unwrap();
    let narrow = Scene::new(narrow, &[set(&jwks)]);
    let token = keys[2].sign(&header("RS256", "k-RS256"), &claims().to_string());
    assert_eq!(narrow.read(&token).await, Err("another algorithm"));
    assert_eq!(narrow.asked(), 0);
}

#[tokio::test]
async fn what_a_header_says_chooses_nothing() {
    let key = Theirs::ec();
    let scene = Scene::new(issuer(), &[set(&[key.jwk("k")])]);
    let good = header("ES256", "k");
    for (name, value) in [
        ("typ", json!("JWT")),
        ("typ", json!("application/at+jwt")),
        ("typ", json!("AT+JWT")),
        ("x5t", json!("a thumbprint, which nobody looks at")),
    ] {
        let token = key.sign(&with(good.clone(), name, value.clone()), &claims().to_string());
        assert!(scene.read(&token).await.is_ok(), "{name} {value}");
    }
    for (name, value) in [
        ("alg", json!("none")),
        ("alg", json!("HS256")),
        ("alg", json!("RS256")),
        ("alg", json!("PS256")),
        ("alg", json!("es256")),
        ("alg", Value::Null),
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("jku", json!("https://evil.example/jwks.json")),
        ("jwk", key.jwk("k")),
        ("x5c", json!([])),
        ("x5u", json!("https://evil.example/x.pem")),
        ("b64", json!(true)),
        ("typ", json!("id+jwt")),
        ("typ", json!("logout+jwt")),
        ("typ", json!("")),
        ("typ", Value::Null),
        ("kid", json!("else")),
        ("kid", json!("../../etc/passwd")),
        ("kid", json!(["k"])),
        ("kid", Value::Null),
    ] {
        let token = key.sign(&with(good.clone(), name, value.clone()), &claims().to_string());
        assert!(scene.read(&token).await.is_err(), "{name} {value}");
    }
}

#[tokio::test]
async fn claims_that_do_not_fit_are_refused() {
    let key = Theirs::ec();
    let scene = Scene::new(issuer(), &[set(&[key.jwk("k")])]);
    let read = async |payload: &str| scene.read(&key.sign(&header("ES256", "k"), payload)).await;
    for (name, value) in [
        ("aud", json!(["other", "forebay"])),
        ("iat", Value::Null),
        ("iat", json!(NOW + 30)),
        ("nbf", json!(NOW + 30)),
        ("roles", json!(7)),
        ("exp", json!(NOW + 1)),
    ] {
        let shown = value.clone();
        assert!(read(&with(claims(), name, value).to_string()).await.is_ok(), "{name} {shown}");
    }
    for (name, value, why) in [
        ("iss", json!("https://id.acme.example/"), "another issuer"),
        ("iss", json!(["https://id.acme.example"]), "another issuer"),
        ("iss", Value::Null, "another issuer"),
        ("aud", json!("forebay2"), "another audience"),
        ("aud", json!(["Forebay"]), "another audience"),
        ("aud", json!([["forebay"]]), "another audience"),
        ("aud", json!({"forebay": 1}), "another audience"),
        ("aud", Value::Null, "another audience"),
        ("exp", json!(NOW), "expired"),
        ("exp", json!(-1), "expired"),
        ("exp", json!("1900000000"), "no expiry"),
        ("exp", json!(1.9e9), "no expiry"),
        ("exp", Value::Null, "no expiry"),
        ("exp", json!(i64::MAX), "an expiry that is no time"),
        ("nbf", json!(NOW + 31), "not good yet"),
        ("nbf", json!("0"), "not good yet"),
        ("iat", json!(NOW + 31), "not good yet"),
        ("sub", json!(""), "no subject"),
        ("sub", json!(" "), "no subject"),
        ("sub", json!("a\nb"), "no subject"),
        ("sub", json!("a".repeat(256)), "no subject"),
        ("sub", json!(7), "no subject"),
        ("sub", Value::Null, "no subject"),
    ] {
        let shown = value.clone();
        let refused = read(&with(claims(), name, value).to_string()).await;
        assert_eq!(refused, Err(why), "{name} {shown}");
    }
    let twice = format!("{{\"sub\":\"a\",{}", claims().to_string().strip_prefix('{').unwrap());
    let deep = format!("{{\"x\":{}{},", "[".repeat(2000), "]".repeat(2000))
        + claims().to_string().strip_prefix('{').unwrap();
    for payload in [&twice, &deep, &format!("{} {{}}", claims()), "", "[]", "null", "{"] {
        assert!(read(payload).await.is_err(), "{payload}");
    }
    let long = with(claims(), "x", json!("a".repeat(16 << 10)));
    assert_eq!(read(&long.to_string()).await, Err("too long"));
}

#[tokio::test]
async fn roles_are_those_that_are_mapped() {
    let key = Theirs::ec();
    let roles = async |claim: &str, claims: Value| {
        let mut draft = Draft { roles_claim: Some(claim.into()), ..draft() };
        draft.roles.insert("ops".into(), vec!["editor".into(), "viewer".into()]);
        let issuer = Issuer::new(Draft { default_roles: vec!["ingest".into()], ..draft });
        let scene = Scene::new(issuer.unwrap(), &[set(&[key.jwk("k")])]);
        let token = key.sign(&header("ES256", "k"), &claims.to_string());
        scene.read(&token).await.unwrap().roles
    };
    let said = |name: &str, value: Value| with(claims(), name, value);
    assert_eq!(roles("roles", claims()).await, ["ingest", "viewer"]);
    assert_eq!(roles("roles", said("roles", json!("ops x"))).await, ["editor", "ingest", "viewer"]);
    assert_eq!(roles("roles", said("roles", json!([["ops"], 7, "admin"]))).await, ["ingest"]);
    let nested = said("realm_access", json!({"roles": ["ops", "staff"]}));
    assert_eq!(roles("realm_access.roles", nested).await, ["editor", "ingest", "viewer"]);
    let dotted = said("https://acme.example/roles", json!(["staff"]));
    assert_eq!(roles("https://acme.example/roles", dotted).await, ["ingest", "viewer"]);
    assert_eq!(roles("else.where", claims()).await, ["ingest"]);
    assert_eq!(roles("sub.x", claims()).await, ["ingest"]);
}

#[tokio::test]
async fn an_address_counts_when_its_issuer_has_checked_it() {
    let key = Theirs::ec();
    let scene = Scene::new(issuer(), &[set(&[key.jwk("k")])]);
    let address = json!("ann@acme.example");
    for (verified, taken) in
        [(json!(true), true), (json!(false), false), (json!("true"), false), (Value::Null, false)]
    {
        let claims = with(with(claims(), "email", address.clone()), "email_verified", verified);
        let token = key.sign(&header("ES256", "k"), &claims.to_string());
        let email = scene.read(&token).await.unwrap().email;
        assert_eq!(email.is_some(), taken, "{claims}");
    }
}

#[tokio::test]
async fn a_new_key_is_asked_for_once_and_not_for_each_made_up_name() {
    let (old, new) = (Theirs::ec(), Theirs::ec());
    let sets = [set(&[old.jwk("old")]), set(&[old.jwk("old"), new.jwk("new")])];
    let scene = Scene::new(issuer(), &sets);
    let token = |key: &Theirs, kid: &str| key.sign(&header("ES256", kid), &claims().to_string());
    scene.read(&token(&old, "old")).await.unwrap();
    assert_eq!(scene.asked(), 1);
    // It turned its keys a moment after it was asked.
    assert_eq!(scene.read(&token(&new, "new")).await, Err("no such key"));
    scene.later(9);
    assert_eq!(scene.read(&token(&new, "new")).await, Err("no such key"));
    assert_eq!(scene.asked(), 1);
    scene.later(1);
    // All who come at once share one answer.
    let new_token = token(&new, "new");
    let (one, two, three) =
        tokio::join!(scene.read(&new_token), scene.read(&new_token), scene.read(&new_token));
    assert!(one.is_ok() && two.is_ok() && three.is_ok(), "{one:?} {two:?} {three:?}");
    assert_eq!(scene.asked(), 2);
    // It is away: what was known stays good, and made-up names ask it once in ten seconds.
    for round in 0..5 {
        scene.later(10);
        for name in 0..20 {
            let made_up = token(&new, &format!("made-up-{name}"));
            assert_eq!(scene.read(&made_up).await, Err("no such key"));
        }
        assert_eq!(scene.asked(), 3 + round);
        assert!(scene.read(&token(&old, "old")).await.is_ok());
        assert!(scene.read(&new_token).await.is_ok());
    }
    // What cannot be good whatever its key is asks nobody.
    scene.later(10);
    let stale = with(claims(), "exp", json!(NOW)).to_string();
    assert!(scene.read(&new.sign(&header("ES256", "else"), &stale)).await.is_err());
    assert_eq!(scene.asked(), 7);
}

#[test]
fn keys_that_cannot_be_used_are_passed_over() {
    let good = Theirs::ec().jwk("k");
    let taken = |key: Value| jwks::read(set(&[key]).to_string().as_bytes()).is_ok();
    assert!(taken(good.clone()) && taken(with(good.clone(), "key_ops", json!(["verify"]))));
    let rsa = Theirs::rsa(KeySize::Rsa2048).jwk("k");
    assert!(taken(rsa.clone()));
    let modulus = BASE64.decode(rsa["n"].as_str().unwrap()).unwrap();
    let zero = BASE64.encode([vec![0], modulus.clone()].concat());
    assert!(taken(with(rsa.clone(), "n", json!(zero))));
    let short = BASE64.encode(&modulus[..255]);
    let long = BASE64.encode(modulus.repeat(5));
    let y = BASE64.decode(good["y"].as_str().unwrap()).unwrap();
    let off: Vec<u8> = y.iter().enumerate().map(|(at, b)| b ^ u8::from(at == 31)).collect();
    for (key, name, value) in [
        (&good, "kid", Value::Null),
        (&good, "kid", json!("k".repeat(501))),
        (&good, "alg", json!("ES384")),
        (&good, "alg", json!("RS256")),
        (&good, "use", json!("enc")),
        (&good, "use", json!(7)),
        (&good, "key_ops", json!(["encrypt"])),
        (&good, "key_ops", json!("verify")),
        (&good, "crv", json!("secp256k1")),
        (&good, "crv", json!("P-384")),
        (&good, "kty", json!("oct")),
        (&good, "d", json!("AQ")),
        (&good, "y", json!(BASE64.encode(off))),
        (&good, "y", json!(BASE64.encode([0; 32]))),
        (&good, "x", json!(BASE64.encode(&y[..31]))),
        (&good, "x", json!("=")),
        (&rsa, "n", json!(short)),
        (&rsa, "n", json!(long)),
        (&rsa, "e", json!("AQ")),
        (&rsa, "e", json!("Aw")),
        (&rsa, "e", json!("AQAA")),
        (&rsa, "e", json!(BASE64.encode([1, 0, 0, 0, 1]))),
        (&rsa, "alg", json!("RS512")),
        (&rsa, "alg", json!("HS256")),
        (&rsa, "d", json!("AQ")),
    ] {
        let shown = value.clone();
        assert!(!taken(with(key.clone(), name, value)), "{name} {shown}");
    }
    assert!(!taken(json!({"kty": "oct", "kid": "k", "k": "AAAA", "alg": "HS256"})));
    // One that is none does not take the others along.
    let mixed = set(&[json!({"kty": "oct", "kid": "o", "k": "AA"}), good.clone(), json!(7)]);
    assert_eq!(jwks::read(mixed.to_string().as_bytes()).unwrap().len(), 1);
    let many: Vec<Value> =
        (0..101).map(|n| with(good.clone(), "kid", json!(format!("{n}")))).collect();
    for wrong in [set(&many), set(&[good.clone(), good]), set(&[]), json!([]), json!({"keys": {}})]
    {
        assert!(jwks::read(wrong.to_string().as_bytes()).is_err());
    }
    assert!(jwks::read(b"\xff").is_err() && jwks::read(b"").is_err());
}

#[test]
fn settings_that_would_not_be_safe_are_refused() {
    let refused = |draft: Draft, key: &str| {
        let what = Issuer::new(draft.clone()).expect_err(&format!("{draft:?}"));
        assert!(what.starts_with(&format!("{key}: ")), "{what}");
    };
    for name in ["", "Acme", "a:b", "key", "user", "service", "system", &"a".repeat(41)] {
        refused(Draft { name: name.into(), ..draft() }, "name");
    }
    for url in
        ["http://id.acme.example", "ftp://x", "id.acme.example", "", "https://u:p@x", "https://x?y"]
    {
        refused(Draft { issuer: url.into(), ..draft() }, "issuer");
    }
    for url in ["http://127.0.0.1.evil.example/k", "http://10.0.0.1/k", "file:///k", "https://x/#a"]
    {
        refused(Draft { jwks_url: Some(url.into()), ..draft() }, "jwks_url");
    }
    refused(Draft { audience: String::new(), ..draft() }, "audience");
    refused(Draft { types: Some(Vec::new()), ..draft() }, "types");
    for algorithms in [vec![], vec!["none"], vec!["ES256", "HS256"], vec!["es256"], vec!["PS256"]] {
        let algorithms = Some(algorithms.into_iter().map(String::from).collect());
        refused(Draft { algorithms, ..draft() }, "algorithms");
    }
    refused(Draft { roles_claim: Some(String::new()), ..draft() }, "roles_claim");
    refused(Draft { default_roles: vec![String::new()], ..draft() }, "default_roles");
    for url in ["http://127.0.0.1:9/k", "http://[::1]:9/k", "http://localhost/k", "https://x/k"] {
        assert!(Issuer::new(Draft { jwks_url: Some(url.into()), ..draft() }).is_ok(), "{url}");
    }
    // A name is enough where the keys' place is known.
    let named = Draft { issuer: "acme".into(), jwks_url: Some("https://x/k".into()), ..draft() };
    assert!(Issuer::new(named).is_ok());
}
