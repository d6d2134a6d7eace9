//! Whoever another issuer knows: their token is the word, their rights are what is here now.

use std::sync::Arc;

use forebay_contract::{Known, Shown};
use forebay_db::{DbError, Look};
use forebay_model::principal::Principal;
use forebay_model::time::Timestamp;

use super::{Directory, within};
use crate::directory;
use crate::issuer::{Passport, Source};
use crate::sql::head;

/// How long a token's signature is believed without another look at the issuer's keys, in
/// microseconds: a key that was taken back opens nothing for longer.
const CHECKED: i64 = 600_000_000;

impl Directory {
    /// Who shows a token or cookie: one of our own, or a token of another issuer.
    pub(super) async fn look_up_token(
        &self,
        hash: Vec<u8>,
        shown: &Shown<'_>,
    ) -> Result<Option<Known>, DbError> {
        let other = if shown.cookie { None } else { self.means.issuers.of(shown.secret) };
        if let Some(issuer) = other {
            return self.look_up_passport(hash, &issuer, shown.secret).await;
        }
        match self.session_of(shown) {
            Some(session) => within(self.look_up_session(hash, &session)).await,
            None => Ok(None),
        }
    }

    /// What is refused is not remembered: the issuer may turn out to have the key.
    async fn look_up_passport(
        &self,
        hash: Vec<u8>,
        issuer: &Arc<Source>,
        token: &str,
    ) -> Result<Option<Known>, DbError> {
        match issuer.read(token).await {
            Ok(passport) => within(self.of_passport(hash, &passport)).await.map(Some),
            Err(refusal) => {
                let issuer = issuer.issuer().name.as_str();
                tracing::debug!(issuer, why = refusal.0, "a token is refused");
                Ok(None)
            }
        }
    }

    async fn of_passport(&self, hash: Vec<u8>, passport: &Passport) -> Result<Known, DbError> {
        let mut conn = self.db.reader(Look::Point).await?;
        let number = head::number(&mut conn).await?;
        let checked = self.clock.now().micros().saturating_add(CHECKED);
        let principal = directory::of_passport(&mut conn, passport).await?;
        let known = Known {
            principal: Arc::new(principal),
            expires_at: Some(passport.until),
            fresh_until: Some(Timestamp::from_micros(checked)),
            networks: Arc::new([]),
        };
        self.memory().remember(number, hash, Some(known.clone()));
        Ok(known)
    }

    /// Who was known by a token that ends then, as they are now. Looked up each time: one question to
    /// the database for each role, and only when something has changed.
    pub(super) async fn token_again(
        &self,
        principal: &Principal,
        until: Timestamp,
    ) -> Result<Option<Arc<Principal>>, DbError> {
        if until <= self.clock.now() || !self.means.issuers.knows(&principal.id) {
            return Ok(None);
        }
        let passport = Passport {
            id: principal.id.clone(),
            name: principal.name.clone(),
            email: principal.email.clone(),
            roles: principal.roles.clone(),
            until,
        };
        let mut conn = self.db.reader(Look::Point).await?;
        Ok(Some(Arc::new(directory::of_passport(&mut conn, &passport).await?)))
    }
}
