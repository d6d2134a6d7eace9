//! The door at which everybody is asked who they are: remembered, and forgotten when anything
//! changes.

mod outside;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use forebay_contract::{Identity, Known, Memory, Seen, Shown};
use forebay_db::{Db, DbError, Look};
use forebay_model::Result;
use forebay_model::principal::{Principal, VIEW_AS};
use forebay_model::time::{SharedClock, Timestamp};
use tokio::sync::watch;

use crate::issuer::Issuers;
use crate::session::{IDLE, Secrets};
use crate::sql::{api_key, head, session};
use crate::token::keyring::Keyring;
use crate::{directory, key, token, view_as};

/// How long the database may take to say who somebody is.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long a session is taken for used lately enough without a look, in microseconds.
const FRESH: i64 = 60_000_000;

/// What tells whose a secret is.
pub(crate) struct Means {
    /// The hash of the key that is good before anybody has made one, and who shows it.
    pub(crate) fixed: Option<(Vec<u8>, Arc<Principal>)>,
    pub(crate) issuer: String,
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) secrets: Arc<Secrets>,
    /// Others whose tokens are taken.
    pub(crate) issuers: Arc<Issuers>,
}

/// What was used.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) enum Used {
    /// A key, by its id.
    Key(String),
    /// A session, by its id.
    Session(String),
}

/// Who is who.
pub(crate) struct Directory {
    db: Db,
    clock: SharedClock,
    means: Means,
    memory: Mutex<Memory>,
    /// What was used, and when, since it was last written down.
    used: Mutex<HashMap<Used, Timestamp>>,
    changes: watch::Sender<u64>,
}

impl Directory {
    pub(crate) fn new(db: Db, clock: SharedClock, means: Means) -> Directory {
        let (memory, used) = (Mutex::default(), Mutex::default());
        Directory { db, clock, means, memory, used, changes: watch::Sender::new(0) }
    }

    /// Hears of changes.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hears whether anything has changed since it last asked; then all is forgotten.
    pub(crate) async fn listen(&self) -> Result<(), DbError> {
        let asked = Instant::now();
        let number = within(async {
            let mut conn = self.db.reader(Look::Point).await?;
            head::number(&mut conn).await
        });
        let number = number.await?;
        let mut memory = self.memory();
        memory.heard(asked);
        if memory.change(number) {
            drop(memory);
            self.changes.send_modify(|number| *number += 1);
        }
        Ok(())
    }

    /// Takes what was used since it was last asked.
    pub(crate) fn take_used(&self) -> HashMap<Used, Timestamp> {
        std::mem::take(&mut self.used())
    }

    fn used(&self) -> MutexGuard<'_, HashMap<Used, Timestamp>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn look_up_key(&self, hash: Vec<u8>) -> Result<Option<Known>, DbError> {
        let mut conn = self.db.reader(Look::Point).await?;
        // Asked first: a change that comes in between makes what is read here forgotten again.
        let number = head::number(&mut conn).await?;
        let known = match api_key::by_hash(&mut conn, &hash).await? {
            None => None,
            Some(key) => {
                // Networks that cannot be read are nowhere.
                let networks = key.networks.iter().map(|net| net.parse().ok()).collect();
                let principal = directory::of_key(&mut conn, &key).await?;
                principal.zip(networks).map(|(principal, networks)| Known {
                    principal: Arc::new(principal),
                    expires_at: key.expires_at,
                    fresh_until: None,
                    networks,
                })
            }
        };
        self.memory().remember(number, hash, known.clone());
        Ok(known)
    }

    /// Who is in a session, shown by a secret that is good until a time.
    async fn look_up_session(
        &self,
        hash: Vec<u8>,
        shown: &ShownSession,
    ) -> Result<Option<Known>, DbError> {
        let mut conn = self.db.reader(Look::Point).await?;
        let number = head::number(&mut conn).await?;
        let now = self.clock.now();
        let found = session::find(&mut conn, &shown.session).await?;
        let found = found.filter(|session| session.is_good(now));
        let known = match found {
            Some(session) if shown.account.as_ref().is_none_or(|id| *id == session.account) => {
                let idle = session.last_used_at.micros() + IDLE;
                let fresh = idle.min(now.micros() + FRESH);
                let principal = directory::of_session(&mut conn, &session).await?;
                principal.map(|principal| Known {
                    principal: Arc::new(principal),
                    expires_at: Some(shown.until.min(session.expires_at)),
                    fresh_until: Some(Timestamp::from_micros(fresh)),
                    networks: Arc::new([]),
                })
            }
            _ => None,
        };
        self.memory().remember(number, hash, known.clone());
        Ok(known)
    }

    /// Which session a secret stands for, if it was made here.
    fn session_of(&self, shown: &Shown<'_>) -> Option<ShownSession> {
        let Means { issuer, keyring, secrets, .. } = &self.means;
        if shown.cookie {
            let session = secrets.read_cookie(shown.secret)?;
            return Some(ShownSession { session, account: None, until: Timestamp::MAX });
        }
        let now = self.clock.now();
        let read = token::is_like(shown.secret)
            .then(|| token::read(shown.secret, issuer, now, |kid| keyring.verifying(kid)))?;
        match read {
            Ok(claims) => Some(ShownSession {
                session: claims.session,
                account: Some(claims.account),
                until: claims.until,
            }),
            Err(refusal) => {
                tracing::debug!(why = refusal.0, "a token is refused");
                None
            }
        }
    }

    async fn look_again(&self, principal: &Principal) -> Result<Option<Arc<Principal>>, DbError> {
        let key = principal.id.starts_with("key:").then_some(principal.key_id.as_deref()).flatten();
        match (key, principal.session_id.as_deref()) {
            (Some(key), _) => self.key_again(key).await,
            (None, Some(session)) => self.session_again(session).await,
            // Nobody shows anything: an account by itself, as whom a rule runs.
            (None, None) => match principal.user_id.as_deref() {
                Some(account) => self.account_again(account).await,
                None => Ok(None),
            },
        }
    }

    async fn account_again(&self, id: &str) -> Result<Option<Arc<Principal>>, DbError> {
        let mut conn = self.db.reader(Look::Point).await?;
        Ok(directory::of_account(&mut conn, id).await?.map(Arc::new))
    }

    async fn session_again(&self, id: &str) -> Result<Option<Arc<Principal>>, DbError> {
        let mut conn = self.db.reader(Look::Point).await?;
        let number = head::number(&mut conn).await?;
        let now = self.clock.now();
        let found = session::find(&mut conn, id).await?.filter(|session| session.is_good(now));
        let principal = match found {
            Some(session) => directory::of_session(&mut conn, &session).await?.map(Arc::new),
            None => None,
        };
        self.memory().remember_current(number, id, &principal);
        Ok(principal)
    }

    async fn key_again(&self, id: &str) -> Result<Option<Arc<Principal>>, DbError> {
        let mut conn = self.db.reader(Look::Point).await?;
        let number = head::number(&mut conn).await?;
        let found = api_key::find(&mut conn, id).await?;
        let now = self.clock.now();
        let good = found.filter(|key| key.expires_at.is_none_or(|at| now < at));
        let principal = match good {
            Some(key) => directory::of_key(&mut conn, &key).await?.map(Arc::new),
            None => None,
        };
        self.memory().remember_current(number, id, &principal);
        Ok(principal)
    }
}

