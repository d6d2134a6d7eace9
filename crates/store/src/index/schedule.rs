//! Whose turn it is: which index is written next, by which worker, and when. Pure; `now` is the time
//! since the process began.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub(crate) use super::tracked::{Ended, Index, Job, Next, Role, Tracked};
use super::tracked::{State, Turn};

/// First pause after a failure…
const LEAST_PAUSE: Duration = Duration::from_millis(100);
/// … and the longest.
const MOST_PAUSE: Duration = Duration::from_secs(10);

/// All streams.
#[derive(Debug)]
pub(crate) struct Schedule {
    pub(crate) streams: BTreeMap<i64, Tracked>,
    /// A stream that has this many records to come is written at once.
    full: i64,
    /// How long after a write the next one is, when there is little.
    refresh: Duration,
    counter: u64,
    /// Nothing is done before: the engine is away.
    pub(crate) held_back: Duration,
    /// Streams that this process may write, and until when; all when the engine is its own.
    pub(crate) leases: Option<(BTreeSet<i64>, Duration)>,
}

impl Schedule {
    pub(crate) fn new(full: i64, refresh: Duration, local: bool) -> Schedule {
        Schedule {
            streams: BTreeMap::new(),
            full,
            refresh,
            counter: 0,
            held_back: Duration::ZERO,
            leases: (!local).then(|| (BTreeSet::new(), Duration::ZERO)),
        }
    }

    /// Hears how far a stream is; false when it is not known.
    pub(crate) fn heard(&mut self, stream: i64, head: i64) -> bool {
        let Some(tracked) = self.streams.get_mut(&stream) else { return false };
        if head > tracked.head {
            tracked.head = head;
            tracked.begin();
            for (role, index) in [(Role::Live, &tracked.live), (Role::Building, &tracked.building)]
            {
                let Some(position) = index.as_ref().and_then(|index| index.position) else {
                    continue;
                };
                let turn = tracked.turns.entry(role).or_default();
                if head - position >= self.full && turn.failures == 0 {
                    turn.due = Duration::ZERO;
                }
            }
        }
        true
    }

    /// Hears of a stream with its definition's version.
    pub(crate) fn saw(&mut self, stream: i64, name: &str, version: i64, head: i64) {
        let tracked = self.streams.entry(stream).or_insert_with(|| Tracked::new(name, head));
        if tracked.version != version {
            tracked.version = version;
            tracked.plan = true;
        }
        self.heard(stream, head);
    }

    /// Has a stream looked at again.
    pub(crate) fn plan(&mut self, stream: i64) {
        if let Some(tracked) = self.streams.get_mut(&stream) {
            tracked.plan = true;
        }
    }

    /// Has a stream looked at that has indexes, whatever is known of it.
    pub(crate) fn left_over(&mut self, stream: i64) {
        if let Some(tracked) = self.streams.get_mut(&stream) {
            (tracked.leftover, tracked.plan) = (true, true);
        }
    }

    /// Hears that a stream's index was asked to be built anew, the so manieth time, and which of these
    /// times are done.
    pub(crate) fn asked(&mut self, stream: i64, (number, done): (i64, i64)) {
        let local = self.leases.is_none();
        let Some(tracked) = self.streams.get_mut(&stream) else { return };
        // Of an engine of its own each process knows what it has done, but for what was before it.
        if !local || tracked.rebuild == 0 {
            tracked.rebuilt = tracked.rebuilt.max(done);
        }
        if number > tracked.rebuild {
            tracked.rebuild = number;
            tracked.plan |= number > tracked.rebuilt;
        }
    }

    /// Takes the streams that this process may write from now on, and until when.
    pub(crate) fn leased(&mut self, streams: &BTreeSet<i64>, until: Duration) {
        let Some((known, _)) = self.leases.replace((streams.clone(), until)) else { return };
        for stream in streams.difference(&known) {
            self.plan(*stream);
        }
        for stream in known.difference(streams) {
            if let Some(tracked) = self.streams.get_mut(stream) {
                (tracked.live, tracked.building) = (None, None);
            }
        }
    }

    /// What came of a plan. Positions of indexes that were known stay known.
    pub(crate) fn planned(&mut self, stream: i64, live: Option<Index>, building: Option<Index>) {
        let Some(tracked) = self.streams.get_mut(&stream).filter(|tracked| !tracked.gone) else {
            return;
        };
        let known = [tracked.live.take(), tracked.building.take()];
        let keep = |index: Index| {
            let same = known.iter().flatten().find(|k| k.generation == index.generation);
            Index { position: same.and_then(|k| k.position), ..index }
        };
        (tracked.live, tracked.building) = (live.map(keep), building.map(keep));
        tracked.leftover = false;
        tracked.begin();
    }

