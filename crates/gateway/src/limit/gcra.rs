//! The generic cell rate algorithm (ITU-T I.371, A): one number a key, the time at which all that it
//! has taken is forgotten. It has no windows, so nothing bursts twice at the edge of one, and the
//! wait of whoever is refused is exact.

/// So much at once, and then one unit in each period. Times are nanoseconds from any fixed moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quota {
    every: u64,
    burst: u64,
}

impl Quota {
    /// A quota of `count` in `period` nanoseconds; `None` when one of them is too small, or the burst
    /// too large, to be counted.
    pub(crate) fn new(count: u64, period: u64, burst: u64) -> Option<Quota> {
        // Below this the rounding to whole nanoseconds would be more than one percent.
        const SHORTEST: u64 = 100;
        const LONGEST: u64 = 1 << 62;
        let every = period.checked_div(count)?;
        let fits = every.checked_mul(burst).is_some_and(|whole| whole <= LONGEST);
        (every >= SHORTEST && burst > 0 && fits).then_some(Quota { every, burst })
    }

    /// Takes `cost` from a key whose takings are forgotten at `until`: when they are then, or how
    /// long to wait. What is larger than a burst waits for a whole one and takes the rest in
    /// advance, so that it passes at all and the rate is kept.
    pub(crate) fn take(self, until: u64, cost: u64, now: u64) -> Result<u64, u64> {
        let until = until.max(now);
        let asked = self.every * cost.min(self.burst);
        let room = now.saturating_add(self.every * self.burst);
        match until.saturating_add(asked).checked_sub(room) {
            None | Some(0) => Ok(until.saturating_add(self.every.saturating_mul(cost))),
            Some(wait) => Err(wait),
        }
    }

    /// When the takings are forgotten after `cost` was used, whether there was room or not.
    pub(crate) fn charge(self, until: u64, cost: u64, now: u64) -> u64 {
        until.max(now).saturating_add(self.every.saturating_mul(cost))
    }

    /// In which time one unit is there again.
    pub(crate) fn every(self) -> u64 {
        self.every
    }

    /// When the takings are forgotten after `cost` is given back.
    pub(crate) fn give_back(self, until: u64, cost: u64) -> u64 {
        until.saturating_sub(self.every.saturating_mul(cost))
    }

    /// How much may be taken at once.
    pub(crate) fn burst(self) -> u64 {
        self.burst
    }

    /// How much is left of the burst.
    pub(crate) fn left(self, until: u64, now: u64) -> u64 {
        let taken = until.saturating_sub(now);
        (self.every * self.burst).saturating_sub(taken) / self.every
    }

    /// In how many nanoseconds a burst that was taken is there again.
    pub(crate) fn window(self) -> u64 {
        self.every * self.burst
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use governor::clock::{Clock as _, FakeRelativeClock};
    use governor::{NotUntil, RateLimiter};
    use std::num::NonZeroU32;
    use std::time::Duration;

    /// A small generator: the schedules are the same each time.
    struct Random(u64);

    impl Random {
        fn below(&mut self, end: u64) -> u64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let mixed = (self.0 ^ (self.0 >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
            (mixed >> 11) % end
        }
    }

    #[test]
    fn it_decides_as_the_reference_does() {
        let mut random = Random(7);
        let (mut allowed, mut refused) = (0, 0);
        for _ in 0..400 {
            let burst = u32::try_from(1 + random.below(50)).unwrap();
            let every = 100 + random.below(3_000_000);
            let quota = Quota::new(1, every, u64::from(burst)).unwrap();
            let reference = governor::Quota::with_period(Duration::from_nanos(every)).unwrap();
            let reference = reference.allow_burst(NonZeroU32::new(burst).unwrap());
            let clock = FakeRelativeClock::default();
            let reference = RateLimiter::direct_with_clock(reference, clock.clone());
            let (mut now, mut until) = (0, 0);
            for _ in 0..500 {
                let pause = match random.below(8) {
                    0 => every * random.below(u64::from(burst) * 2),
                    1 | 2 => random.below(every * 2),
                    3 => every,
                    _ => 0,
                };
                now += pause;
                clock.advance(Duration::from_nanos(pause));
                let cost = u32::try_from(1 + random.below(u64::from(burst))).unwrap();
                let cost = if random.below(3) == 0 { cost } else { 1 };
                let told = reference.check_n(NonZeroU32::new(cost).unwrap()).unwrap();
                let wait = |not: NotUntil<_>| not.wait_time_from(clock.now()).as_nanos();
                match (quota.take(until, u64::from(cost), now), told.map_err(wait)) {
                    (Ok(then), Ok(())) => (until, allowed) = (then, allowed + 1),
                    (Err(wait), Err(told)) => {
                        assert_eq!(u128::from(wait), told);
                        refused += 1;
                    }
                    (ours, told) => panic!("{ours:?} {told:?} of {quota:?} at {now}"),
                }
            }
        }
        assert!(allowed > 20_000 && refused > 20_000, "{allowed} {refused}");
    }

    #[test]
    fn the_wait_is_exact_and_so_is_what_is_left() {
        let second = 1_000_000_000;
        let quota = Quota::new(10, second, 5).unwrap();
        let mut until = 0;
        for left in (0..5).rev() {
            until = quota.take(until, 1, second).unwrap();
            assert_eq!(quota.left(until, second), left);
        }
        let wait = quota.take(until, 1, second).unwrap_err();
        assert_eq!(wait, second / 10);
        assert!(quota.take(until, 1, second + wait - 1).is_err());
        assert!(quota.take(until, 1, second + wait).is_ok());
        assert_eq!(quota.left(quota.give_back(until, 2), second), 2);
    }

    #[test]
    fn what_is_larger_than_a_burst_is_paid_off() {
        let second = 1_000_000_000;
        let quota = Quota::new(10, second, 5).unwrap();
        let until = quota.take(0, 20, second).unwrap();
        assert_eq!(until, 3 * second);
        assert_eq!(quota.left(until, second), 0);
        assert_eq!(quota.take(until, 1, second).unwrap_err(), 1_600_000_000);
        // It does not pass before a whole burst is there.
        let until = quota.take(0, 1, second).unwrap();
        assert_eq!(quota.take(until, 20, second).unwrap_err(), second / 10);
        assert!(quota.take(0, u64::MAX, u64::MAX).is_ok());
    }

    #[test]
    fn what_cannot_be_counted_is_refused() {
        let second = 1_000_000_000;
        for (count, period, burst) in [
            (0, second, 1),
            (1, second, 0),
            (20_000_000, second, 1),
            (1, u64::MAX, 2),
            (1, 86_400 * second, u64::MAX),
        ] {
            assert_eq!(Quota::new(count, period, burst), None, "{count} {period} {burst}");
        }
    }
}
