//! A channel's breaker: after too many failures its messages wait, and one of them is tried now and then.

/// What is looked at: so long, in pieces.
const SLICES: usize = 10;
const SLICE_MICROS: i64 = 30 * 1_000_000;
/// It opens with at least so many tries of which so many in a hundred failed.
const LEAST: u32 = 10;
const FAILED_PERCENT: u32 = 70;
/// How long it stays open: at first, and at most.
const FIRST_MICROS: i64 = 30 * 1_000_000;
const LONGEST_MICROS: i64 = 15 * 60 * 1_000_000;

#[derive(Debug, Clone, Copy, Default)]
struct Slice {
    number: i64,
    good: u32,
    bad: u32,
}

/// Where a breaker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed,
    /// Nothing passes until then; after that one does.
    Open {
        until: i64,
        pause: i64,
    },
    /// One is on its way to see.
    Probing {
        pause: i64,
    },
}

/// How many may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gate {
    /// As many as there is room for.
    Open,
    /// One.
    One,
    /// None.
    Shut,
}

/// A breaker. Times are microseconds.
#[derive(Debug, Clone)]
pub(super) struct Breaker {
    slices: [Slice; SLICES],
    state: State,
}

impl Default for Breaker {
    fn default() -> Breaker {
        Breaker { slices: [Slice::default(); SLICES], state: State::Closed }
    }
}

impl Breaker {
    /// How many may pass now.
    pub(super) fn gate(&self, now: i64) -> Gate {
        match self.state {
            State::Closed => Gate::Open,
            State::Open { until, .. } if now >= until => Gate::One,
            State::Open { .. } | State::Probing { .. } => Gate::Shut,
        }
    }

    /// One of them passes.
    pub(super) fn passed(&mut self) {
        if let State::Open { pause, .. } = self.state {
            self.state = State::Probing { pause };
        }
    }

    /// One ended without a word on the receiver.
    pub(super) fn lost(&mut self, now: i64) {
        if let State::Probing { pause } = self.state {
            self.state = State::Open { until: now, pause };
        }
    }

    /// One was answered, well or not.
    pub(super) fn record(&mut self, good: bool, now: i64) {
        match self.state {
            // Of those that were on their way when it opened, too.
            _ if good && self.state != State::Closed => *self = Breaker::default(),
            State::Probing { pause } => {
                let pause = (pause * 2).min(LONGEST_MICROS);
                self.state = State::Open { until: now.saturating_add(pause), pause };
            }
            State::Open { .. } => {}
            State::Closed => self.count(good, now),
        }
    }

    fn count(&mut self, good: bool, now: i64) {
        let number = now.div_euclid(SLICE_MICROS);
        let at = usize::try_from(number.rem_euclid(SLICES as i64)).unwrap_or(0);
        if let Some(slice) = self.slices.get_mut(at) {
            if slice.number != number {
                *slice = Slice { number, good: 0, bad: 0 };
            }
            let count = if good { &mut slice.good } else { &mut slice.bad };
            *count = count.saturating_add(1);
        }
        let recent = self.slices.iter().filter(|slice| number - slice.number < SLICES as i64);
        let sum = |(good, bad): (u32, u32), slice: &Slice| {
            (good.saturating_add(slice.good), bad.saturating_add(slice.bad))
        };
        let (good, bad) = recent.fold((0, 0), sum);
        let all = good.saturating_add(bad);
        let many = u64::from(bad) * 100 >= u64::from(all) * u64::from(FAILED_PERCENT);
        if all >= LEAST && many {
            let until = now.saturating_add(FIRST_MICROS);
            self.state = State::Open { until, pause: FIRST_MICROS };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    fn opened() -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 0..10 {
            assert_eq!(breaker.gate(0), Gate::Open);
            breaker.record(false, 0);
        }
        assert_eq!(breaker.gate(0), Gate::Shut);
        breaker
    }

    #[test]
    fn few_failures_or_old_ones_open_nothing() {
        let mut breaker = Breaker::default();
        for second in 0..1000 {
            // Nine in five minutes.
            if second % 34 == 0 {
                breaker.record(false, second * SECOND);
            }
            assert_eq!(breaker.gate(second * SECOND), Gate::Open, "{second}");
        }
        let mut breaker = Breaker::default();
        for n in 0..100 {
            breaker.record(n % 3 == 0, 0);
        }
        assert_eq!(breaker.gate(0), Gate::Open, "two of three is less than seven of ten");
    }

    #[test]
    fn one_probe_at_a_time_after_growing_pauses() {
        let mut breaker = opened();
        let (mut now, mut pause) = (0, 30 * SECOND);
        for _ in 0..8 {
            assert_eq!(breaker.gate(now + pause - 1), Gate::Shut);
            now += pause;
            assert_eq!(breaker.gate(now), Gate::One);
            breaker.passed();
            assert_eq!(breaker.gate(now), Gate::Shut);
            breaker.record(false, now);
            pause = (pause * 2).min(900 * SECOND);
        }
        now += pause;
        breaker.passed();
        breaker.record(true, now);
        assert_eq!(breaker.gate(now), Gate::Open);
        breaker.record(false, now);
        assert_eq!(breaker.gate(now), Gate::Open, "what was before is forgotten");
    }

    #[test]
    fn what_was_on_its_way_when_it_opened() {
        let mut breaker = opened();
        breaker.record(false, SECOND);
        assert_eq!(breaker.gate(30 * SECOND), Gate::One, "a late failure changes nothing");
        let mut well = breaker.clone();
        well.record(true, SECOND);
        assert_eq!(well.gate(SECOND), Gate::Open);
        breaker.passed();
        breaker.lost(31 * SECOND);
        assert_eq!(breaker.gate(31 * SECOND), Gate::One, "a lost probe is made again");
    }
}