    /// Notes that an index is of no use any more.
    pub(crate) fn damaged(&mut self, job: &Job) {
        let Some(index) = &job.index else { return };
        let Some(tracked) = self.streams.get_mut(&job.stream) else { return };
        tracked.damaged.insert(index.generation.clone());
        tracked.plan = true;
        for known in [&mut tracked.live, &mut tracked.building] {
            known.take_if(|known| known.generation == index.generation);
        }
    }

    /// Marks streams that are not among these as gone.
    pub(crate) fn only(&mut self, alive: &BTreeSet<i64>) {
        for (number, tracked) in &mut self.streams {
            if !alive.contains(number) && !tracked.gone {
                (tracked.gone, tracked.plan) = (true, true);
                (tracked.live, tracked.building) = (None, None);
            }
        }
    }

    /// Whether this process may write a stream's indexes now.
    pub(crate) fn may_write(&self, stream: i64, now: Duration) -> bool {
        match &self.leases {
            None => true,
            Some((streams, until)) => streams.contains(&stream) && now < *until,
        }
    }

    /// What a worker does next. Who came first comes first; a worker of an odd number builds before
    /// it writes what answers, if there is both.
    pub(crate) fn next(&mut self, worker: usize, now: Duration) -> Next {
        if now < self.held_back {
            return Next::At(self.held_back);
        }
        let mut best: Option<((bool, u64), i64, Role)> = None;
        let mut earliest: Option<Duration> = None;
        for (&number, tracked) in &self.streams {
            for role in [Role::Plan, Role::Live, Role::Building] {
                if !self.wants(number, tracked, role, now) {
                    continue;
                }
                let turn = tracked.turns.get(&role);
                let state = turn.map_or(State::Free, |turn| turn.state);
                let mine = state == State::Free || state == State::Kept(worker);
                if !mine {
                    continue;
                }
                let (due, since) = turn.map_or((Duration::ZERO, 0), |turn| (turn.due, turn.since));
                if due > now {
                    earliest = Some(earliest.map_or(due, |e| e.min(due)));
                    continue;
                }
                let builds = role == Role::Building;
                let rank = (builds == (worker.is_multiple_of(2)), since);
                if best.is_none_or(|(known, ..)| rank < known) {
                    best = Some((rank, number, role));
                }
            }
        }
        match (best, earliest) {
            (Some((_, number, role)), _) => self.take(worker, number, role),
            (None, Some(due)) => Next::At(due),
            (None, None) => Next::Nothing,
        }
    }

    fn wants(&self, number: i64, tracked: &Tracked, role: Role, now: Duration) -> bool {
        let behind = |index: &Option<Index>| match index {
            Some(index) => index.position.is_none_or(|position| position < tracked.head),
            None => false,
        };
        match role {
            // Nobody may have one of its indexes open any more.
            Role::Plan if tracked.gone => tracked.plan && tracked.turns.values().all(Turn::is_free),
            // Whoever has no lease reads the definition, to know whether it wants one.
            Role::Plan => {
                tracked.plan && (tracked.searched.is_none() || self.may_write(number, now))
            }
            Role::Live => behind(&tracked.live) && self.may_write(number, now),
            Role::Building => tracked.building.is_some() && self.may_write(number, now),
        }
    }

    fn take(&mut self, worker: usize, stream: i64, role: Role) -> Next {
        let Some(tracked) = self.streams.get_mut(&stream) else { return Next::Nothing };
        let turn = tracked.turns.entry(role).or_default();
        let open = turn.state == State::Kept(worker);
        turn.state = State::Taken(worker);
        if role == Role::Plan {
            tracked.plan = false;
        }
        let index = match role {
            Role::Plan => None,
            Role::Live => tracked.live.clone(),
            Role::Building => tracked.building.clone(),
        };
        Next::Job(Box::new(Job { stream, name: tracked.name.clone(), role, index, open }))
    }

    /// Whether somebody else could use this worker now.
    pub(crate) fn others_wait(&self, job: &Job, now: Duration) -> bool {
        now >= self.held_back
            && self.streams.iter().any(|(&number, tracked)| {
                [Role::Plan, Role::Live, Role::Building].into_iter().any(|role| {
                    let turn = tracked.turns.get(&role);
                    (number, role) != (job.stream, job.role)
                        && turn.is_none_or(|t| t.state == State::Free && t.due <= now)
                        && self.wants(number, tracked, role, now)
                })
            })
    }

    /// Notes how far an index was when it was opened.
    pub(crate) fn opened(&mut self, job: &Job, position: i64) {
        if let Some(tracked) = self.current(job) {
            tracked.set_position(job.role, Some(position));
        }
    }

