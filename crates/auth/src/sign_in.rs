//! From a proof to a session: the password, the second factor, and the one transaction in which
//! all of it still holds.

use std::net::IpAddr;
use std::sync::PoisonError;
use std::time::Duration;

use forebay_db::seal::Master;
use forebay_db::{Conn, DbError, Look};
use forebay_http::principal::Peer;
use forebay_model::principal::Principal;
use forebay_model::time::Timestamp;
use forebay_model::{Code, Error, FieldError, Result};
use http::header::USER_AGENT;
use http::request::Parts;

use crate::password::{Password, Scheme};
use crate::session::{self, ABSOLUTE, Session};
use crate::sql::person::{Hashed, Person};
use crate::sql::{account, device as devices, person, recovery_code, session as sessions};
use crate::throttle::Pass;
use crate::{Auth, audit, device, directory, email, mail};

/// How long a try at a name waits that all the world tries.
const SLOW: Duration = Duration::from_secs(1);
const MAX_DEVICE_CHARACTERS: usize = 200;

/// Where a session is opened from.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) address: IpAddr,
    pub(crate) device: String,
}

/// Somebody whose password was right.
pub(crate) struct Proven {
    pub(crate) person: Person,
    /// The same password as it is hashed now, where it was hashed otherwise.
    pub(crate) rehashed: Option<Hashed>,
}

/// A second factor that was shown.
pub(crate) enum Second {
    /// None.
    None,
    /// A phone's code, by its step.
    Step(i64),
    /// A code on paper, by its hash.
    Paper(Vec<u8>),
}

/// What holds when a session is opened, or it is not.
pub(crate) struct Opening {
    pub(crate) session: Session,
    /// The password's hash that was compared with.
    pub(crate) compared: Option<String>,
    /// What takes its place.
    pub(crate) password: Option<Hashed>,
    pub(crate) second: Second,
    /// Which sessions end.
    pub(crate) ends: Ends,
}

/// Which sessions end when one is opened.
pub(crate) enum Ends {
    /// None.
    None,
    /// The one that it goes on from.
    One(String),
    /// All others of the account.
    Others,
}

/// A session that was opened.
pub(crate) struct Begun {
    pub(crate) session: Session,
    pub(crate) who: Principal,
    /// Some of the account's roles ask for a second factor that was not shown.
    pub(crate) limited: bool,
    /// The account was never signed in to from there.
    pub(crate) stranger: bool,
}

/// The one answer to whoever is not let in, whatever the reason.
pub(crate) fn wrong() -> Error {
    Error::new(Code::InvalidCredentials, "the e-mail address or the password is not right")
}

impl Caller {
    /// Reads a request; a cookie is given to browsers of this site alone.
    pub(crate) fn of(auth: &Auth, head: &Parts, peer: Peer, cookie: bool) -> Result<Caller> {
        if cookie {
            auth.inner.config.site.admit(peer, &head.headers)?;
            auth.inner.config.site.same_site(&head.method, &head.headers)?;
        }
        let device = head.headers.get(USER_AGENT).and_then(|value| value.to_str().ok());
        let device = device.unwrap_or_default().chars().take(MAX_DEVICE_CHARACTERS).collect();
        Ok(Caller { address: peer.0, device })
    }

    /// A new session of an account.
    pub(crate) fn session(&self, account: &str, second: bool, now: Timestamp) -> Result<Session> {
        Ok(Session {
            id: session::new_id()?,
            account: account.to_owned(),
            counter: 0,
            rotated_at: now,
            second_factor: second,
            created_at: now,
            proven_at: now,
            last_used_at: now,
            expires_at: Timestamp::from_micros(now.micros() + ABSOLUTE),
            device: self.device.clone(),
            address: self.address.to_string(),
        })
    }
}

impl Auth {
    /// Counts a try at a name; one that is slowed has waited then.
    pub(crate) async fn admit(&self, name: &str, address: IpAddr) -> Result<Pass> {
        let pass = self.inner.throttle.name(name, address, self.inner.clock.now());
        let pass = pass.inspect_err(|_| count("throttled"))?;
        if pass.slowed {
            count("slowed");
            let busy = || Error::overloaded("too many tries at once").retry_after(2);
            let _seat = self.inner.slowed.try_acquire().map_err(|_| busy())?;
            tokio::time::sleep(SLOW).await;
        }
        Ok(pass)
    }

    /// Whose address and password these are. Whoever is not known, has none or is disabled costs
    /// as much as whoever is not right.
    pub(crate) async fn prove(&self, email: &str, password: &str) -> Result<Option<Proven>> {
        let mut conn = self.inner.db.reader(Look::Point).await?;
        let found = person::by_email(&mut conn, &email::key(email)).await?;
        drop(conn);
        if let Some(person) = &found {
            audit::target(&person.account);
        }
        let proven = self.prove_person(found, "/password", password).await?;
        // Whose address was never shown to be theirs has cost as much.
        Ok(proven.filter(|proven| proven.person.verified))
    }

    /// Whether it is the password that somebody has chosen who is not let in yet.
    pub(crate) async fn prove_new(&self, person: Person, password: &str) -> Result<Option<Person>> {
        let proven = self.prove_person(Some(person), "/password", password).await?;
        Ok(proven.map(|proven| proven.person))
    }

