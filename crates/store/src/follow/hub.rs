//! What new records of a stream are told to: one reader for all subscribers that are up to date.
//!
//! The hub reads each record once, asks the matcher who wants it, and puts it into their queues. A
//! queue that is full is closed: its subscriber reads the log by itself until it is up to date again.
//! So nobody waits for anybody, and nothing is lost. A record that is erased is told of in the same way;
//! queues that may still hold it are thrown away, with the same end.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use forebay_db::log::Tombstone;
use forebay_db::log::read::span;
use forebay_db::{Db, DbError, Look};
use forebay_filter::{Matcher, View, Wish};
use forebay_model::record::Record;
use forebay_model::stream::Stream;
use tokio::sync::mpsc;

use super::event::Event;
use super::piece::{Entry, Piece};

const PAGE: i64 = 200;
/// Events that wait for one subscriber.
const QUEUE_EVENTS: usize = 256;
/// Bytes of them.
const QUEUE_BYTES: usize = 256 << 10;
/// How long after a failed read the next one comes.
const PAUSE: Duration = Duration::from_millis(500);

/// The hubs of a process, by the number of their stream.
#[derive(Debug, Default)]
pub(crate) struct Hubs(Mutex<HashMap<i64, Weak<Hub>>>);

/// The subscribers of one stream that are up to date.
#[derive(Debug)]
pub(crate) struct Hub {
    stream: Arc<Stream>,
    /// Every record up to here was put into the queues that wanted it.
    position: AtomicI64,
    members: Mutex<Members>,
}

#[derive(Debug, Default)]
struct Members {
    matcher: Matcher<u64>,
    queues: HashMap<u64, Queue>,
    next: u64,
}

#[derive(Debug)]
struct Queue {
    events: mpsc::Sender<Event>,
    waiting: Arc<AtomicUsize>,
    /// What is in it may not be handed out any more.
    void: Arc<AtomicBool>,
    /// Whether erased records are told of.
    sees_all: bool,
}

/// A subscriber's place in a hub; it leaves when this is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    hub: Arc<Hub>,
    key: u64,
    events: mpsc::Receiver<Event>,
    waiting: Arc<AtomicUsize>,
    void: Arc<AtomicBool>,
}

impl Hubs {
    /// The streams that are followed now.
    pub(crate) fn streams(&self) -> Vec<Arc<Stream>> {
        let hubs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        hubs.values().filter_map(Weak::upgrade).map(|hub| hub.stream.clone()).collect()
    }

    /// The hub of a stream; a new one begins at `head`.
    pub(crate) fn of(&self, db: &Db, stream: &Arc<Stream>, head: i64) -> Arc<Hub> {
        let mut hubs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(hub) = hubs.get(&stream.number).and_then(Weak::upgrade) {
            return hub;
        }
        hubs.retain(|_, hub| hub.strong_count() > 0);
        let hub = Arc::new(Hub {
            stream: stream.clone(),
            position: AtomicI64::new(head),
            members: Mutex::default(),
        });
        hubs.insert(stream.number, Arc::downgrade(&hub));
        tokio::spawn(read(Arc::downgrade(&hub), db.clone()));
        hub
    }
}

impl Hub {
    /// Takes a seat. What comes after the position that is returned will be in its queue.
    pub(crate) fn join(self: &Arc<Self>, wish: Wish, sees_all: bool) -> (Seat, i64) {
        let (events, receiver) = mpsc::channel(QUEUE_EVENTS);
        let (waiting, void) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let mut members = self.members();
        let key = members.next;
        members.next += 1;
        members.matcher.insert(key, wish);
        let queue = Queue { events, waiting: waiting.clone(), void: void.clone(), sees_all };
        members.queues.insert(key, queue);
        // Under the lock no record is being told, so that this is exact.
        let position = self.position.load(Ordering::Acquire);
        drop(members);
        (Seat { hub: self.clone(), key, events: receiver, waiting, void }, position)
    }

