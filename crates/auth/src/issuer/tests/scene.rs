//! Another issuer with its keys, a clock that stands still, and what it answers.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use forebay_model::time::{Clock, Timestamp};
use serde_json::{Value, json};

use crate::issuer::keys::{Fetch, Source};
use crate::issuer::{Draft, Issuer, Passport};

pub(super) const NOW: i64 = 1_800_000_000;

pub(super) fn draft() -> Draft {
    Draft {
        name: "acme".into(),
        issuer: "https://id.acme.example".into(),
        audience: "forebay".into(),
        algorithms: Some(["ES256", "RS256", "EdDSA"].map(String::from).to_vec()),
        roles: [("staff".to_owned(), vec!["viewer".to_owned()])].into(),
        ..Draft::default()
    }
}

pub(super) fn issuer() -> Issuer {
    Issuer::new(draft()).unwrap()
}

/// A key of the other issuer's.
pub(super) enum Theirs {
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
    Rsa(Box<RsaKeyPair>),
}

impl Theirs {
    pub(super) fn ec() -> Theirs {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        Theirs::Ec(key)
    }

    pub(super) fn rsa(size: KeySize) -> Theirs {
        Theirs::Rsa(Box::new(RsaKeyPair::generate(size).unwrap()))
    }

    pub(super) fn jwk(&self, kid: &str) -> Value {
        match self {
            Theirs::Ec(key) => {
                let (x, y) = key.public_key().as_ref()[1..].split_at(32);
                let (x, y) = (BASE64.encode(x), BASE64.encode(y));
                json!({"kty": "EC", "crv": "P-256", "kid": kid, "x": x, "y": y})
            }
            Theirs::Ed(key) => {
                let x = BASE64.encode(key.public_key().as_ref());
                json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": x})
            }
            Theirs::Rsa(key) => {
                // PKCS #1: a sequence of the modulus, after a zero, and 65537.
                let public = &key.public_key().as_ref()[9..];
                let (n, rest) = public.split_at(key.public_modulus_len());
                assert_eq!(rest, [2, 3, 1, 0, 1]);
                let (n, e) = (BASE64.encode(n), BASE64.encode(&rest[2..]));
                json!({"kty": "RSA", "kid": kid, "n": n, "e": e, "alg": "RS256", "use": "sig"})
            }
        }
    }

    pub(super) fn sign(&self, header: &Value, payload: &str) -> String {
        let mut token = format!("{}.{}", BASE64.encode(header.to_string()), BASE64.encode(payload));
        let random = SystemRandom::new();
        let signature = match self {
            Theirs::Ec(key) => key.sign(&random, token.as_bytes()).unwrap().as_ref().to_vec(),
            Theirs::Ed(key) => key.sign(token.as_bytes()).as_ref().to_vec(),
            Theirs::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, token.as_bytes(), &mut signature).unwrap();
                signature
            }
        };
        token.push('.');
        token.push_str(&BASE64.encode(signature));
        token
    }
}

/// A clock that stands still until it is set.
#[derive(Debug, Default)]
pub(super) struct Still(AtomicI64);

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst) * 1_000_000)
    }
}

/// Answers what it was told to, one after the other, and counts; then it does not answer.
#[derive(Default)]
pub(super) struct Told {
    answers: Mutex<VecDeque<Value>>,
    asked: AtomicI64,
}

#[async_trait]
impl Fetch for Arc<Told> {
    async fn fetch(&self) -> Result<Vec<u8>, String> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        tokio::task::yield_now().await;
        let answer = self.answers.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        answer.map(|answer| answer.to_string().into_bytes()).ok_or_else(|| "away".to_owned())
    }
}

pub(super) struct Scene {
    pub(super) source: Arc<Source>,
    told: Arc<Told>,
    clock: Arc<Still>,
}

impl Scene {
    pub(super) fn new(issuer: Issuer, sets: &[Value]) -> Scene {
        let told = Arc::new(Told::default());
        told.answers.lock().unwrap().extend(sets.iter().cloned());
        let clock = Arc::new(Still(AtomicI64::new(NOW)));
        let source = Source::new(issuer, Box::new(told.clone()), clock.clone());
        Scene { source: Arc::new(source), told, clock }
    }

    pub(super) async fn read(&self, token: &str) -> Result<Passport, &'static str> {
        self.source.read(token).await.map_err(|refusal| refusal.0)
    }

    pub(super) fn asked(&self) -> i64 {
        self.told.asked.load(Ordering::SeqCst)
    }

    pub(super) fn later(&self, seconds: i64) {
        self.clock.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

pub(super) fn set(keys: &[Value]) -> Value {
    json!({"keys": keys})
}

pub(super) fn header(alg: &str, kid: &str) -> Value {
    json!({"typ": "at+jwt", "alg": alg, "kid": kid})
}

pub(super) fn claims() -> Value {
    json!({
        "iss": "https://id.acme.example", "aud": "forebay", "exp": NOW + 3600, "iat": NOW,
        "sub": "ann", "roles": ["staff", "admin"],
    })
}

pub(super) fn with(mut value: Value, name: &str, changed: Value) -> Value {
    if changed.is_null() {
        value.as_object_mut().unwrap().remove(name);
    } else {
        value[name] = changed;
    }
    value
}
