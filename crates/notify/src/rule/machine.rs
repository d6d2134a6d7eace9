//! The state of one group of a rule: inactive, pending, firing, recovering.
//!
//! The machine knows no clock: it is told at which time a window ended and what was in it, and says
//! what has changed. Live evaluation, backtest and tester all drive this one.

use serde::{Deserialize, Serialize};

/// Where a group is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Phase {
    /// Nothing is wrong.
    #[default]
    Inactive,
    /// The condition holds, not yet for long enough.
    Pending,
    /// It has held for long enough: people were told.
    Firing,
    /// It has recovered, not yet for long enough.
    Recovering,
}

/// What a window says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Tick {
    /// When the window ended, in microseconds.
    pub(crate) at: i64,
    /// Its value; nothing when there were no data.
    pub(crate) value: Option<f64>,
    /// Whether `when` holds.
    pub(crate) bad: bool,
    /// Whether `recover` holds; the opposite of `bad` where there is none.
    pub(crate) good: bool,
}

/// How long a condition must hold, and what is made of windows without data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Patience {
    /// Before it fires, in microseconds.
    pub(crate) hold: i64,
    /// Before it is resolved, in microseconds.
    pub(crate) keep_firing: i64,
    /// So many of the last so many windows must be bad.
    pub(crate) of_last: (u32, u32),
    /// What no data mean.
    pub(crate) no_data: NoData,
}

/// What windows without data mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum NoData {
    /// Nothing changes.
    #[default]
    KeepLast,
    /// All is well.
    Ok,
    /// Something is wrong.
    Alert,
}

/// One group's state. It is stored as it is.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) phase: Phase,
    /// Since when it is there, in microseconds.
    pub(crate) since: i64,
    /// Which episode this is, or was: one from pending to resolved.
    pub(crate) episode: u64,
    /// When the episode began to be pending, and to fire.
    pub(crate) pending_at: Option<i64>,
    pub(crate) firing_at: Option<i64>,
    /// The value that was farthest up while it was not inactive.
    pub(crate) peak: Option<f64>,
    /// The last value.
    pub(crate) value: Option<f64>,
    /// Whether people were told that it fires.
    #[serde(default)]
    pub(crate) told: bool,
    /// The last windows, newest in the lowest bit: set where they were bad.
    #[serde(default)]
    last: u64,
}

/// A change of phase.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Change {
    pub(crate) at: i64,
    pub(crate) from: Phase,
    pub(crate) to: Phase,
}

impl Machine {
    /// Takes a window's end.
    pub(crate) fn tick(&mut self, tick: Tick, patience: Patience) -> Option<Change> {
        let (bad, good) = match (tick.value, patience.no_data) {
            (Some(_), _) => (tick.bad, tick.good),
            (None, NoData::KeepLast) => return None,
            (None, NoData::Ok) => (false, true),
            (None, NoData::Alert) => (true, false),
        };
        self.value = tick.value;
        let bad = self.often(bad, patience.of_last);
        let before = self.phase;
        let entered = match (before, bad, good) {
            (Phase::Inactive, true, _) => {
                self.begin(tick.at);
                Phase::Pending
            }
            (Phase::Pending, false, _) => Phase::Inactive,
            (Phase::Firing, false, true) => Phase::Recovering,
            (Phase::Recovering, true, _) | (Phase::Recovering, _, false) => Phase::Firing,
            (same, ..) => same,
        };
        self.enter(entered, tick.at);
        let held = tick.at - self.since;
        match self.phase {
            Phase::Pending if held >= patience.hold => self.enter(Phase::Firing, tick.at),
            Phase::Recovering if held >= patience.keep_firing => {
                self.enter(Phase::Inactive, tick.at);
            }
            _ => {}
        }
        self.note(tick);
        (self.phase != before).then_some(Change { at: tick.at, from: before, to: self.phase })
    }

    /// Nothing is wrong any more, and nobody is told: what is left is how many episodes there were.
    pub(crate) fn forget(&mut self) {
        *self = Machine { episode: self.episode, ..Machine::default() };
    }

    /// Whether nothing of it has to be remembered.
    pub(crate) fn is_idle(&self) -> bool {
        self.phase == Phase::Inactive && self.last == 0
    }