/// A session as a secret stands for it.
struct ShownSession {
    session: String,
    /// Whose it is to be, where the secret says so.
    account: Option<String>,
    until: Timestamp,
}

/// Waits no longer than somebody should who asks who they are.
async fn within<T>(asked: impl Future<Output = Result<T, DbError>>) -> Result<T, DbError> {
    let answer = tokio::time::timeout(PATIENCE, asked).await;
    answer.unwrap_or_else(|_| Err(DbError::Unavailable("it does not say who asks".to_owned())))
}

impl Directory {
    /// Whose secret this is, wherever it may be shown; `None` when it is nobody's.
    pub(crate) async fn find(&self, shown: Shown<'_>) -> Result<Option<Known>> {
        // What is remembered of a cookie is not remembered of a key: neither opens the other's door.
        let hash = if shown.cookie {
            key::hash(&format!("cookie {}", shown.secret))
        } else {
            key::hash(shown.secret)
        };
        if let Some((fixed, who)) = self.means.fixed.as_ref().filter(|_| !shown.cookie)
            && verify_slices_are_equal(fixed, &hash).is_ok()
        {
            let (principal, networks) = (who.clone(), Arc::new([]));
            return Ok(Some(Known { principal, expires_at: None, fresh_until: None, networks }));
        }
        let remembered = self.memory().recall(&hash, self.clock.now());
        match remembered {
            Some(known) => Ok(known),
            None if !shown.cookie && key::is_whole(shown.secret) => {
                Ok(within(self.look_up_key(hash)).await?)
            }
            None => Ok(self.look_up_token(hash, &shown).await?),
        }
    }

    /// Notes that a key or session was used.
    pub(crate) fn note(&self, principal: &Principal) {
        let used = match (&principal.key_id, &principal.session_id) {
            _ if self.is_fixed(principal) => None,
            (Some(key), _) => Some(Used::Key(key.clone())),
            (None, Some(session)) => Some(Used::Session(session.clone())),
            (None, None) => None,
        };
        if let Some(used) = used {
            let now = self.clock.now();
            self.used().insert(used, now);
        }
    }

    fn is_fixed(&self, principal: &Principal) -> bool {
        self.means.fixed.as_ref().is_some_and(|(_, who)| who.id == principal.id)
    }

    /// The number of the last change that was heard of.
    pub(crate) fn number(&self) -> i64 {
        self.memory().number()
    }
}

#[async_trait]
impl Identity for Directory {
    async fn identify(&self, shown: Shown<'_>) -> Result<Option<Arc<Principal>>> {
        let now = self.clock.now();
        let known = self.find(shown).await?;
        let Some(known) = known.filter(|known| known.is_good(now, shown.address)) else {
            return Ok(None);
        };
        self.note(&known.principal);
        Ok(Some(known.principal))
    }

    async fn view_as(&self, who: &Arc<Principal>, seen: Seen<'_>) -> Result<Arc<Principal>> {
        view_as::begin(&self.db, who, seen, self.clock.now()).await
    }

    async fn current(&self, principal: &Principal) -> Result<Option<Arc<Principal>>> {
        if let (Some(viewer), Some(account)) = (&principal.viewer, &principal.user_id) {
            let viewer = Box::pin(self.current(viewer)).await?;
            let Some(viewer) = viewer.filter(|who| who.may(VIEW_AS, "*")) else { return Ok(None) };
            let again = async {
                let mut conn = self.db.reader(Look::Point).await?;
                view_as::again(&mut conn, &viewer, account).await
            };
            return Ok(within(again).await?.map(Arc::new));
        }
        if let Some((_, fixed)) =
            self.means.fixed.as_ref().filter(|(_, who)| who.id == principal.id)
        {
            return Ok(Some(fixed.clone()));
        }
        if let Some(until) = principal.until {
            return Ok(within(self.token_again(principal, until)).await?);
        }
        let id = principal.session_id.as_deref().or(principal.key_id.as_deref());
        let remembered = id.and_then(|id| self.memory().current(id));
        match remembered {
            Some(principal) => Ok(principal),
            None => Ok(within(self.look_again(principal)).await?),
        }
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}
