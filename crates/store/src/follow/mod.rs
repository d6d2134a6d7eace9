//! One subscriber's way along a stream: it reads the log until it is up to date, then takes a seat in
//! the stream's hub; when it falls behind it reads again. It waits for nobody, and nobody for it.

pub(crate) mod event;
pub(crate) mod hub;
mod piece;

use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

use forebay_contract::Catalog;
use forebay_db::log::read::{Span, span};
use forebay_db::{DbError, Look};
use forebay_filter::{View, Wish};
use forebay_model::principal::{Principal, RECORDS_READ};
use forebay_model::record::Record;
use forebay_model::stream::Stream;
use forebay_model::{Code, Error};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::Store;
use event::Event;
use hub::Seat;
use piece::{Entry, Piece};

/// Most records of one read…
const PAGE: i64 = 500;
/// … and about how many bytes: a subscriber that does not read holds what it was handed.
const PAGE_BYTES: usize = 128 << 10;
/// Records of the first read, when nothing is known of their size.
const FIRST_PAGE: i64 = 8;
/// Bytes of events that are handed out at once, or one event.
const MOST_BYTES: usize = 64 << 10;
/// A subscriber takes a seat when it is so near the head; what is between is read beside it.
const NEAR: i64 = 2_000;

/// What is followed, and from where.
#[derive(Debug, Clone)]
pub(crate) struct Start {
    /// Only records that match, and that may be seen.
    pub(crate) wish: Wish,
    /// Whether no rule and no key's filter narrows what may be seen: only then is it told what was
    /// erased, since nobody knows any more whether that could be seen.
    pub(crate) sees_all: bool,
    /// Who follows.
    pub(crate) who: Arc<Principal>,
    /// After this position, of this epoch where one is named; from now on without it.
    pub(crate) after: Option<(Option<i64>, i64)>,
    /// Whether what is there is sent first.
    pub(crate) snapshot: bool,
    /// The stream's positions now.
    pub(crate) here: Span,
}