    /// Notes how far an index is.
    pub(crate) fn wrote(&mut self, job: &Job, position: i64, now: Duration) {
        let (refresh, full) = (self.refresh, self.full);
        let Some(tracked) = self.current(job) else { return };
        tracked.set_position(job.role, Some(position));
        let behind = tracked.head - position;
        let turn = tracked.turns.entry(job.role).or_default();
        turn.failures = 0;
        turn.due = if behind >= full { now } else { now + refresh };
    }

    /// The stream of a job, if the job's index is still the one.
    fn current(&mut self, job: &Job) -> Option<&mut Tracked> {
        let wanted = &job.index.as_ref()?.generation;
        let tracked = self.streams.get_mut(&job.stream)?;
        let index = match job.role {
            Role::Plan => None,
            Role::Live => tracked.live.as_ref(),
            Role::Building => tracked.building.as_ref(),
        };
        index.is_some_and(|index| index.generation == *wanted).then_some(tracked)
    }

    /// Ends a turn.
    pub(crate) fn ended(&mut self, worker: usize, job: &Job, how: Ended, now: Duration) {
        self.counter += 1;
        let order = self.counter;
        let Some(tracked) = self.streams.get_mut(&job.stream) else { return };
        let turn = tracked.turns.entry(job.role).or_default();
        turn.since = order;
        turn.state = if how == Ended::Kept { State::Kept(worker) } else { State::Free };
        if how == Ended::Failed {
            turn.due = now + pause(turn.failures, job.stream);
            turn.failures = turn.failures.saturating_add(1);
            tracked.plan |= job.role == Role::Plan;
            // What is there is seen when it is opened again.
            tracked.set_position(job.role, None);
        } else if job.role == Role::Plan {
            (turn.failures, turn.due) = (0, Duration::ZERO);
            if tracked.gone && !tracked.plan {
                self.streams.remove(&job.stream);
            }
        }
    }

    /// A writer that was kept open is closed.
    pub(crate) fn closed(&mut self, worker: usize, job: &Job) {
        let turn = self.streams.get_mut(&job.stream).and_then(|t| t.turns.get_mut(&job.role));
        if let Some(turn) = turn.filter(|turn| turn.state == State::Kept(worker)) {
            turn.state = State::Free;
        }
    }

    /// Whether an index that a worker keeps open is not to be written any more.
    pub(crate) fn is_stale(&self, job: &Job, now: Duration) -> bool {
        let known = self.streams.get(&job.stream).and_then(|tracked| match job.role {
            Role::Plan => None,
            Role::Live => tracked.live.as_ref(),
            Role::Building => tracked.building.as_ref(),
        });
        let same = known.zip(job.index.as_ref()).is_some_and(|(a, b)| a.generation == b.generation);
        !same || !self.may_write(job.stream, now)
    }

    /// Whether an index that is built can take the place of the live one: from here on nobody writes
    /// that, and when somebody still does, it is tried again soon.
    pub(crate) fn may_promote(&mut self, job: &Job, now: Duration) -> bool {
        let Some(tracked) = self.streams.get_mut(&job.stream) else { return false };
        tracked.live = None;
        let free = tracked.turns.get(&Role::Live).is_none_or(Turn::is_free);
        if !free && let Some(turn) = tracked.turns.get_mut(&Role::Building) {
            turn.due = now + LEAST_PAUSE / 2;
        }
        free
    }

    /// The index that was built is the live one; the last time that this was asked for.
    pub(crate) fn promoted(&mut self, job: &Job) -> i64 {
        let Some(tracked) = self.streams.get_mut(&job.stream) else { return 0 };
        tracked.live = tracked.building.take();
        tracked.damaged.clear();
        tracked.rebuilt = tracked.rebuild;
        tracked.rebuild
    }

    /// How often a turn has failed, one after the other.
    pub(crate) fn failures(&self, job: &Job) -> u32 {
        let turn = self.streams.get(&job.stream).and_then(|t| t.turns.get(&job.role));
        turn.map_or(0, |turn| turn.failures)
    }
}

/// How long to wait after so many failures: longer each time, and not all at the same moment.
pub(crate) fn pause(failures: u32, salt: i64) -> Duration {
    let whole = LEAST_PAUSE.saturating_mul(1 << failures.min(10)).min(MOST_PAUSE);
    let mixed =
        (salt.unsigned_abs() + u64::from(failures)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56;
    // Between three quarters and all of it.
    whole - whole.mul_f64(f64::from(u8::try_from(mixed).unwrap_or(0)) / 1024.0)
}

#[cfg(test)]
#[path = "schedule_tests.rs"]
mod tests;
