//! What a start finds in the database, or makes there: the same for all processes of a deployment.

use std::sync::{Arc, Mutex};

use forebay_db::{Conn, Db, DbError, Lane, Look};
use forebay_http::cursor::Sealer;
use forebay_model::Error;
use forebay_model::time::{SharedClock, Timestamp};

use crate::audit::Refusals;
use crate::config::AuthConfig;
use crate::identity::{Directory, Means};
use crate::issuer::Issuers;
use crate::password::pool::Pool;
use crate::password::{Hasher, Scheme};
use crate::quota::Counts;
use crate::session::Secrets;
use crate::sql::setting::{self, ADMIN_KEY, CURSOR_SECRET, FINGERPRINT, SETUP};
use crate::sql::{account, person, signing_key};
use crate::throttle::Throttle;
use crate::token::jws::SigningKey;
use crate::token::keyring::{self, Key, Keyring};
use crate::{Auth, Inner, directory, key, setup};
use forebay_db::seal::Master;

/// What signing keys are sealed for.
const SEALED_KEY: &str = "signing key";

/// What a start finds or makes.
pub struct Opened {
    /// The service.
    pub auth: Auth,
    /// The administrator's first key, when it was made just now: to be shown once.
    pub made: Option<String>,
    /// What cursors are signed with; the same for all processes of a deployment.
    pub sealer: Sealer,
    /// What secrets are sealed with; the same for all processes of a deployment.
    pub master: Master,
    /// The token of the setup link, for as long as no person is an administrator.
    pub setup: Option<String>,
}

