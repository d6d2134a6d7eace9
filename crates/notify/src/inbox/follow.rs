//! Following an inbox: what comes, and how much is unread, as server-sent events.

use std::sync::Arc;
use std::time::Duration;

use forebay_db::Look;
use forebay_model::principal::Principal;
use forebay_model::{Code, Error};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::Notify;
use crate::controllers::inbox::{describe, unread};
use crate::sql::inbox as table;

/// How long nothing is said.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Items of one read.
const PAGE: i64 = 100;

/// Somebody who follows their own inbox.
pub(crate) struct Follower {
    notify: Notify,
    who: Arc<Principal>,
    account: String,
    /// All up to here was told.
    after: i64,
    counts: Value,
    changes: watch::Receiver<i64>,
    rights: watch::Receiver<u64>,
    /// There is something to read.
    due: bool,
    over: bool,
}

impl Follower {
    /// Begins after an item, or now.
    pub(crate) async fn begin(
        notify: Notify,
        who: Arc<Principal>,
        account: String,
        after: Option<i64>,
    ) -> Result<Follower, Error> {
        let inner = &notify.inner;
        let changes = inner.hub.follow(&account);
        let changes = changes.ok_or_else(|| Error::overloaded("too many subscriptions"))?;
        let mut conn = inner.db.reader(Look::Point).await?;
        let heads = table::heads(&mut conn, std::slice::from_ref(&account)).await?;
        drop(conn);
        let head = heads.first().map_or(0, |(_, seq, _)| *seq);
        let mut rights = inner.identity.changes();
        rights.mark_unchanged();
        let after = after.unwrap_or(head).min(head);
        let counts = Value::Null;
        Ok(Follower {
            notify,
            who,
            account,
            after,
            counts,
            changes,
            rights,
            due: true,
            over: false,
        })
    }

    /// The next events; `None` when it is over.
    pub(crate) async fn next(&mut self) -> Option<String> {
        let beat = Instant::now() + HEARTBEAT;
        loop {
            if self.over || self.notify.inner.stopping.is_cancelled() {
                return None;
            }
            if self.due {
                let read = self.read().await.unwrap_or_else(|error| self.end(&error));
                if !read.is_empty() {
                    return Some(read);
                }
                continue;
            }
            let stopping = self.notify.inner.stopping.clone();
            tokio::select! {
                () = stopping.cancelled() => {}
                changed = self.changes.changed() => {
                    self.due = true;
                    self.over |= changed.is_err();
                }
                changed = self.rights.changed() => {
                    self.over |= changed.is_err();
                    if let Err(error) = self.look_again().await {
                        return Some(self.end(&error));
                    }
                }
                () = tokio::time::sleep_until(beat) => {
                    return Some(frame("heartbeat", Some(self.after), &json!({})));
                }
            }
        }
    }

    async fn read(&mut self) -> Result<String, Error> {
        self.changes.mark_unchanged();
        let mut conn = self.notify.inner.db.reader(Look::Point).await?;
        let items = table::after(&mut conn, &self.account, self.after, PAGE).await?;
        let counts = unread(&mut conn, &self.account).await?;
        drop(conn);
        self.due = i64::try_from(items.len()).is_ok_and(|n| n == PAGE);
        let mut out = String::new();
        for item in &items {
            self.after = item.seq;
            out.push_str(&frame("item", Some(item.seq), &describe(item)));
        }
        if counts != self.counts {
            out.push_str(&frame("unread", Some(self.after), &counts));
            self.counts = counts;
        }
        Ok(out)
    }

    /// Ends it when whoever asks may not ask any more.
    async fn look_again(&self) -> Result<(), Error> {
        match self.notify.inner.identity.current(&self.who).await? {
            Some(_) => Ok(()),
            None => Err(Error::new(Code::AccessChanged, "rights have changed: subscribe again")),
        }
    }

    fn end(&mut self, error: &Error) -> String {
        self.over = true;
        let problem = forebay_http::problem::document(error, "");
        let problem = serde_json::from_str(&problem).unwrap_or_default();
        frame("error", None, &problem)
    }
}

/// A server-sent event (HTML Living Standard, 9.2).
fn frame(name: &str, id: Option<i64>, data: &Value) -> String {
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    format!("event: {name}\n{id}data: {data}\n\n")
}
