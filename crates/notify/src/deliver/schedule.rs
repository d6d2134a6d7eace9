//! When a message is tried again.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

/// The pauses between tries, in seconds; after the last try it is given up.
const PAUSES: [u32; 7] = [5, 300, 1800, 7200, 18_000, 36_000, 36_000];
/// By so much a pause is longer or shorter, so that what failed together does not come together.
const JITTER: f64 = 0.2;

/// The pause after so many tries, not shorter than the receiver wants it; `None` after the last one.
/// The same message has the same pause, whoever asks.
pub(super) fn pause(id: &str, tries: i64, floor: Duration) -> Option<Duration> {
    let at = usize::try_from(tries.saturating_sub(1)).ok()?;
    let seconds = f64::from(*PAUSES.get(at)?);
    let mut hasher = DefaultHasher::new();
    (id, tries).hash(&mut hasher);
    let drawn = u32::try_from(hasher.finish() >> 32).unwrap_or(0);
    let drawn = f64::from(drawn) / f64::from(u32::MAX);
    let factor = 1.0 + JITTER * (2.0 * drawn - 1.0);
    Some(Duration::from_secs_f64(seconds * factor).max(floor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end() {
        for (at, seconds) in PAUSES.iter().enumerate() {
            let tries = i64::try_from(at).unwrap() + 1;
            let mut all = Vec::new();
            for n in 0..200 {
                let pause = pause(&format!("message {n}"), tries, Duration::ZERO).unwrap();
                let share = pause.as_secs_f64() / f64::from(*seconds);
                assert!((0.8..=1.2).contains(&share), "{pause:?}");
                all.push(pause);
            }
            // They are spread over the whole width.
            let width =
                all.iter().max().unwrap().as_secs_f64() - all.iter().min().unwrap().as_secs_f64();
            assert!(width > 0.3 * f64::from(*seconds), "{width}");
        }
        assert_eq!(pause("a", 8, Duration::from_secs(1)), None);
        assert_eq!(pause("a", 1, Duration::from_secs(60)), Some(Duration::from_secs(60)));
        assert_eq!(pause("a", 3, Duration::ZERO), pause("a", 3, Duration::ZERO));
    }
}
