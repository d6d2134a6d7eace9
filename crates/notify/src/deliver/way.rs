//! The way to one channel, as this process knows it: what is on it now, how much may be, and whether the
//! other end is well.

use std::time::Duration;

use super::breaker::{Breaker, Gate};

/// Messages that may be on the way at first, before anything is known of the other end.
const FIRST: usize = 8;
/// An answer that takes longer is a slow one: more at once would only hold places that others need.
const SLOW: Duration = Duration::from_secs(1);

/// What a try says of the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    /// It took the message.
    Good,
    /// It did not.
    Bad,
    /// Nothing.
    None,
}

/// The way to a channel.
#[derive(Debug, Clone)]
pub(super) struct Way {
    flying: usize,
    /// Grows with each quick answer and halves with each failure, so that a dead receiver holds few of
    /// the places that all share.
    limit: usize,
    breaker: Breaker,
}

impl Default for Way {
    fn default() -> Way {
        Way { flying: 0, limit: FIRST, breaker: Breaker::default() }
    }
}

impl Way {
    /// How many more may be sent now, of at most so many at once.
    pub(super) fn room(&self, most: usize, now: i64) -> usize {
        let room = self.limit.min(most).saturating_sub(self.flying);
        match self.breaker.gate(now) {
            Gate::Open => room,
            Gate::One => room.min(1),
            Gate::Shut => 0,
        }
    }

    /// One is sent.
    pub(super) fn sent(&mut self) {
        self.flying += 1;
        self.breaker.passed();
    }

    /// One is back.
    pub(super) fn back(&mut self, word: Word, took: Duration, (most, now): (usize, i64)) {
        self.flying = self.flying.saturating_sub(1);
        match word {
            Word::Good => {
                self.breaker.record(true, now);
                let limit = if took > SLOW { self.limit - 1 } else { self.limit + 1 };
                self.limit = limit.clamp(1, most.max(1));
            }
            Word::Bad => {
                self.breaker.record(false, now);
                self.limit = (self.limit / 2).max(1);
            }
            Word::None => self.breaker.lost(now),
        }
    }

    /// Whether there is nothing to remember.
    pub(super) fn is_idle(&self, now: i64) -> bool {
        self.flying == 0 && self.breaker.gate(now) == Gate::Open
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quick_receiver_gets_more_and_a_slow_or_dead_one_less() {
        let quick = Duration::from_millis(5);
        let mut way = Way::default();
        for _ in 0..100 {
            way.sent();
            way.back(Word::Good, quick, (64, 0));
        }
        assert_eq!(way.room(64, 0), 64);
        let mut slow = way.clone();
        for _ in 0..100 {
            slow.sent();
            slow.back(Word::Good, Duration::from_secs(5), (64, 0));
        }
        assert_eq!(slow.room(64, 0), 1);
        for _ in 0..9 {
            way.sent();
            way.back(Word::Bad, quick, (64, 0));
        }
        assert_eq!(way.room(64, 0), 1);
    }

    #[test]
    fn what_is_on_the_way_takes_room() {
        let mut way = Way::default();
        (0..5).for_each(|_| way.sent());
        assert_eq!(way.room(64, 0), 3);
        assert_eq!(way.room(2, 0), 0);
        assert!(!way.is_idle(0));
        (0..5).for_each(|_| way.back(Word::None, Duration::ZERO, (64, 0)));
        assert_eq!(way.room(64, 0), 8);
        assert!(way.is_idle(0));
    }

    #[test]
    fn nothing_is_sent_to_a_dead_receiver_but_one_now_and_then() {
        let mut way = Way::default();
        for _ in 0..10 {
            way.sent();
            way.back(Word::Bad, Duration::ZERO, (64, 0));
        }
        assert_eq!(way.room(64, 29_000_000), 0);
        assert_eq!(way.room(64, 30_000_000), 1);
        way.sent();
        assert_eq!(way.room(64, 31_000_000), 0);
        way.back(Word::Good, Duration::ZERO, (64, 31_000_000));
        assert!(way.room(64, 31_000_000) > 0);
    }
}
