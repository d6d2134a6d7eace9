//! The keys of an issuer as this process knows them: asked for every ten minutes, and when a token
//! names one that is not known.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use forebay_model::time::{SharedClock, Timestamp};

use super::jwks::{self, Named};
use super::rule::Issuer;
use crate::token::jws::{Algorithm, Refusal, VerifyingKey};

/// How often keys are asked for.
const EVERY: Duration = Duration::from_secs(600);
/// How soon again, when there was no answer.
const AGAIN: Duration = Duration::from_secs(30);
/// How often tokens can have keys asked for, in microseconds: made-up names must not have the issuer
/// flooded from here.
const AT_MOST_EVERY: i64 = 10_000_000;

/// Asks an issuer for its keys.
#[async_trait]
pub(super) trait Fetch: Send + Sync {
    /// The document, or what went wrong.
    async fn fetch(&self) -> Result<Vec<u8>, String>;
}

/// An issuer with its keys.
pub(crate) struct Source {
    issuer: Issuer,
    web: Box<dyn Fetch>,
    clock: SharedClock,
    known: Mutex<Known>,
    /// Held by the one who asks.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Known {
    keys: Vec<Named>,
    /// How many answers there were, good ones and others.
    answers: u64,
    /// When a token last had them asked for.
    asked_at: Option<Timestamp>,
}

impl Source {
    pub(super) fn new(issuer: Issuer, web: Box<dyn Fetch>, clock: SharedClock) -> Source {
        let (known, turn) = (Mutex::default(), tokio::sync::Mutex::default());
        Source { issuer, web, clock, known, turn }
    }

    pub(crate) fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Finds a key by its name and algorithm; one that is not known may be new.
    pub(super) async fn key(
        self: &Arc<Self>,
        kid: &str,
        algorithm: Algorithm,
    ) -> Result<VerifyingKey, Refusal> {
        if let Some(found) = self.find(kid, algorithm) {
            return found;
        }
        self.ask_again().await;
        self.find(kid, algorithm).unwrap_or(Err(Refusal("no such key")))
    }

    /// A key of this name, if there is one; for another algorithm it is none.
    fn find(&self, kid: &str, algorithm: Algorithm) -> Option<Result<VerifyingKey, Refusal>> {
        let known = self.known();
        let mut named = known.keys.iter().filter(|(name, _)| name == kid).peekable();
        named.peek()?;
        let key = named.find(|(_, key)| key.algorithm() == algorithm).map(|(_, key)| key.clone());
        Some(key.ok_or(Refusal("another algorithm")))
    }

    /// Asks, unless tokens had it asked a moment ago. All who wait meanwhile share one answer.
    async fn ask_again(self: &Arc<Self>) {
        let answers = {
            let known = self.known();
            let soon = |at: Timestamp| self.now().micros() - at.micros() < AT_MOST_EVERY;
            if known.asked_at.is_some_and(soon) && self.turn.try_lock().is_ok() {
                return;
            }
            known.answers
        };
        let source = self.clone();
        // Whoever waits may give up; the answer is for the others too.
        let asked = tokio::spawn(async move {
            let turn = source.turn.lock().await;
            let now = source.now();
            {
                let mut known = source.known();
                let soon = |at: Timestamp| now.micros() - at.micros() < AT_MOST_EVERY;
                if known.answers != answers || known.asked_at.is_some_and(soon) {
                    return;
                }
                known.asked_at = Some(now);
            }
            source.ask().await;
            drop(turn);
        });
        // A panic of it was logged where it happened.
        let _ = asked.await;
    }

    /// Asks; what is known stays where there is no good answer. The turn is held.
    async fn ask(&self) -> bool {
        let name = self.issuer.name.as_str();
        let read = self.web.fetch().await.and_then(|document| jwks::read(&document));
        let outcome = if read.is_ok() { "success" } else { "failure" };
        metrics::counter!("forebay_issuer_fetches_total", "issuer" => name.to_owned(), "outcome" => outcome)
            .increment(1);
        let mut known = self.known();
        known.answers += 1;
        match read {
            Ok(keys) => {
                known.keys = keys;
                true
            }
            Err(error) => {
                let kept = known.keys.len();
                tracing::warn!(issuer = name, error, kept, "an issuer's keys cannot be fetched");
                false
            }
        }
    }

    /// Asks now and again, until it is dropped.
    pub(super) async fn keep(&self) {
        loop {
            let turn = self.turn.lock().await;
            let good = self.ask().await;
            drop(turn);
            tokio::time::sleep(if good { EVERY } else { AGAIN }).await;
        }
    }
}
