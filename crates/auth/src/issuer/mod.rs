//! Other issuers whose tokens are taken: who they are, their keys, and what their tokens say.

mod claims;
mod fetch;
mod jwks;
mod keys;
mod rule;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use forebay_model::time::SharedClock;
use futures_util::future::join_all;

pub use crate::token::jws::Algorithm;
pub(crate) use claims::Passport;
pub use rule::{Draft, Issuer};

use crate::token::jws::{Refusal, Signed};
use fetch::Web;
pub(crate) use keys::Source;

/// The longest token of another issuer: some write dozens of groups into it.
const MAX_BYTES: usize = 16 << 10;

/// All of them.
pub(crate) struct Issuers(Vec<Arc<Source>>);

impl Issuers {
    /// Keys are asked for when they are needed.
    pub(crate) fn new(issuers: &[Issuer], clock: &SharedClock) -> Result<Issuers, String> {
        let source = |issuer: &Issuer| {
            let web = Web::new(issuer)?;
            Ok(Arc::new(Source::new(issuer.clone(), Box::new(web), clock.clone())))
        };
        issuers.iter().map(source).collect::<Result<_, String>>().map(Issuers)
    }

    /// Who is to have written a token, if it is one of them: nothing of it is checked yet.
    pub(crate) fn of(&self, token: &str) -> Option<Arc<Source>> {
        if self.0.is_empty() || token.len() > MAX_BYTES || !token.starts_with("ey") {
            return None;
        }
        let named = Signed::read(token, MAX_BYTES).and_then(|token| token.unchecked()).ok()?;
        let named = claims::issuer(&named)?;
        self.0.iter().find(|source| source.issuer().issuer == named).cloned()
    }

    /// Whether a principal is known by one of them.
    pub(crate) fn knows(&self, id: &str) -> bool {
        let name = id.split_once(':').map(|(name, _)| name);
        self.0.iter().any(|source| Some(source.issuer().name.as_str()) == name)
    }

    /// Keeps their keys, until it is dropped.
    pub(crate) async fn keep(&self) {
        join_all(self.0.iter().map(|source| source.keep())).await;
    }
}

impl Source {
    /// Reads a token that this issuer wrote, for here, and that is good now.
    pub(crate) async fn read(self: &Arc<Self>, token: &str) -> Result<Passport, Refusal> {
        let issuer = self.issuer();
        let token = Signed::read(token, MAX_BYTES)?;
        if !issuer.takes_type(token.typ.as_deref()) {
            return Err(Refusal("another type"));
        }
        if !issuer.algorithms.contains(&token.algorithm) {
            return Err(Refusal("another algorithm"));
        }
        // What cannot be good in any case is not worth a question.
        claims::read(&token.unchecked()?, issuer, self.now())?;
        let key = self.key(&token.kid, token.algorithm).await?;
        claims::read(&token.open(&key)?, issuer, self.now())
    }
}