    fn members(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells a piece of the log to those who want it.
    fn tell(&self, piece: &Piece) {
        let mut members = self.members();
        for entry in piece.entries() {
            match entry {
                Entry::Record(record) => members.tell(&self.stream, record),
                Entry::Tombstone(tombstone) => members.tell_erased(&self.stream, tombstone),
            }
        }
        self.position.store(piece.up_to, Ordering::Release);
    }

    /// Closes all queues: who sits here finds out by reading.
    fn close(&self) {
        *self.members() = Members::default();
    }
}

impl Members {
    fn tell(&mut self, stream: &Stream, record: &Record) {
        let (mut event, mut late) = (None, Vec::new());
        // The moment of arrival is the same for all, also for those who read later.
        let arrived = record.received_at;
        self.matcher.matching(&View::from(record), arrived, |key| {
            let Some(queue) = self.queues.get(&key) else { return };
            let event: &Event =
                event.get_or_insert_with(|| Event::created((&stream.name, stream.epoch), record));
            if !queue.put(event) {
                late.push(key);
            }
        });
        for key in late {
            self.leave(key);
        }
    }

    /// Tells of an erased record. A queue in which something waits may hold it: it is thrown away, and
    /// its subscriber finds in the log what it has not heard yet.
    fn tell_erased(&mut self, stream: &Stream, tombstone: &Tombstone) {
        let event = Event::deleted(stream.epoch, tombstone);
        let mut late = Vec::new();
        for (key, queue) in &self.queues {
            let holds = queue.waiting.load(Ordering::Acquire) > 0;
            if holds {
                queue.void.store(true, Ordering::Release);
            }
            if holds || (queue.sees_all && !queue.put(&event)) {
                late.push(*key);
            }
        }
        for key in late {
            self.leave(key);
        }
    }

    fn leave(&mut self, key: u64) {
        self.matcher.remove(key);
        self.queues.remove(&key);
    }
}

impl Queue {
    /// Puts an event in; false when there is no room.
    fn put(&self, event: &Event) -> bool {
        let size = event.size();
        let waiting = self.waiting.fetch_add(size, Ordering::Relaxed);
        // The first one always fits, however long it is.
        (waiting == 0 || waiting + size <= QUEUE_BYTES)
            && self.events.try_send(event.clone()).is_ok()
    }
}

impl Seat {
    /// The position up to which the queue holds everything; to be asked before the queue is.
    pub(crate) fn position(&self) -> i64 {
        self.hub.position.load(Ordering::Acquire)
    }

    /// What is in the queue now, about so many bytes of it, without waiting; `None` when it is
    /// closed and empty.
    pub(crate) fn ready(&mut self, bytes: usize) -> Option<Vec<Event>> {
        if self.is_void() {
            return None;
        }
        let (mut events, mut taken) = (Vec::new(), 0);
        while taken < bytes {
            match self.events.try_recv() {
                Ok(event) => {
                    taken += event.size();
                    events.push(self.taken(event));
                }
                Err(mpsc::error::TryRecvError::Empty) => break,
                Err(mpsc::error::TryRecvError::Disconnected) if events.is_empty() => return None,
                Err(mpsc::error::TryRecvError::Disconnected) => break,
            }
        }
        Some(events)
    }

    /// Waits for the next event; `None` when the queue is closed and empty.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        let event = self.events.recv().await.filter(|_| !self.is_void())?;
        Some(self.taken(event))
    }

    /// Whether what is in the queue may not be handed out any more.
    fn is_void(&self) -> bool {
        self.void.load(Ordering::Acquire)
    }

    fn taken(&self, event: Event) -> Event {
        self.waiting.fetch_sub(event.size(), Ordering::Relaxed);
        event
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.hub.members().leave(self.key);
    }
}