    /// Whether so many of the last windows were bad, with this one.
    fn often(&mut self, bad: bool, (wanted, of): (u32, u32)) -> bool {
        if of <= 1 {
            return bad;
        }
        let mask = if of >= 64 { u64::MAX } else { (1 << of) - 1 };
        self.last = (self.last << 1 | u64::from(bad)) & mask;
        self.last.count_ones() >= wanted
    }

    fn begin(&mut self, at: i64) {
        self.episode += 1;
        self.pending_at = Some(at);
        (self.firing_at, self.peak, self.told) = (None, None, false);
    }

    fn enter(&mut self, phase: Phase, at: i64) {
        if phase == self.phase {
            return;
        }
        if phase == Phase::Firing && self.firing_at.is_none() {
            self.firing_at = Some(at);
        }
        (self.phase, self.since) = (phase, at);
    }

    fn note(&mut self, tick: Tick) {
        if let Some(value) = tick.value.filter(|_| self.phase != Phase::Inactive) {
            self.peak = Some(self.peak.map_or(value, |peak| peak.max(value)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENT: Patience =
        Patience { hold: 5, keep_firing: 3, of_last: (1, 1), no_data: NoData::KeepLast };

    /// Values over 80 are bad, under 70 good again; one a microsecond.
    fn run(values: &[Option<f64>], patience: Patience) -> Vec<(i64, Phase)> {
        let mut machine = Machine::default();
        let ticks = values.iter().zip(1..).filter_map(|(value, at)| {
            let is = |test: fn(f64) -> bool| value.is_some_and(test);
            let (bad, good) = (is(|v| v > 80.0), is(|v| v < 70.0));
            machine.tick(Tick { at, value: *value, bad, good }, patience)
        });
        ticks.map(|change| (change.at, change.to)).collect()
    }

    #[test]
    fn an_episode_from_pending_to_resolved() {
        let mut values = vec![Some(10.0); 2];
        values.extend([Some(90.0); 8]);
        // Between the two bounds nothing changes.
        values.extend([Some(75.0); 4]);
        values.extend([Some(60.0); 6]);
        assert_eq!(
            run(&values, PATIENT),
            [
                (3, Phase::Pending),
                (8, Phase::Firing),
                (15, Phase::Recovering),
                (18, Phase::Inactive)
            ]
        );
    }

    #[test]
    fn what_does_not_last_fires_nothing() {
        let values = [90.0, 90.0, 60.0, 90.0, 90.0, 90.0, 90.0, 60.0].map(Some);
        assert_eq!(
            run(&values, PATIENT),
            [(1, Phase::Pending), (3, Phase::Inactive), (4, Phase::Pending), (8, Phase::Inactive)]
        );
    }

    #[test]
    fn a_relapse_is_the_same_episode() {
        let mut machine = Machine::default();
        let patience = Patience { hold: 0, keep_firing: 3, ..PATIENT };
        let mut told = Vec::new();
        for (value, at) in [90.0, 60.0, 90.0, 60.0, 60.0, 60.0, 60.0, 90.0].into_iter().zip(1..) {
            let tick = Tick { at, value: Some(value), bad: value > 80.0, good: value < 70.0 };
            told.extend(machine.tick(tick, patience).map(|c| (at, c.to, machine.episode)));
        }
        assert_eq!(
            told,
            [
                (1, Phase::Firing, 1),
                (2, Phase::Recovering, 1),
                (3, Phase::Firing, 1),
                (4, Phase::Recovering, 1),
                (7, Phase::Inactive, 1),
                (8, Phase::Firing, 2)
            ]
        );
    }

    #[test]
    fn no_data_mean_what_was_said() {
        let mut values = vec![Some(90.0); 6];
        values.extend([None; 5]);
        assert_eq!(run(&values, PATIENT), [(1, Phase::Pending), (6, Phase::Firing)]);
        let well = Patience { no_data: NoData::Ok, ..PATIENT };
        assert_eq!(run(&values, well).last(), Some(&(10, Phase::Inactive)));
        let alert = Patience { no_data: NoData::Alert, ..PATIENT };
        assert_eq!(run(&[None; 6], alert), [(1, Phase::Pending), (6, Phase::Firing)]);
    }

    #[test]
    fn three_of_five() {
        let patience = Patience { hold: 0, keep_firing: 0, of_last: (3, 5), ..PATIENT };
        let values = [90.0, 60.0, 90.0, 60.0, 90.0, 60.0, 60.0, 60.0, 60.0].map(Some);
        assert_eq!(run(&values, patience), [(5, Phase::Firing), (6, Phase::Inactive)]);
    }
}
