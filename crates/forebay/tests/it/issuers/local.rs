//! An issuer of the tests' own: its keys at an address of this machine, and the tokens that it signs.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde_json::{Value, json};

use crate::support::{Engine, Server};

/// The issuer.
pub(super) struct Local {
    pub(super) url: String,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    keys: Mutex<Vec<Value>>,
    asked: AtomicUsize,
    away: AtomicBool,
}

/// A key of an issuer.
pub(super) struct Key {
    pub(super) kid: String,
    pair: EcdsaKeyPair,
}

impl Local {
    /// Starts one with a key.
    pub(super) fn start(key: &Key) -> Local {
        let state = Arc::new(State::default());
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (kept, issuer) = (state.clone(), url.clone());
        // On a thread of its own: it answers also while a test waits for a process.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                axum::serve(listener, router(kept, &issuer)).await.unwrap();
            });
        });
        let local = Local { url, state };
        local.publish(&[key]);
        local
    }

    pub(super) fn publish(&self, keys: &[&Key]) {
        *self.state.keys.lock().unwrap() = keys.iter().map(|key| key.jwk()).collect();
    }

    /// Whether it answers.
    pub(super) fn is_away(&self, away: bool) {
        self.state.away.store(away, Ordering::SeqCst);
    }

    /// How often its keys were asked for.
    pub(super) fn asked(&self) -> usize {
        self.state.asked.load(Ordering::SeqCst)
    }

    /// The setting `auth.issuers` by which its tokens are taken.
    pub(super) fn setting(&self) -> String {
        let roles = json!({"staff": "viewer", "bosses": ["admin"], "readers": ["readers"]});
        json!([{
            "name": "acme", "issuer": self.url, "audience": "forebay", "roles": roles,
            "roles_claim": "realm_access.roles",
        }])
        .to_string()
    }

    /// A Forebay that takes its tokens.
    pub(super) async fn serve(&self, engine: Engine) -> Server {
        Server::start_with(engine, &[("FOREBAY_AUTH__ISSUERS", &self.setting())]).await
    }

    /// What a token for somebody says, good for an hour.
    pub(super) fn claims(&self, subject: &str, roles: &[&str]) -> Value {
        json!({
            "iss": self.url, "aud": ["forebay", "others"], "sub": subject, "iat": now(),
            "exp": now() + 3600, "realm_access": {"roles": roles},
        })
    }
}

fn router(state: Arc<State>, issuer: &str) -> Router {
    let document = json!({"issuer": issuer, "jwks_uri": format!("{issuer}/keys")}).to_string();
    let keys = move || async move {
        state.asked.fetch_add(1, Ordering::SeqCst);
        if state.away.load(Ordering::SeqCst) {
            return (StatusCode::SERVICE_UNAVAILABLE, String::new());
        }
        (StatusCode::OK, json!({"keys": *state.keys.lock().unwrap()}).to_string())
    };
    Router::new()
        .route("/.well-known/openid-configuration", get(move || async move { document }))
        .route("/keys", get(keys))
}

impl Key {
    pub(super) fn new(kid: &str) -> Key {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        Key { kid: kid.to_owned(), pair }
    }

    fn jwk(&self) -> Value {
        let (x, y) = self.pair.public_key().as_ref()[1..].split_at(32);
        let (x, y) = (BASE64.encode(x), BASE64.encode(y));
        json!({"kty": "EC", "crv": "P-256", "use": "sig", "kid": self.kid, "x": x, "y": y})
    }

    /// A token that says this.
    pub(super) fn sign(&self, claims: &Value) -> String {
        self.sign_as(&json!({"typ": "at+jwt", "alg": "ES256", "kid": self.kid}), claims)
    }

    /// A token with a header of any kind.
    pub(super) fn sign_as(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| BASE64.encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", BASE64.encode(signature))
    }
}

/// The seconds since 1970.
pub(super) fn now() -> i64 {
    use forebay_model::time::Clock as _;
    forebay_model::time::SystemClock.now().micros() / 1_000_000
}
