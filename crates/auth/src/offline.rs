//! People's accounts for whoever holds the database: the command line of an operator. Nobody is
//! asked who they are; that an administrator is left is seen to here as well.

use std::sync::Arc;

use forebay_db::{Conn, Db, Lane, Look, outbox};
use forebay_model::audit::{Actor, Event};
use forebay_model::time::{SharedClock, Timestamp};
use forebay_model::{Code, Error, FieldError, Result};
use futures_util::future::BoxFuture;
use serde_json::Value;

use crate::challenge::RESET;
use crate::config::AuthConfig;
use crate::controllers::accounts::{one_is_left, unknown_role};
use crate::controllers::{Done, invitations, read_name, reset, users};
use crate::email;
use crate::open::OpenError;
use crate::password::rules::{self, Owner};
use crate::password::{Hasher, Password};
use crate::session::Secrets;
use crate::sql::account::{self, Account};
use crate::sql::person::{self, Hashed, Person};
use crate::sql::{head, session, setting};
use crate::throttle::Throttle;

/// How long a count that was set back is remembered as such; the count itself is forgotten sooner.
const UNLOCKED: i64 = 24 * 3600 * 1_000_000;
/// How many people are read at a time.
const PAGE: i64 = 1000;

/// The accounts of a database.
pub struct Offline {
    db: Db,
    clock: SharedClock,
    hasher: Arc<Hasher>,
    secrets: Secrets,
    throttle: Throttle,
}

/// Somebody new.
pub struct NewPerson<'n> {
    /// What they sign in with.
    pub email: &'n str,
    /// For people; the address without it.
    pub name: Option<&'n str>,
    /// What they may do.
    pub roles: &'n [String],
    /// 15 characters or more.
    pub password: &'n str,
}

impl Offline {
    /// Opens the accounts of a database that was used with this master key, or is new.
    pub async fn open(
        db: &Db,
        clock: SharedClock,
        config: &AuthConfig,
    ) -> std::result::Result<Offline, OpenError> {
        let master = crate::open::master(db, config).await?;
        Ok(Offline {
            db: db.clone(),
            clock,
            hasher: Arc::new(Hasher::new(&master, config.scheme)),
            secrets: Secrets::new(&master),
            throttle: Throttle::new(&master),
        })
    }

    /// Makes an account; it is described as the API does.
    pub async fn create(&self, new: NewPerson<'_>) -> Result<Value> {
        email::check(new.email)?;
        let name = read_name(Some(new.name.unwrap_or(new.email).to_owned()))?;
        let owner = Owner { email: new.email, name: &name, second_factor: false };
        let password = self.hash(new.password, &owner)?;
        let account = invitations::new_account(name, new.roles.to_vec(), self.clock.now());
        let person = invitations::person(&account.id, new.email, password);
        let mut event = event("user.create", &account.id);
        event.details.insert("roles".to_owned(), account.roles.clone().into());
        self.change(event, move |conn| {
            Box::pin(async move {
                if let Some(error) = unknown_role(conn, &account.roles).await? {
                    return Ok(Err(error));
                }
                if !person::insert(conn, &person).await? {
                    return Ok(Err(users::taken()));
                }
                account::put(conn, &account).await?;
                Ok(Ok(users::describe(&account, &person)))
            })
        })
        .await
    }

    /// All people, described as the API does.
    pub async fn list(&self) -> Result<Vec<Value>> {
        let mut conn = self.db.reader(Look::Scan).await?;
        let (mut people, mut after) = (Vec::new(), String::new());
        loop {
            let page = account::list(&mut conn, true, &after, PAGE).await?;
            for account in &page {
                if let Some(person) = person::find(&mut conn, &account.id).await? {
                    people.push(users::describe(account, &person));
                }
            }
            match page.last() {
                Some(last) => after.clone_from(&last.id),
                None => return Ok(people),
            }
        }
    }

    /// Lets somebody in, or no longer: then their sessions end.
    pub async fn enable(&self, email: &str, enabled: bool) -> Result<Value> {
        let key = email::key(email);
        let mut event = event("user.update", &self.known(email).await?.0.id);
        event.details.insert("enabled".to_owned(), enabled.into());
        self.change(event, move |conn| {
            Box::pin(async move {
                let (mut account, person) = match known(conn, &key).await? {
                    Ok(known) => known,
                    Err(error) => return Ok(Err(error)),
                };
                let before = account.clone();
                account.enabled = enabled;
                account.version += 1;
                if let Err(error) = one_is_left(conn, &before, Some(&account)).await? {
                    return Ok(Err(error));
                }
                account::put(conn, &account).await?;
                if !enabled {
                    session::delete_others(conn, &account.id, "").await?;
                }
                Ok(Ok(users::describe(&account, &person)))
            })
        })
        .await
    }