/// Reads a stream's new records for as long as somebody sits in the hub.
async fn read(hub: Weak<Hub>, db: Db) {
    let Some(stream) = hub.upgrade().map(|hub| hub.stream.clone()) else { return };
    let mut head = db.heads().follow(stream.number);
    loop {
        // Looked at before the log is read: what comes meanwhile wakes the next round.
        head.mark_unchanged();
        let Some(hub) = hub.upgrade() else { return };
        match next_page(&hub, &db).await {
            Ok(0) => {}
            Ok(_) => continue,
            Err(DbError::Gone(_)) => return hub.close(),
            Err(error) => {
                tracing::warn!(%error, stream = stream.name, "new records cannot be read");
                drop(hub);
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        }
        drop(hub);
        if head.changed().await.is_err() {
            return;
        }
    }
}

/// Tells what comes next; says how much there was.
async fn next_page(hub: &Arc<Hub>, db: &Db) -> Result<usize, DbError> {
    let after = hub.position.load(Ordering::Acquire);
    let stream = hub.stream.number;
    let mut conn = db.reader(Look::Point).await?;
    let here = span(&mut conn, stream).await?;
    let here = here.ok_or_else(|| DbError::Gone(hub.stream.name.clone()))?;
    if here.last_seq <= after {
        return Ok(0);
    }
    let erased = here.erased > 0;
    let piece = Piece::read(&mut conn, stream, (after, here.last_seq), PAGE, erased).await?;
    drop(conn);
    hub.tell(&piece);
    Ok(usize::try_from(piece.up_to - after).unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use forebay_model::stream::Definition;
    use forebay_model::time::Timestamp;
    use serde_json::json;

    use super::*;

    fn hub() -> Arc<Hub> {
        let (definition, schema) =
            Definition::read(&json!({"schema": {"type": "object"}})).unwrap();
        let stream = Stream {
            name: "orders".into(),
            number: 1,
            epoch: 1,
            version: 1,
            created_at: Timestamp::from_micros(0),
            definition,
            schema,
            columns: Arc::from([]),
        };
        let (stream, position) = (Arc::new(stream), AtomicI64::new(0));
        Arc::new(Hub { stream, position, members: Mutex::default() })
    }

    fn record(seq: i64) -> Piece {
        let (time, data) = (Timestamp::from_micros(0), "{}".to_owned());
        let id = seq.to_string();
        let record = Record { seq, id, version: 1, time, received_at: time, data };
        Piece { records: vec![record], tombstones: Vec::new(), up_to: seq }
    }

    fn erased(seq: i64, erased_seq: i64) -> Piece {
        let (id, erased_at) = (erased_seq.to_string(), Timestamp::from_micros(0));
        let tombstone = Tombstone { seq, erased_seq, id, erased_at };
        Piece { records: Vec::new(), tombstones: vec![tombstone], up_to: seq }
    }

    fn ready(seat: &mut Seat) -> Option<Vec<i64>> {
        Some(seat.ready(1 << 20)?.iter().map(Event::seq).collect())
    }

    #[test]
    fn what_waits_when_a_record_is_erased_is_not_handed_out() {
        let hub = hub();
        let (mut slow, _) = hub.join(Wish::default(), true);
        let (mut quick, _) = hub.join(Wish::default(), true);
        let (mut narrowed, _) = hub.join(Wish::default(), false);
        hub.tell(&record(1));
        assert_eq!(ready(&mut quick), Some(vec![1]));
        assert_eq!(ready(&mut narrowed), Some(vec![1]));
        hub.tell(&erased(2, 1));
        assert_eq!(ready(&mut slow), None, "it reads the log instead");
        assert_eq!(ready(&mut quick), Some(vec![2]));
        assert_eq!(ready(&mut narrowed), Some(vec![]), "it is not told");
        hub.tell(&record(3));
        assert_eq!(ready(&mut quick), Some(vec![3]));
        assert_eq!(ready(&mut narrowed), Some(vec![3]));
        assert_eq!(quick.position(), 3);
    }

    #[test]
    fn a_piece_is_told_in_the_log_s_order() {
        let mut piece = Piece { up_to: 6, ..Piece::default() };
        for part in [record(1), erased(2, 1), record(3), record(4), erased(5, 3), erased(6, 4)] {
            piece.records.extend(part.records);
            piece.tombstones.extend(part.tombstones);
        }
        let hub = hub();
        let (mut seat, _) = hub.join(Wish::default(), true);
        let told: Vec<i64> = piece
            .entries()
            .map(|entry| match entry {
                Entry::Record(record) => record.seq,
                Entry::Tombstone(tombstone) => tombstone.seq,
            })
            .collect();
        assert_eq!(told, [1, 2, 3, 4, 5, 6]);
        hub.tell(&piece);
        assert_eq!(ready(&mut seat), None);
    }
}
