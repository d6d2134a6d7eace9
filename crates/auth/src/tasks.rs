//! Background loops.

use std::time::Duration;

use forebay_db::{Db, Lane};
use forebay_model::time::Timestamp;

use crate::identity::{Directory, Used};
use crate::quota::Counts;
use crate::sql::{account, api_key, device, person, session};
use crate::{Auth, Inner};

/// How often the database is asked whether anybody's rights have changed.
const LISTEN: Duration = Duration::from_millis(250);
/// How often signing keys are looked at; what other processes made is taken then.
const TURN: Duration = Duration::from_secs(60);
/// How often it is written down which keys and sessions were used.
const NOTE: Duration = Duration::from_secs(60);
/// How often the counts of periods that are over are deleted.
const SWEEP: Duration = Duration::from_secs(3600);
/// How long a place is known that nobody signs in from, in microseconds.
const FORGET: i64 = 180 * 24 * 3600 * 1_000_000;
/// How long an address may be shown to be somebody's, in microseconds.
const UNVERIFIED: i64 = 7 * 24 * 3600 * 1_000_000;

impl Auth {
    /// Its background loops; they run until they are dropped.
    pub async fn tasks(self) {
        let Inner { db, directory, counts, issuers, .. } = self.inner.as_ref();
        tokio::join!(
            listen(directory),
            note_used(directory, db),
            turn_keys(&self),
            unlock(&self),
            sweep_quotas(counts),
            sweep_people(&self),
            issuers.keep()
        );
    }
}

/// Hears of changes that other processes made, until it is dropped.
async fn listen(directory: &Directory) {
    let mut every = tokio::time::interval(LISTEN);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        // Without an answer, what is remembered is soon trusted no more.
        if let Err(error) = directory.listen().await {
            tracing::warn!(%error, "changes of rights cannot be heard");
        }
    }
}

/// Writes down which keys and sessions were used, until it is dropped.
async fn note_used(directory: &Directory, db: &Db) {
    let mut every = tokio::time::interval(NOTE);
    loop {
        every.tick().await;
        for (used, at) in directory.take_used() {
            let noted = db.writer().run(Lane::Maintenance, move |conn| {
                Box::pin(async move {
                    match used {
                        Used::Key(id) => api_key::used(conn, &id, at).await,
                        Used::Session(id) => session::used(conn, &id, at).await,
                    }
                })
            });
            if let Err(error) = noted.await {
                tracing::warn!(%error, "when a key or session was used is not written down");
            }
        }
    }
}

/// Deletes the counts of periods that are over, until it is dropped.
async fn sweep_quotas(counts: &Counts) {
    let mut every = tokio::time::interval(SWEEP);
    loop {
        every.tick().await;
        if let Err(error) = counts.sweep().await {
            tracing::warn!(%error, "old counts of quotas are not deleted");
        }
    }
}

/// Forgets places that nobody signs in from any more, and accounts whose address nobody has shown to be
/// theirs, until it is dropped.
async fn sweep_people(auth: &Auth) {
    let mut every = tokio::time::interval(SWEEP);
    loop {
        every.tick().await;
        let now = auth.inner.clock.now();
        let before = |span: i64| Timestamp::from_micros(now.micros() - span);
        let (places, people) = (before(FORGET), before(UNVERIFIED));
        let swept = auth.inner.db.writer().run(Lane::Maintenance, move |conn| {
            Box::pin(async move {
                device::sweep(conn, places).await?;
                for id in person::unverified(conn, people).await? {
                    account::delete(conn, &id).await?;
                }
                Ok(())
            })
        });
        if let Err(error) = swept.await {
            tracing::warn!(%error, "what is over about people is not forgotten");
        }
    }
}

/// Hears whose counts of tries were set back, until it is dropped.
async fn unlock(auth: &Auth) {
    let mut changes = auth.inner.directory.subscribe();
    loop {
        if let Err(error) = auth.hear_unlocked().await {
            tracing::warn!(%error, "who was unlocked cannot be heard");
        }
        // The directory lives as long as this does.
        let _ = changes.changed().await;
    }
}

/// Sees to it that there is a key that signs, until it is dropped.
async fn turn_keys(auth: &Auth) {
    let mut every = tokio::time::interval(TURN);
    // The first turn was a start's.
    every.tick().await;
    loop {
        every.tick().await;
        if let Err(error) = auth.turn_keys().await {
            tracing::warn!(%error, "signing keys cannot be looked at");
        }
    }
}
