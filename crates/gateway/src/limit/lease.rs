//! What this process holds of one count: units that the database has handed out ahead, which are used
//! without asking again. Pure; `leases.rs` does the asking.

use forebay_contract::{Ask, Granted};
use forebay_model::period::Span;
use forebay_model::time::Timestamp;

const SECOND: i64 = 1_000_000;
/// How long a lease is to last: a size that is used up sooner is doubled, one that lasts four times
/// as long is halved.
const LASTS: i64 = 60 * SECOND;
/// For how long it is believed how much is left in the database: others give back what they do not
/// use, so that a refusal is not for the whole period.
const BELIEVED: i64 = 5 * SECOND;
/// How long nobody is asked after nobody has answered.
const PAUSE: i64 = SECOND;
/// A first lease and the largest one are these parts of the quota.
const FIRST: u64 = 1000;
const LARGEST: u64 = 100;
/// Below this size it is not worth while to ask before all is used.
const WORTH: u64 = 8;

/// What is held of a count.
#[derive(Debug)]
pub(super) struct Lease {
    quota: u64,
    period: Span,
    held: u64,
    /// How much the next lease wants.
    size: u64,
    /// How much was left in the database, and when that was.
    left: u64,
    told: Option<Timestamp>,
    /// When it was last asked for, and whether the answer is still to come.
    asked: Option<Timestamp>,
    asking: bool,
    /// Until when nobody is asked, after nobody has answered.
    away: Option<Timestamp>,
    used: Timestamp,
}

/// What comes of wanting some units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// They are taken.
    Taken,
    /// There are not so many.
    Refused,
    /// Nobody can say.
    Away,
    /// This has to be asked first.
    Ask(Ask),
    /// It is being asked.
    Wait,
}

impl Lease {
    pub(super) fn new(quota: u64, period: Span, now: Timestamp) -> Lease {
        let size = (quota / FIRST).max(1);
        Lease {
            quota,
            period,
            held: 0,
            size,
            left: quota,
            told: None,
            asked: None,
            asking: false,
            away: None,
            used: now,
        }
    }

    /// Takes units, or says what comes first. `period` is the one that it is now.
    pub(super) fn take(&mut self, cost: u64, period: Span, now: Timestamp) -> Step {
        // A clock that is set back does not open a period that is over.
        if period.from > self.period.from {
            *self = Lease { size: self.size, ..Lease::new(self.quota, period, now) };
        }
        self.used = now;
        if let Some(rest) = self.held.checked_sub(cost) {
            self.held = rest;
            return Step::Taken;
        }
        let within = |at: Option<Timestamp>, time| {
            at.is_some_and(|at| (0..time).contains(&(now.micros() - at.micros())))
        };
        if within(self.told, BELIEVED) && self.remaining() < cost {
            return Step::Refused;
        }
        if within(self.away, PAUSE) {
            return Step::Away;
        }
        if self.asking {
            return Step::Wait;
        }
        Step::Ask(self.ask(cost - self.held, now))
    }

    /// What to ask for before it is needed, so that nobody waits for it.
    pub(super) fn ahead(&mut self, now: Timestamp) -> Option<Ask> {
        let low = self.size >= WORTH && self.held < self.size / 4 && self.left > self.size;
        let free = low && !self.asking && self.away.is_none();
        free.then(|| self.ask(0, now))
    }

    fn ask(&mut self, need: u64, now: Timestamp) -> Ask {
        if let Some(asked) = self.asked {
            match now.micros().saturating_sub(asked.micros()) {
                ..LASTS => self.size *= 2,
                lasted if lasted > 4 * LASTS => self.size /= 2,
                _ => {}
            }
        }
        self.size = self.size.clamp(1, (self.quota / LARGEST).max(1));
        (self.asking, self.asked) = (true, Some(now));
        Ask { quota: self.quota, need, want: self.size.max(need) }
    }

    /// Takes the answer to what was asked for a period; `None` is that there was none.
    pub(super) fn settle(&mut self, period: Span, told: Option<Granted>, now: Timestamp) {
        // What was granted of a period that is over is worth nothing.
        if period != self.period {
            return;
        }
        self.asking = false;
        match told {
            Some(told) => {
                self.held += told.granted;
                (self.left, self.told, self.away) = (told.left, Some(now), None);
            }
            None => self.away = Some(now),
        }
    }