    /// Gives somebody another password; their sessions end. Without their second factor, where that
    /// is dropped.
    pub async fn set_password(&self, email: &str, password: &str, drop: bool) -> Result<()> {
        let (account, person) = self.known(email).await?;
        let second_factor = person.totp.is_some() && !drop;
        let owner = Owner { email: &person.email, name: &account.name, second_factor };
        let password = self.hash(password, &owner)?;
        let mut event = event("password.reset", &account.id);
        event.details.insert("second_factor_dropped".to_owned(), drop.into());
        self.change(event, move |conn| {
            Box::pin(async move {
                if drop {
                    users::drop_second_factor(conn, &account.id).await?;
                }
                users::reset(conn, &account.id, &password).await?;
                Ok(Ok(()))
            })
        })
        .await
    }

    /// A token by which somebody chooses a password, once and within an hour. Where the second
    /// factor is dropped, a password that is too short to be alone goes with it.
    pub async fn reset_token(&self, email: &str, drop: bool) -> Result<String> {
        let (account, _) = self.known(email).await?;
        if !account.enabled {
            return Err(Error::new(Code::Conflict, "the account is disabled"));
        }
        let mut event = event("password.reset_link", &account.id);
        event.details.insert("second_factor_dropped".to_owned(), drop.into());
        let id = account.id.clone();
        let person = self.change(event, move |conn| {
            Box::pin(async move {
                if drop {
                    users::drop_second_factor(conn, &id).await?;
                    session::delete_others(conn, &id, "").await?;
                }
                let person = person::find(conn, &id).await?;
                Ok(person.ok_or_else(|| Error::not_found("the account")))
            })
        });
        let hash = reset::hash_of(&person.await?);
        Ok(RESET.write(self.secrets.reset(), &account.id, &hash, self.clock.now()))
    }

    /// Has somebody's tries counted anew by all processes.
    pub async fn unlock(&self, email: &str) -> Result<()> {
        let (account, person) = self.known(email).await?;
        let names = [&person.email_key, &account.id].map(|name| self.throttle.unlocked_name(name));
        let now = self.clock.now();
        let over = Timestamp::from_micros(now.micros() - UNLOCKED);
        self.change(event("user.unlock", &account.id), move |conn| {
            Box::pin(async move {
                for name in names {
                    setting::unlock(conn, &name, now, over).await?;
                }
                Ok(Ok(()))
            })
        })
        .await
    }

    /// A short one is told at once: nobody waits in a queue here.
    fn hash(&self, text: &str, owner: &Owner<'_>) -> Result<Hashed> {
        let password: Password = rules::check("/password", text, owner)?;
        let short = rules::is_short(&password);
        let hash = self.hasher.hash(&password)?;
        Ok(Hashed { hash, cost: self.hasher.scheme().name(), short })
    }

    async fn known(&self, email: &str) -> Result<(Account, Person)> {
        let mut conn = self.db.reader(Look::Point).await?;
        known(&mut conn, &email::key(email)).await?
    }

    /// As a server changes identity: one after the other, heard everywhere, and written down.
    async fn change<T, F>(&self, event: Event, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut Conn) -> BoxFuture<'c, Done<T>> + Send + 'static,
    {
        let now = self.clock.now();
        let run = self.db.writer().run(Lane::Interactive, move |conn| {
            Box::pin(async move {
                head::lock(conn).await?;
                let done = work(conn).await?;
                if done.is_ok() {
                    outbox::note(conn, &event, now).await?;
                    head::bump(conn).await?;
                }
                Ok(done)
            })
        });
        run.await?
    }
}

/// Done by whoever holds the database, whose name is not known here.
fn event(action: &'static str, account: &str) -> Event {
    let actor = Actor { id: "system:command-line".to_owned(), ..Actor::default() };
    let target = Some(("account", account.to_owned()));
    Event { action, actor: Some(actor), target, ..Event::default() }
}

async fn known(conn: &mut Conn, key: &str) -> Done<(Account, Person)> {
    let unknown = || {
        let message = "nobody has this address";
        Error::not_found("the account").field(FieldError::new("/email", "unknown", message))
    };
    let Some(person) = person::by_email(conn, key).await? else { return Ok(Err(unknown())) };
    let account = account::find(conn, &person.account).await?;
    Ok(account.map(|account| (account, person)).ok_or_else(unknown))
}