/// A subscriber's place.
pub(crate) struct Follower {
    store: Store,
    stream: Arc<Stream>,
    wish: Wish,
    sees_all: bool,
    who: Arc<Principal>,
    /// Moves when rights or rules changed: then both are looked at again.
    changes: watch::Receiver<u64>,
    looked_at: u64,
    /// Every record up to here was told, or did not match.
    after: i64,
    /// The head when the snapshot began, while it lasts.
    snapshot_to: Option<i64>,
    /// Where the hub's queue begins, while what is before is still read.
    joined_at: Option<i64>,
    seat: Option<Seat>,
    /// How many records the next read takes.
    page: i64,
    first: Vec<Event>,
    heard: Instant,
    failed: Option<Code>,
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
                first.push(Event::with("gap", Some(format!("{}-{after}", stream.epoch)), data));
            }
        } else if snapshot_to.is_none() {
            // Where "now" is: who drops out before the first record goes on from here.
            first.push(Event::plain("heartbeat", Some(format!("{}-{after}", stream.epoch))));
        }
        Follower {
            store: store.clone(),
            stream,
            wish: start.wish,
            sees_all: start.sees_all,
            who: start.who,
            looked_at: *store.inner.access_changes.borrow(),
            changes: store.inner.access_changes.subscribe(),
            after,
            snapshot_to,
            joined_at: None,
            seat: None,
            page: FIRST_PAGE,
            first,
            heard: Instant::now(),
            failed: None,
        }
    }

    /// The next events; `None` when the subscription is over. Giving this up midway loses nothing.
    pub(crate) async fn next(&mut self) -> Option<Vec<Event>> {
        loop {
            if self.failed.is_some() || self.store.inner.stopping.is_cancelled() {
                return None;
            }
            let events = match self.step().await {
                Ok(events) => events,
                Err(error) => {
                    self.failed = Some(error.code);
                    vec![self.problem(&error)]
                }
            };
            if !events.is_empty() {
                self.heard = Instant::now();
                return Some(events);
            }
        }
    }

    /// Reads, or waits, for as long as one heartbeat; no events are no news.
    async fn step(&mut self) -> Result<Vec<Event>, Error> {
        let changes = *self.changes.borrow_and_update();
        if changes != self.looked_at {
            self.looked_at = changes;
            self.look_again().await?;
        }
        let beat = self.heard + self.store.inner.config.heartbeat;
        let rest = self.rest()?;
        if self.seat.is_none() || self.joined_at.is_some() {
            let events = self.read().await?;
            let quiet = events.is_empty() && Instant::now() >= beat;
            return Ok(if quiet { vec![self.plain("heartbeat")] } else { events });
        }
        Ok(self.live(beat, rest).await)
    }

    /// How long whoever asks is known yet, where that ends by itself: then so does this.
    fn rest(&self) -> Result<Option<Duration>, Error> {
        let Some(until) = self.who.until else { return Ok(None) };
        let micros = until.micros() - self.store.inner.clock.now().micros();
        match u64::try_from(micros) {
            Ok(rest) if rest > 0 => Ok(Some(Duration::from_micros(rest))),
            _ => Err(Error::new(Code::AccessChanged, "the token has ended: show another one")),
        }
    }

    /// Takes what the hub has put into the queue; silence ends with a heartbeat.
    async fn live(&mut self, beat: Instant, rest: Option<Duration>) -> Vec<Event> {
        let Some(seat) = self.seat.as_mut() else { return Vec::new() };
        let position = seat.position();
        match seat.ready(MOST_BYTES) {
            Some(events) if events.is_empty() => self.after = self.after.max(position),
            events => return self.heard_of(events),
        }
        tokio::select! {
            () = self.store.inner.stopping.cancelled() => Vec::new(),
            _ = self.changes.changed() => Vec::new(),
            event = seat.next() => self.heard_of(event.map(|event| vec![event])),
            // The next step sees that it is over.
            () = tokio::time::sleep(rest.unwrap_or_default()), if rest.is_some() => Vec::new(),
            () = tokio::time::sleep_until(beat) => vec![self.plain("heartbeat")],
        }
    }

    /// Goes on to what the hub told; without anything the seat is lost, and the log is read again.
    fn heard_of(&mut self, events: Option<Vec<Event>>) -> Vec<Event> {
        let Some(mut events) = events else {
            self.seat = None;
            return Vec::new();
        };
        // A hub that lags behind the log tells again what was read here.
        events.retain(|event| event.seq() > self.after);
        self.after = events.last().map_or(self.after, Event::seq);
        events
    }

    /// Reads a page of the log; near its end, takes a seat first.
    async fn read(&mut self) -> Result<Vec<Event>, Error> {
        let db = &self.store.inner.db;
        let mut conn = db.reader(Look::Scan).await?;
        let up_to = match (self.joined_at, self.snapshot_to) {
            (Some(joined_at), _) => joined_at,
            (None, Some(snapshot_to)) => snapshot_to,
            (None, None) => {
                let here = span(&mut conn, self.stream.number).await?;
                let here = here.ok_or_else(|| DbError::Gone(self.stream.name.clone()))?;
                if here.last_seq - self.after <= NEAR {
                    self.join(here.last_seq);
                }
                self.joined_at.unwrap_or(here.last_seq)
            }
        };
        // Whoever gets a snapshot has nothing of what was erased before.
        let erased = self.sees_all && self.snapshot_to.is_none();
        let window = (self.after, up_to);
        let piece = Piece::read(&mut conn, self.stream.number, window, self.page, erased).await?;
        drop(conn);
        if let Some(found) = NonZero::new(piece.records.len()) {
            let bytes: usize = piece.records.iter().map(|record| record.data.len()).sum();
            let fit = PAGE_BYTES / (bytes / found + 1);
            self.page = i64::try_from(fit).unwrap_or(PAGE).clamp(1, PAGE);
        }
        // From here on nothing waits: a read that is given up midway loses no event.
        let mut events = std::mem::take(&mut self.first);
        events.extend(piece.entries().filter_map(|entry| self.told(&entry)));
        self.after = piece.up_to;
        if self.after >= up_to {
            self.joined_at = None;
            if self.snapshot_to.take().is_some() {
                events.push(self.plain("snapshot_end"));
            }
        }
        Ok(events)
    }

    /// What is told of an entry of the log, if anything.
    fn told(&self, entry: &Entry<'_>) -> Option<Event> {
        let (name, epoch) = (self.stream.name.as_str(), self.stream.epoch);
        match entry {
            Entry::Tombstone(tombstone) => Some(Event::deleted(epoch, tombstone)),
            Entry::Record(record) if !self.takes(record) => None,
            Entry::Record(record) if self.snapshot_to.is_some() => {
                Some(Event::in_snapshot(name, record))
            }
            Entry::Record(record) => Some(Event::created((name, epoch), record)),
        }
    }

    /// Ends the subscription when its rights, or the stream's rules, are not what they were.
    async fn look_again(&self) -> Result<(), Error> {
        let inner = &self.store.inner;
        let now = inner.identity.current(&self.who).await?;
        let same = now.as_deref() == Some(self.who.as_ref())
            && self.who.may_on_stream(RECORDS_READ, &self.stream.name);
        let stream = inner.catalog.stream(&self.stream.name).await?;
        if stream.number != self.stream.number {
            return Err(Error::not_found(format!("the stream `{}` as it was", stream.name)));
        }
        if same && stream.definition.access.read == self.stream.definition.access.read {
            return Ok(());
        }
        Err(Error::new(Code::AccessChanged, "rights or rules have changed: subscribe again"))
    }

    fn join(&mut self, head: i64) {
        let inner = &self.store.inner;
        let hub = inner.hubs.of(&inner.db, &self.stream, head);
        let (seat, position) = hub.join(self.wish.clone(), self.sees_all);
        self.seat = Some(seat);
        self.joined_at = Some(position);
    }

    fn takes(&self, record: &Record) -> bool {
        // `now()` is when the record arrived, whenever it is read.
        self.wish.matches(&View::from(record), record.received_at)
    }

    fn plain(&self, name: &'static str) -> Event {
        Event::plain(name, self.place())
    }

    /// Where a client goes on that has heard all until now: nowhere, while a snapshot lasts.
    fn place(&self) -> Option<String> {
        let place = format!("{}-{}", self.stream.epoch, self.after);
        self.snapshot_to.is_none().then_some(place)
    }

    /// Why the subscription is over, where it did not end with the process.
    pub(crate) fn failed(&self) -> Option<Code> {
        self.failed
    }

    fn problem(&self, error: &Error) -> Event {
        if error.code != Code::NotFound {
            tracing::warn!(error = %error, cause = error.cause, "subscription failed");
        }
        let data = forebay_http::problem::document(error, "");
        Event::with("error", self.place(), data)
    }
}
