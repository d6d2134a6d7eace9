//! How much an endpoint has to do, and how soon it answers: a peak-sensitive moving average of its
//! round trips. A slow answer counts in full at once and is forgotten over time, so that whoever was
//! slow is tried again.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The time in which an answer's share falls to a third (1/e).
const DECAY: Duration = Duration::from_secs(10);
/// What is assumed of an endpoint that has not answered yet.
const DEFAULT: Duration = Duration::from_millis(30);
/// What a failure counts as at least: to refuse quickly is not to be quick.
const FAILURE: Duration = Duration::from_secs(1);

/// An endpoint's load.
pub(crate) struct Load {
    in_flight: AtomicU32,
    average: Mutex<Average>,
}

/// Of the round trips, in nanoseconds, as of a moment.
#[derive(Debug, Clone, Copy)]
struct Average {
    nanos: f64,
    at: Instant,
}

impl Load {
    pub(crate) fn new(now: Instant) -> Load {
        let average = Average { nanos: nanos(DEFAULT), at: now };
        Load { in_flight: AtomicU32::new(0), average: Mutex::new(average) }
    }

    pub(crate) fn begin(&self) {
        self.in_flight.fetch_add(1, Relaxed);
    }

    pub(crate) fn end(&self) {
        self.in_flight.fetch_sub(1, Relaxed);
    }

    pub(crate) fn in_flight(&self) -> u32 {
        self.in_flight.load(Relaxed)
    }

    /// An answer began after so long.
    pub(crate) fn answered(&self, took: Duration, now: Instant) {
        self.average.lock().unwrap_or_else(PoisonError::into_inner).learn(took, now);
    }

    /// There was no answer.
    pub(crate) fn failed(&self, took: Duration, now: Instant) {
        self.answered(took.max(FAILURE), now);
    }

    /// The next round trip in nanoseconds, by what is known now.
    pub(crate) fn round_trip(&self, now: Instant) -> f64 {
        self.average.lock().unwrap_or_else(PoisonError::into_inner).now(now)
    }
}

impl Average {
    fn learn(&mut self, took: Duration, now: Instant) {
        let took = nanos(took);
        let kept = self.share(now);
        let faded = self.nanos * kept;
        self.nanos = if took > faded { took } else { faded + took * (1.0 - kept) };
        self.at = now.max(self.at);
    }

    fn now(&self, now: Instant) -> f64 {
        self.nanos * self.share(now)
    }

    /// What is left of the past.
    fn share(&self, now: Instant) -> f64 {
        let passed = now.saturating_duration_since(self.at);
        if passed.is_zero() { 1.0 } else { (-passed.as_secs_f64() / DECAY.as_secs_f64()).exp() }
    }
}

fn nanos(time: Duration) -> f64 {
    time.as_secs_f64() * 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLI: Duration = Duration::from_millis(1);

    #[test]
    fn a_peak_counts_at_once_and_is_forgotten_slowly() {
        let start = Instant::now();
        let load = Load::new(start);
        let milli = |now| load.round_trip(now) / 1e6;
        assert!((milli(start) - 30.0).abs() < 0.01);
        load.answered(500 * MILLI, start);
        assert!((milli(start) - 500.0).abs() < 0.01);
        // Quick answers bring it down only as time passes.
        for n in 1..=1000 {
            load.answered(5 * MILLI, start + n * MILLI / 100);
        }
        let soon = start + 10 * MILLI;
        assert!(milli(soon) > 490.0, "{}", milli(soon));
        let mut now = soon;
        for _ in 0..10_000 {
            now += 6 * MILLI;
            load.answered(5 * MILLI, now);
        }
        assert!((4.9..7.0).contains(&milli(now)), "{}", milli(now));
    }

    #[test]
    fn who_is_not_asked_is_worth_another_try() {
        let start = Instant::now();
        let load = Load::new(start);
        load.failed(MILLI, start);
        assert!(load.round_trip(start) >= 1e9);
        assert!(load.round_trip(start + Duration::from_secs(60)) < 3e6);
    }
}
