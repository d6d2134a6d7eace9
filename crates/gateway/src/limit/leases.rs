//! The leases of this process: one a count, asked for where they are needed, given back where they are
//! not, and never more of them than there is room for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use forebay_contract::{Ask, Count, Quotas};
use forebay_model::period::Span;
use forebay_model::time::{SharedClock, Timestamp};
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

use super::calendar::Calendar;
use super::lease::{Lease, Step};
use super::table::Key;

/// How long a request waits for a lease.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long what is given back at the end may take.
const FAREWELL: Duration = Duration::from_secs(5);
/// How long a lease may rest before it is given back, in microseconds.
const REST: i64 = 60_000_000;
/// How often that is looked at.
const LOOK: Duration = Duration::from_secs(15);
/// Most counts at once.
const MOST: usize = 100_000;
/// Most counts that are given back in one piece.
const PIECE: usize = 500;

/// All leases.
pub(super) struct Leases {
    door: Arc<dyn Quotas>,
    clock: SharedClock,
    most: usize,
    cells: Mutex<HashMap<Key, Arc<Cell>>>,
}

/// One count's lease.
pub(super) struct Cell {
    key: String,
    calendar: Calendar,
    lease: Mutex<Lease>,
    settled: watch::Sender<()>,
}

/// Units that were taken.
#[derive(Clone)]
pub(super) struct Hold {
    cell: Arc<Cell>,
    period: Span,
    cost: u64,
}

/// Why units were not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Denied {
    /// There are not so many.
    Spent,
    /// Nobody can say.
    Away,
}

/// What is known of a count.
#[derive(Debug, Clone, Copy)]
pub(super) struct State {
    pub(super) remaining: u64,
    /// Seconds.
    pub(super) window: u64,
    pub(super) until_end: u64,
}

impl Leases {
    pub(super) fn new(door: Arc<dyn Quotas>, clock: SharedClock) -> Leases {
        Leases { door, clock, most: MOST, cells: Mutex::default() }
    }

    /// The cell of a key; `name` is what the database knows it by.
    pub(super) fn cell(
        &self,
        key: Key,
        calendar: Calendar,
        name: impl FnOnce() -> String,
    ) -> Arc<Cell> {
        let now = self.clock.now();
        let mut cells = self.cells();
        if let Some(cell) = cells.get(&key) {
            return cell.clone();
        }
        if cells.len() >= self.most {
            // All that nobody uses at this moment go: they come back with one question each.
            self.part_with(collect(&mut cells, now));
        }
        let lease = Lease::new(calendar.quota, calendar.period.around(now), now);
        let settled = watch::Sender::new(());
        let cell = Cell { key: name(), calendar, lease: Mutex::new(lease), settled };
        cells.entry(key).or_insert(Arc::new(cell)).clone()
    }

    /// Takes units of a count: at once where enough are held, else when they were asked for.
    pub(super) async fn take(&self, cell: &Arc<Cell>, cost: u64) -> Result<Hold, Denied> {
        let end = Instant::now() + PATIENCE;
        let mut settled = cell.settled.subscribe();
        loop {
            settled.mark_unchanged();
            let now = self.clock.now();
            let (step, ahead, period) = {
                let mut lease = cell.lease();
                let step = lease.take(cost, cell.calendar.period.around(now), now);
                let ahead = if step == Step::Taken { lease.ahead(now) } else { None };
                (step, ahead, lease.period())
            };
            if let Some(ask) = ahead {
                self.ask(cell, period, ask);
            }
            match step {
                Step::Taken => return Ok(Hold { cell: cell.clone(), period, cost }),
                Step::Refused => return Err(Denied::Spent),
                Step::Away => return Err(Denied::Away),
                Step::Ask(ask) => self.ask(cell, period, ask),
                Step::Wait => {}
            }
            if timeout_at(end, settled.changed()).await.is_err() {
                cell.lease().late(period, self.clock.now());
                return Err(Denied::Away);
            }
        }
    }

