//! What waits for the writer, in three lanes, and what may go into one transaction.

use std::collections::{HashSet, VecDeque};
use std::time::Instant;

use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

use crate::conn::Conn;
use crate::error::DbError;
use crate::log::{Append, Outcome};

/// How urgent a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Single records, sessions, definitions.
    Interactive,
    /// Batches.
    Batch,
    /// Steps of background work, ≤ 10 ms each.
    Maintenance,
}

pub(super) const LANES: [(Lane, &str); 3] = [
    (Lane::Interactive, "interactive"),
    (Lane::Batch, "batch"),
    (Lane::Maintenance, "maintenance"),
];
const GROUP_ROWS: usize = 5_000;
const GROUP_BYTES: usize = 8 << 20;
/// So many groups go before a step of background work: it is slow under load, and never stands still.
const MOST_PASSED: usize = 8;

pub(super) type Work =
    Box<dyn for<'c> FnOnce(&'c mut Conn) -> BoxFuture<'c, Result<(), DbError>> + Send>;

pub(super) enum Task {
    Append(Append, oneshot::Sender<Result<Outcome, DbError>>),
    Work(Work, oneshot::Sender<Result<(), DbError>>),
}

pub(super) struct Job {
    pub(super) task: Task,
    pub(super) streams: Vec<i64>,
    pub(super) rows: usize,
    pub(super) bytes: usize,
    pub(super) queued: Instant,
}

#[derive(Default)]
pub(super) struct Queue {
    pub(super) lanes: [VecDeque<Job>; 3],
    pub(super) busy: HashSet<i64>,
    /// The lane of the last group: a lane that was just served lets another go first.
    last: usize,
    /// Groups that went before a step of background work that waits.
    passed: usize,
    pub(super) closed: bool,
}

pub(super) struct Group {
    pub(super) jobs: Vec<Job>,
    pub(super) streams: Vec<i64>,
    pub(super) lane: usize,
}

impl Queue {
    /// Takes the next group: from the lane that is due, jobs whose streams nobody writes to.
    pub(super) fn take(&mut self) -> Option<Group> {
        let order = if self.passed >= MOST_PASSED {
            [2, 0, 1]
        } else if self.last == 0 {
            [1, 0, 2]
        } else {
            [0, 1, 2]
        };
        let group = order.into_iter().find_map(|lane| self.take_from(lane))?;
        let waits = group.lane != 2 && !self.lanes[2].is_empty();
        self.passed = if waits { self.passed + 1 } else { 0 };
        Some(group)
    }

    fn take_from(&mut self, lane: usize) -> Option<Group> {
        let mut group = Group { jobs: Vec::new(), streams: Vec::new(), lane };
        let mut passed = HashSet::new();
        let (mut rows, mut bytes) = (0, 0);
        let mut kept = VecDeque::with_capacity(self.lanes[lane].len());
        while let Some(job) = self.lanes[lane].pop_front() {
            let full = !group.jobs.is_empty()
                && (rows + job.rows > GROUP_ROWS || bytes + job.bytes > GROUP_BYTES);
            if full {
                kept.push_back(job);
                break;
            }
            let blocked = |s: &i64| self.busy.contains(s) || passed.contains(s);
            if job.streams.iter().any(blocked) {
                // Order is kept per stream: what comes later waits behind it.
                passed.extend(job.streams.iter().copied());
                kept.push_back(job);
                continue;
            }
            let alone = matches!(job.task, Task::Work(..));
            if alone && !group.jobs.is_empty() {
                kept.push_back(job);
                break;
            }
            (rows, bytes) = (rows + job.rows, bytes + job.bytes);
            group.streams.extend(job.streams.iter().copied());
            group.jobs.push(job);
            if alone {
                break;
            }
        }
        kept.append(&mut self.lanes[lane]);
        self.lanes[lane] = kept;
        if group.jobs.is_empty() {
            return None;
        }
        self.busy.extend(group.streams.iter().copied());
        self.last = lane;
        Some(group)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job() -> Job {
        let task = Task::Work(Box::new(|_| Box::pin(async { Ok(()) })), oneshot::channel().0);
        Job { task, streams: vec![], rows: 0, bytes: 0, queued: Instant::now() }
    }

    #[test]
    fn no_lane_stands_still() {
        let mut queue = Queue::default();
        let mut served = [0; 3];
        for _ in 0..100 {
            // Whoever comes first, somebody of each lane waits.
            for lane in &mut queue.lanes {
                lane.push_back(job());
            }
            served[queue.take().unwrap().lane] += 1;
        }
        assert!(served[0] >= 40 && served[1] >= 40 && served[2] >= 10, "{served:?}");
        while queue.take().is_some() {}
        queue.lanes[2].push_back(job());
        assert_eq!(queue.take().unwrap().lane, 2, "at once when nobody else waits");
    }
}