    /// Whether it is somebody's password; `path` is where it stands.
    pub(crate) async fn prove_person(
        &self,
        found: Option<Person>,
        path: &str,
        password: &str,
    ) -> Result<Option<Proven>> {
        let most = Password::MAX_BYTES;
        let password = Password::new(password).ok_or_else(|| {
            Error::invalid(FieldError::new(path, "too_long", format!("at most {most} bytes")))
        })?;
        let stored = found.as_ref().and_then(|person| person.password.clone());
        let known = stored.is_some();
        let hash = stored.as_ref().map_or_else(|| self.dummy(), |stored| stored.hash.clone());
        let hasher = self.inner.hasher.clone();
        let short = stored.is_some_and(|stored| stored.short);
        let work = move || {
            let right = hasher.matches(&password, &hash)? && known;
            let rehashed = (right && hasher.is_old(&hash)).then(|| hasher.hash(&password));
            Ok((right, rehashed.transpose()?))
        };
        let (right, rehashed) = self.inner.pool.run(work).await?;
        let rehashed = rehashed.map(|hash| self.hashed(hash, short));
        Ok(found.filter(|_| right).map(|person| Proven { person, rehashed }))
    }

    /// Hashes a new password.
    pub(crate) async fn hash(&self, password: Password) -> Result<Hashed> {
        let short = crate::password::rules::is_short(&password);
        let hasher = self.inner.hasher.clone();
        let hash = self.inner.pool.run(move || hasher.hash(&password)).await?;
        Ok(self.hashed(hash, short))
    }

    fn hashed(&self, hash: String, short: bool) -> Hashed {
        Hashed { hash, cost: self.inner.hasher.scheme().name(), short }
    }

    fn dummy(&self) -> String {
        let dearest: Scheme = *self.inner.dearest.lock().unwrap_or_else(PoisonError::into_inner);
        dearest.dummy()
    }

    /// Opens a session if all that was shown still holds. Under the lock: whatever ends sessions
    /// at the same time has ended them before, or ends this one too.
    pub(crate) async fn open_session(&self, opening: Opening) -> Result<Begun> {
        let moves = !matches!(opening.ends, Ends::None);
        audit::account(&opening.session.account);
        audit::detail("second_factor", opening.session.second_factor);
        let master = self.inner.master.clone();
        let begun = self.locked(moves, |conn| Box::pin(open(conn, opening, master)));
        begun.await
    }
}

/// What refuses comes before what writes: a refusal leaves nothing behind.
async fn open(conn: &mut Conn, opening: Opening, master: Master) -> Result<Result<Begun>, DbError> {
    let Opening { session, compared, password, second, ends } = opening;
    let id = session.account.clone();
    let found = person::find(conn, &id).await?;
    let hash = found.and_then(|person| person.password).map(|password| password.hash);
    let account = account::find(conn, &id).await?.filter(|account| account.enabled);
    if account.is_none() || (compared.is_some() && compared != hash) {
        return Ok(Err(wrong()));
    }
    if let Ends::One(before) = &ends
        && sessions::find(conn, before).await?.is_none()
    {
        return Ok(Err(Error::new(Code::Unauthenticated, "the session has ended")));
    }
    let taken = match second {
        Second::None => true,
        Second::Step(step) => person::take_step(conn, &id, step).await?,
        Second::Paper(hash) => recovery_code::take(conn, &id, hash).await?,
    };
    if !taken {
        return Ok(Err(wrong_code()));
    }
    if let Some(password) = password {
        person::set_password(conn, &id, &password).await?;
    }
    let anew = matches!(ends, Ends::None);
    match ends {
        Ends::None => {}
        Ends::One(before) => sessions::delete(conn, &before).await?,
        Ends::Others => sessions::delete_others(conn, &id, "").await?,
    }
    let begun = begin(conn, session).await?;
    if let Some(begun) = begun.as_ref().filter(|begun| anew && begun.stranger) {
        mail::sign_in(conn, &master, &begun.session).await?;
    }
    Ok(begun.ok_or_else(wrong))
}

/// Writes a session; `None` when its account may not have one.
pub(crate) async fn begin(conn: &mut Conn, session: Session) -> Result<Option<Begun>, DbError> {
    let Some(who) = directory::of_session(conn, &session).await? else { return Ok(None) };
    sessions::insert(conn, &session).await?;
    let roles = account::find(conn, &session.account).await?.map(|account| account.roles);
    let limited = roles.is_some_and(|roles| roles.len() != who.roles.len());
    let place = device::hash(&session);
    let stranger = devices::see(conn, &session.account, place, session.proven_at).await?;
    Ok(Some(Begun { session, who, limited, stranger }))
}

/// The answer to a second factor that is not right, or was taken before.
pub(crate) fn wrong_code() -> Error {
    Error::new(Code::InvalidCredentials, "the code is not right, or was used before")
}

/// Counts how tries end.
pub(crate) fn count(outcome: &'static str) {
    metrics::counter!("forebay_logins_total", "outcome" => outcome).increment(1);
}