    /// Whether there is at least one unit; takes none.
    pub(super) async fn look(&self, cell: &Arc<Cell>) -> Result<(), Denied> {
        self.take(cell, 1).await.map(|hold| hold.give_back())
    }

    /// What is known of a count.
    pub(super) fn state(&self, cell: &Cell) -> State {
        let lease = cell.lease();
        let period = lease.period();
        let until_end = period.left(self.clock.now());
        State { remaining: lease.remaining(), window: period.seconds(), until_end }
    }

    /// Asks in a task of its own: an answer finds the lease also when nobody waits for it any more.
    fn ask(&self, cell: &Arc<Cell>, period: Span, ask: Ask) {
        let (door, clock, cell) = (self.door.clone(), self.clock.clone(), cell.clone());
        tokio::spawn(async move {
            let told = door.take(&Count { key: cell.key.clone(), period }, ask).await;
            if let Err(error) = &told {
                tracing::warn!(%error, "a quota cannot be counted");
            }
            cell.lease().settle(period, told.ok(), clock.now());
            cell.settled.send_replace(());
        });
    }

    /// Gives back what has rested, until it is dropped.
    pub(super) async fn tend(&self) {
        let mut every = tokio::time::interval(LOOK);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            every.tick().await;
            self.give_back(self.rested(REST)).await;
        }
    }

    /// Gives back all that is held: the process stops.
    pub(super) async fn close(&self) {
        if timeout(FAREWELL, self.give_back(self.rested(0))).await.is_err() {
            tracing::warn!("what is left of quotas was not given back in time");
        }
    }

    /// Takes the leases out that nobody has used for so long.
    fn rested(&self, rest: i64) -> Vec<(Count, u64)> {
        let before = self.clock.now().micros().saturating_sub(rest);
        collect(&mut self.cells(), Timestamp::from_micros(before))
    }

    async fn give_back(&self, unused: Vec<(Count, u64)>) {
        give_back(self.door.as_ref(), &unused, self.clock.now()).await;
    }

    fn part_with(&self, unused: Vec<(Count, u64)>) {
        let (door, now) = (self.door.clone(), self.clock.now());
        tokio::spawn(async move { give_back(door.as_ref(), &unused, now).await });
    }

    fn cells(&self) -> MutexGuard<'_, HashMap<Key, Arc<Cell>>> {
        self.cells.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes out the cells that only the map holds and nobody has used since `before`: what they hold.
fn collect(cells: &mut HashMap<Key, Arc<Cell>>, before: Timestamp) -> Vec<(Count, u64)> {
    let mut unused = Vec::new();
    cells.retain(|_, cell| {
        // Nobody can take another one of it meanwhile: it would come out of the map.
        if Arc::strong_count(cell) > 1 {
            return true;
        }
        let mut lease = cell.lease();
        let Some(held) = lease.close(before) else { return true };
        if held > 0 {
            unused.push((Count { key: cell.key.clone(), period: lease.period() }, held));
        }
        false
    });
    unused
}

async fn give_back(door: &dyn Quotas, unused: &[(Count, u64)], now: Timestamp) {
    // What is left of a period that is over is worth nothing.
    let still: Vec<_> =
        unused.iter().filter(|(count, _)| now < count.period.until).cloned().collect();
    for piece in still.chunks(PIECE) {
        if let Err(error) = door.give_back(piece.to_vec()).await {
            tracing::warn!(%error, counts = piece.len(), "what is left of quotas is lost");
        }
    }
}

impl Cell {
    fn lease(&self) -> MutexGuard<'_, Lease> {
        self.lease.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hold {
    /// Puts the units back into the lease.
    pub(super) fn give_back(&self) {
        self.cell.lease().give_back(self.period, self.cost);
    }
}

#[cfg(test)]
#[path = "leases_tests.rs"]
mod tests;
