//! One subscriber's way along the log: it reads at its own pace, so a slow one holds nobody up.

use std::sync::Arc;

use forebay_db::log::read::{Page, Span, page, span};
use forebay_db::{DbError, Look, Order};
use forebay_model::record::Record;
use forebay_model::stream::Stream;
use forebay_model::{Code, Error};
use tokio::sync::watch;

use crate::Store;

const PAGE: i64 = 200;

/// Where a subscription begins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Start {
    /// After this position, of this epoch where one is named; from now on without it.
    pub(crate) after: Option<(Option<i64>, i64)>,
    /// Whether what is there is sent first.
    pub(crate) snapshot: bool,
    /// The stream's positions now.
    pub(crate) here: Span,
}

/// What a subscriber is told.
pub(crate) struct Event {
    name: &'static str,
    id: String,
    data: String,
}

impl Event {
    /// As a server-sent event (HTML Living Standard, 9.2).
    pub(crate) fn sse(&self) -> String {
        format!("event: {}\nid: {}\ndata: {}\n\n", self.name, self.id, self.data)
    }

    /// As a WebSocket frame's text.
    pub(crate) fn frame(&self) -> String {
        format!(r#"{{"event":"{}","id":"{}","data":{}}}"#, self.name, self.id, self.data)
    }
}

/// A subscriber's place.
pub(crate) struct Follower {
    store: Store,
    stream: Arc<Stream>,
    head: watch::Receiver<i64>,
    after: i64,
    /// The head when the snapshot began, while it lasts.
    snapshot_to: Option<i64>,
    first: Vec<Event>,
    ended: bool,
}

impl Follower {
    pub(crate) fn new(store: &Store, stream: Arc<Stream>, start: Start) -> Self {
        let here = start.here;
        let mut first = Vec::new();
        let snapshot_to = (start.snapshot && start.after.is_none()).then_some(here.last_seq);
        let mut after = match (start.after, snapshot_to) {
            (None, None) => here.last_seq,
            (None, Some(_)) => here.first_seq - 1,
            (Some((_, seq)), _) => seq,
        };
        if let Some((epoch, asked)) = start.after {
            let other_epoch = epoch.is_some_and(|e| e != stream.epoch) || asked > here.last_seq;
            let trimmed = asked > 0 && asked + 1 < here.first_seq;
            if other_epoch || trimmed {
                after = here.first_seq - 1;
                let data = format!(r#"{{"after":{asked},"first":{}}}"#, here.first_seq);
                let id = format!("{}-{after}", stream.epoch);
                first.push(Event { name: "gap", id, data });
            }
        }
        let head = store.inner.db.heads().follow(stream.number);
        Follower { store: store.clone(), stream, head, after, snapshot_to, first, ended: false }
    }

    /// The next events, as many as there are in a page; `None` when the subscription is over.
    pub(crate) async fn next(&mut self) -> Option<Vec<Event>> {
        if self.ended {
            return None;
        }
        if self.first.is_empty() && self.snapshot_to.is_none() && self.after == *self.head.borrow()
        {
            return self.wait().await;
        }
        self.head.mark_unchanged();
        match self.read().await {
            Ok(events) if events.is_empty() => self.wait().await,
            Ok(events) => Some(events),
            Err(error) => {
                self.ended = true;
                Some(vec![self.problem(&error)])
            }
        }
    }

    async fn read(&mut self) -> Result<Vec<Event>, Error> {
        let mut conn = self.store.inner.db.reader(Look::Scan).await?;
        let wanted = Page {
            order: Order::SeqAscending,
            after: Some((self.after, 0)),
            up_to: self.snapshot_to.unwrap_or(i64::MAX),
            limit: PAGE,
        };
        let records = page(&mut conn, self.stream.number, wanted).await?;
        if records.is_empty() && span(&mut conn, self.stream.number).await?.is_none() {
            return Err(DbError::Gone(self.stream.name.clone()).into());
        }
        // From here on nothing waits: a read that is given up midway loses no event.
        let mut events = std::mem::take(&mut self.first);
        let name = if self.snapshot_to.is_some() { "snapshot" } else { "create" };
        events.extend(records.iter().map(|record| self.event(name, record)));
        if let Some(last) = records.last() {
            self.after = last.seq;
        }
        if self.snapshot_to.is_some_and(|to| self.after >= to) {
            self.snapshot_to = None;
            events.push(self.plain("snapshot_end"));
        }
        Ok(events)
    }

    /// Waits for something new; silence ends with a heartbeat.
    async fn wait(&mut self) -> Option<Vec<Event>> {
        let heartbeat = tokio::time::sleep(self.store.inner.config.heartbeat);
        tokio::select! {
            () = self.store.inner.stopping.cancelled() => None,
            changed = self.head.changed() => changed.ok().map(|()| Vec::new()),
            () = heartbeat => Some(vec![self.plain("heartbeat")]),
        }
    }

    fn event(&self, name: &'static str, record: &Record) -> Event {
        let mut data = String::from("{\"record\":");
        record.write_json(&self.stream.name, &mut data);
        data.push('}');
        Event { name, id: format!("{}-{}", self.stream.epoch, record.seq), data }
    }

    fn plain(&self, name: &'static str) -> Event {
        let id = format!("{}-{}", self.stream.epoch, self.after);
        Event { name, id, data: "{}".to_owned() }
    }

    fn problem(&self, error: &Error) -> Event {
        if error.code != Code::NotFound {
            tracing::warn!(error = %error, cause = error.cause, "subscription failed");
        }
        let data = forebay_http::problem::document(error, "");
        Event { data, ..self.plain("error") }
    }
}