    /// The answer is waited for no longer; nor are others to wait as long.
    pub(super) fn late(&mut self, period: Span, now: Timestamp) {
        if period == self.period && self.asking {
            self.away = Some(now);
        }
    }

    /// Gives back what was taken for a request that is refused by another limit.
    pub(super) fn give_back(&mut self, period: Span, cost: u64) {
        if period == self.period {
            self.held += cost;
        }
    }

    /// Hands over all that is held, unless somebody has wanted of it since `before`.
    pub(super) fn close(&mut self, before: Timestamp) -> Option<u64> {
        (!self.asking && self.used <= before).then(|| std::mem::take(&mut self.held))
    }

    /// How much is left, as far as this process knows.
    pub(super) fn remaining(&self) -> u64 {
        self.held.saturating_add(self.left)
    }

    pub(super) fn period(&self) -> Span {
        self.period
    }
}

#[cfg(test)]
mod tests {
    use forebay_model::period::Period;

    use super::*;

    const DAY: i64 = 86_400 * SECOND;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * SECOND)
    }

    fn day(n: i64) -> Span {
        Period::Day.around(Timestamp::from_micros(n * DAY))
    }

    fn told(granted: u64, left: u64) -> Option<Granted> {
        Some(Granted { granted, left })
    }

    fn want(step: Step) -> u64 {
        let Step::Ask(ask) = step else { panic!("{step:?}") };
        ask.want
    }

    #[test]
    fn who_does_not_answer_holds_up_one() {
        let mut lease = Lease::new(100, day(0), at(0));
        assert_eq!(want(lease.take(1, day(0), at(0))), 1);
        assert_eq!(lease.take(1, day(0), at(0)), Step::Wait);
        lease.late(day(0), at(2));
        assert_eq!(lease.take(1, day(0), at(2)), Step::Away);
        // It is not asked twice, and what comes late is used all the same.
        assert_eq!(lease.take(1, day(0), at(4)), Step::Wait);
        assert_eq!(lease.close(at(9)), None);
        lease.settle(day(0), told(1, 99), at(5));
        assert_eq!(lease.take(1, day(0), at(5)), Step::Taken);
        assert_eq!(want(lease.take(1, day(0), at(5))), 1);
    }

    #[test]
    fn a_period_takes_nothing_along() {
        let mut lease = Lease::new(100_000, day(0), at(0));
        assert_eq!(want(lease.take(1, day(0), at(0))), 100);
        lease.settle(day(0), told(100, 50), at(0));
        assert_eq!(lease.take(1, day(0), at(0)), Step::Taken);
        // Asked yesterday, answered today.
        assert_eq!(want(lease.take(120, day(0), at(86_399))), 50);
        assert_eq!(want(lease.take(1, day(1), at(86_400))), 50);
        lease.settle(day(0), told(100, 50), at(86_400));
        assert_eq!((lease.held, lease.take(1, day(1), at(86_400))), (0, Step::Wait));
        lease.settle(day(1), told(100, 99_900), at(86_400));
        assert_eq!(lease.take(1, day(1), at(86_400)), Step::Taken);
        // A clock that is set back opens nothing, and what was taken yesterday is not given back.
        assert_eq!(lease.take(99, day(0), at(86_399)), Step::Taken);
        lease.give_back(day(0), 50);
        assert_eq!(lease.held, 0);
        lease.give_back(day(1), 50);
        assert_eq!((lease.held, lease.period()), (50, day(1)));
    }

    #[test]
    fn its_size_follows_its_use() {
        let mut lease = Lease::new(100_000, day(0), at(0));
        let mut now = 0;
        let mut next = |lease: &mut Lease, pause: i64| {
            now += pause;
            let held = lease.held;
            let size = want(lease.take(held + 1, day(0), at(now)));
            lease.settle(day(0), told(0, 90_000), at(now));
            size
        };
        let sizes = [0, 1, 1, 1, 1].map(|pause| next(&mut lease, pause));
        assert_eq!(sizes, [100, 200, 400, 800, 1000]);
        let sizes = [100, 300, 300].map(|pause| next(&mut lease, pause));
        assert_eq!(sizes, [1000, 500, 250]);
    }
}
