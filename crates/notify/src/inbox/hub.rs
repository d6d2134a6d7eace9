//! Who follows an inbox in this process: one look for all of them, so that what other processes write is
//! seen too.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use forebay_db::{DbError, Look};
use tokio::sync::{Notify as Signal, watch};

use crate::Inner;
use crate::sql::inbox;

/// How long a change waits at most for somebody to look.
const EVERY: Duration = Duration::from_millis(250);
/// The most who follow at once.
pub(crate) const MOST: usize = 10_000;

/// Those who follow. The value is how often something has changed; a hint, the table is the truth.
#[derive(Default)]
pub(crate) struct Hub {
    followed: Mutex<HashMap<String, watch::Sender<i64>>>,
    signal: Signal,
}

impl Hub {
    /// Follows an inbox; `None` when too many do.
    pub(crate) fn follow(&self, account: &str) -> Option<watch::Receiver<i64>> {
        let mut followed = self.followed();
        let all: usize = followed.values().map(watch::Sender::receiver_count).sum();
        if all >= MOST {
            return None;
        }
        // Nothing was heard yet: the first look says something new.
        let sender = followed.entry(account.to_owned()).or_insert_with(|| watch::Sender::new(-1));
        let receiver = sender.subscribe();
        drop(followed);
        self.signal.notify_one();
        Some(receiver)
    }

    /// Something has changed in this process: look at once.
    pub(crate) fn wake(&self) {
        self.signal.notify_one();
    }

    /// The inboxes that somebody follows now; the others are forgotten.
    fn accounts(&self) -> Vec<String> {
        let mut followed = self.followed();
        followed.retain(|_, sender| sender.receiver_count() > 0);
        followed.keys().cloned().collect()
    }

    fn advance(&self, account: &str, changes: i64) {
        if let Some(sender) = self.followed().get(account) {
            sender.send_if_modified(|known| {
                let newer = changes != *known;
                *known = changes;
                newer
            });
        }
    }

    fn followed(&self) -> MutexGuard<'_, HashMap<String, watch::Sender<i64>>> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks for those who follow, until it is dropped.
pub(crate) async fn run(inner: &Inner) {
    loop {
        let accounts = inner.hub.accounts();
        if accounts.is_empty() {
            inner.hub.signal.notified().await;
            continue;
        }
        if let Err(error) = look(inner, &accounts).await {
            tracing::warn!(%error, "inboxes cannot be looked at, will try again");
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = inner.hub.signal.notified() => {}
        }
    }
}

async fn look(inner: &Inner, accounts: &[String]) -> Result<(), DbError> {
    let mut conn = inner.db.reader(Look::Point).await?;
    for (account, _, changes) in inbox::heads(&mut conn, accounts).await? {
        inner.hub.advance(&account, changes);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_heard_by_those_who_follow_that_inbox() {
        let hub = Hub::default();
        let (mut ann, again, mut bob) =
            (hub.follow("ann").unwrap(), hub.follow("ann").unwrap(), hub.follow("bob").unwrap());
        hub.advance("ann", 3);
        hub.advance("nobody", 1);
        assert!(ann.has_changed().unwrap() && again.has_changed().unwrap());
        assert!(!bob.has_changed().unwrap());
        ann.mark_unchanged();
        hub.advance("ann", 3);
        assert!(!ann.has_changed().unwrap());
        drop((ann, again));
        bob.mark_unchanged();
        assert_eq!(hub.accounts(), ["bob"]);
    }
}