/// The key that is good before anybody has made one.
#[derive(Debug, Clone, Copy)]
pub enum First<'k> {
    /// An administrator's, from the environment.
    Given(&'k str),
    /// An administrator's, which a first start makes and stores the hash of.
    Made,
    /// One that may do little, and is good until the process ends.
    ForThisRun(&'k str, &'k [&'k str]),
}

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A setting is not right.
    #[error("{0}")]
    Configuration(String),
    /// Anything else.
    #[error(transparent)]
    Other(#[from] Error),
}

impl From<DbError> for OpenError {
    fn from(error: DbError) -> Self {
        OpenError::Other(error.into())
    }
}

/// What is kept in the database from the first start on.
struct Kept {
    fingerprint: Vec<u8>,
    cursor_secret: Vec<u8>,
    admin_key: Option<Vec<u8>>,
}

impl Auth {
    /// Opens the service: with the environment's key where there is one, else with the one that a
    /// first start makes. Only its hash is stored.
    pub async fn open(
        db: &Db,
        clock: SharedClock,
        first: First<'_>,
        config: AuthConfig,
    ) -> Result<Opened, OpenError> {
        let master = find_master(db, &config).await?;
        let new = match first {
            First::Made => Some(key::generate("admin")?),
            First::Given(_) | First::ForThisRun(..) => None,
        };
        let own = new.as_deref().map(key::hash);
        let kept = keep(db, master.fingerprint().to_vec(), own.clone()).await?;
        check(&master, &kept)?;
        let made = new.filter(|_| own == kept.admin_key);
        let fixed = match first {
            First::Given(key) => Some((key::hash(key), directory::bootstrap())),
            First::Made => kept.admin_key.map(|hash| (hash, directory::bootstrap())),
            First::ForThisRun(key, rights) => {
                Some((key::hash(key), directory::for_this_run(rights)))
            }
        };
        let fixed = fixed.map(|(hash, who)| (hash, Arc::new(who)));
        let sealer = Sealer::new(&kept.cursor_secret);
        let issuer = config.site.origin().map_or_else(
            || format!("urn:forebay:{}", uuid::Uuid::from_bytes(master.derive("issuer"))),
            str::to_owned,
        );
        let issuers = other_issuers(&config, &issuer, &clock)?;
        let keyring = Arc::new(Keyring::default());
        let secrets = Arc::new(Secrets::new(&master));
        let (keys, proofs) = (keyring.clone(), secrets.clone());
        let means = Means {
            fixed,
            issuer: issuer.clone(),
            keyring: keys,
            secrets: proofs,
            issuers: issuers.clone(),
        };
        let inner = Inner {
            directory: Arc::new(Directory::new(db.clone(), clock.clone(), means)),
            counts: Arc::new(Counts::new(db.clone(), clock.clone(), &master)),
            db: db.clone(),
            clock,
            sealer: sealer.clone(),
            hasher: Arc::new(Hasher::new(&master, config.scheme)),
            pool: Pool::start(config.hash_wait)?,
            dearest: Mutex::new(config.scheme),
            throttle: Throttle::new(&master),
            slowed: tokio::sync::Semaphore::new(crate::SLOWED),
            refusals: Refusals::new(),
            issuer,
            issuers,
            keyring,
            secrets,
            master: master.clone(),
            config,
        };
        let auth = Auth { inner: Arc::new(inner) };
        auth.find_dearest().await?;
        auth.turn_keys().await?;
        let setup = setup::pending(&auth).await?;
        Ok(Opened { auth, made, sealer, master, setup })
    }

    /// Finds the dearest hash in use: whoever is not known is to cost as much.
    async fn find_dearest(&self) -> Result<(), Error> {
        let mut conn = self.inner.db.reader(Look::Point).await?;
        let known = person::costs(&mut conn).await?;
        let known = known.iter().filter_map(|name| Scheme::parse(name));
        let all = known.chain([self.inner.config.scheme]);
        if let Some(dearest) = all.max_by_key(|scheme| scheme.rank()) {
            *self.inner.dearest.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = dearest;
        }
        Ok(())
    }

    /// Takes whose counts of tries were set back.
    pub(crate) async fn hear_unlocked(&self) -> Result<(), Error> {
        let mut conn = self.inner.db.reader(Look::Point).await?;
        self.inner.throttle.unlock(setting::unlocked(&mut conn).await?);
        Ok(())
    }

    /// Makes the signing keys that are needed and takes those that are there.
    pub(crate) async fn turn_keys(&self) -> Result<(), Error> {
        let now = self.inner.clock.now();
        let mut conn = self.inner.db.reader(Look::Point).await?;
        let mut kept = signing_key::all(&mut conn).await?;
        drop(conn);
        let times: Vec<_> = kept.iter().map(|key| key.times).collect();
        if keyring::plan(&times, now) != keyring::Plan::default() {
            let master = self.inner.master.clone();
            let made = self.locked(false, move |conn| {
                Box::pin(async move { make_keys(conn, &master, now).await.map(Ok) })
            });
            kept = made.await?;
        }
        let keys = kept.into_iter().map(|kept| {
            let plain = self.inner.master.open(SEALED_KEY, &kept.kid, &kept.sealed)?;
            let signing = SigningKey::read(&plain).map_err(Error::internal)?;
            Ok(Key { signing: Arc::new(signing), times: kept.times })
        });
        self.inner.keyring.replace(keys.collect::<Result<_, Error>>()?);
        Ok(())
    }
}

/// What cursors are sealed with, for a process without this service: it needs no master key.
pub async fn sealer(db: &Db) -> Result<Sealer, Error> {
    let secret = key::random()?.to_vec();
    let run = db.writer().run(Lane::Interactive, move |conn| {
        Box::pin(async move { setting::keep(conn, CURSOR_SECRET, secret).await })
    });
    Ok(Sealer::new(&run.await?))
}

/// The issuers whose tokens are taken besides our own.
fn other_issuers(
    config: &AuthConfig,
    own: &str,
    clock: &SharedClock,
) -> Result<Arc<Issuers>, OpenError> {
    if config.issuers.iter().any(|issuer| issuer.issuer == own) {
        let what = format!("auth.issuers: `{own}` is this Forebay itself");
        return Err(OpenError::Configuration(what));
    }
    let issuers = Issuers::new(&config.issuers, clock);
    let wrong = |what| OpenError::Configuration(format!("auth.issuers: {what}"));
    issuers.map(Arc::new).map_err(wrong)
}

/// Finds the master key, and refuses one that is not the database's; for a process without this service.
pub async fn master(db: &Db, config: &AuthConfig) -> Result<Master, OpenError> {
    let master = find_master(db, config).await?;
    let kept = keep(db, master.fingerprint().to_vec(), None).await?;
    check(&master, &kept)?;
    Ok(master)
}

fn check(master: &Master, kept: &Kept) -> Result<(), OpenError> {
    if kept.fingerprint == master.fingerprint() {
        return Ok(());
    }
    Err(OpenError::Configuration(
        "auth.master_key: the database was used with another master key: set MASTER_KEY to the one \
         that all processes of this deployment share"
            .to_owned(),
    ))
}

async fn find_master(db: &Db, config: &AuthConfig) -> Result<Master, OpenError> {
    let mut conn = db.reader(Look::Point).await?;
    let known = setting::find(&mut conn, FINGERPRINT).await?.is_some();
    let given = config.master_key.as_deref();
    let found = Master::find(given, &config.master_key_file, known);
    found.map_err(OpenError::Configuration)
}

async fn keep(
    db: &Db,
    fingerprint: Vec<u8>,
    admin_key: Option<Vec<u8>>,
) -> Result<Kept, OpenError> {
    let (cursor_secret, nonce) = (key::random()?.to_vec(), key::random()?.to_vec());
    let run = db.writer().run(Lane::Interactive, move |conn| {
        Box::pin(async move {
            let fingerprint = setting::keep(conn, FINGERPRINT, fingerprint).await?;
            let cursor_secret = setting::keep(conn, CURSOR_SECRET, cursor_secret).await?;
            setting::keep(conn, SETUP, nonce).await?;
            let admin_key = match admin_key {
                // Where a person is the administrator already, nobody needs a key to become one.
                Some(hash) => match setting::find(conn, ADMIN_KEY).await? {
                    None if account::has_administrator(conn).await? => None,
                    _ => Some(setting::keep(conn, ADMIN_KEY, hash).await?),
                },
                None => None,
            };
            Ok(Kept { fingerprint, cursor_secret, admin_key })
        })
    });
    Ok(run.await?)
}

/// Under the lock: several processes make one key.
async fn make_keys(
    conn: &mut Conn,
    master: &Master,
    now: Timestamp,
) -> Result<Vec<signing_key::Kept>, DbError> {
    let failed = |error: &dyn std::fmt::Display| DbError::Internal(error.to_string());
    let times: Vec<_> = signing_key::all(conn).await?.iter().map(|key| key.times).collect();
    let plan = keyring::plan(&times, now);
    if plan.strike {
        signing_key::strike(conn, now).await?;
    }
    for times in plan.make {
        let (key, plain) = SigningKey::generate().map_err(|e| failed(&e))?;
        let kid = key.kid().to_owned();
        let sealed = master.seal(SEALED_KEY, &kid, &plain).map_err(|e| failed(&e))?;
        signing_key::insert(conn, &signing_key::Kept { kid, sealed, times }).await?;
    }
    signing_key::all(conn).await
}

/// Whether a person is an administrator.
pub(crate) async fn has_administrator(auth: &Auth) -> Result<bool, Error> {
    let mut conn = auth.inner.db.reader(Look::Point).await?;
    Ok(account::has_administrator(&mut conn).await?)
}
