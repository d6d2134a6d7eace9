//! Runs one rule along the log.

use std::collections::BTreeMap;
use std::sync::Arc;

use forebay_filter::{Env, View};
use forebay_model::time::Timestamp;
use serde_json::{Value, json};

use super::absence::Keys;
use super::machine::{Change, Machine};
use super::plan::{Rule, What};
use super::threshold::{MOST_GROUPS, Windows};

/// Something that people may want to know.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Happening {
    /// A record matches an event rule.
    Matched {
        /// When it arrived, in microseconds.
        at: i64,
        /// A value a field of the group.
        group: Vec<Value>,
        /// Where it stands in the log.
        seq: i64,
        /// How many of its group were held back since the one before.
        held_back: u64,
    },
    /// A group of a threshold or absence rule is in another phase.
    Changed {
        /// From where to where, and when.
        change: Change,
        /// A value a field of the group.
        group: Vec<Value>,
        /// The group's state after it.
        machine: Machine,
    },
}

/// A group's state as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Saved {
    /// A value a field of the group.
    pub(crate) key: Vec<Value>,
    pub(crate) state: Value,
    /// Whether it need not be stored any more.
    pub(crate) idle: bool,
}

/// The name of a group in a map: canonical JSON.
pub(crate) fn key_of(key: &[Value]) -> String {
    Value::Array(key.to_vec()).to_string()
}

/// A rule on its way along the log.
#[derive(Debug)]
pub(crate) struct Evaluator {
    rule: Arc<Rule>,
    state: State,
}

#[derive(Debug)]
enum State {
    Event(Events),
    Threshold(Windows),
    Absence(Keys),
}

/// When each group of an event rule was told of last.
#[derive(Debug, Default)]
struct Events {
    told: BTreeMap<String, (Vec<Value>, i64, u64)>,
    changed: Vec<String>,
    beyond: u64,
}

impl Evaluator {
    /// Begins at a time, in microseconds.
    pub(crate) fn new(rule: Arc<Rule>, at: i64) -> Evaluator {
        let state = match &rule.what {
            What::Event { .. } => State::Event(Events::default()),
            What::Threshold(threshold) => {
                let alone = rule.fields().next().is_none();
                State::Threshold(Windows::new(threshold, alone, at))
            }
            What::Absence(absence) => State::Absence(Keys::new(absence, at)),
        };
        Evaluator { rule, state }
    }

    /// Goes on where a rule was: evaluated up to `at`, restored at `now`.
    pub(crate) fn restored(rule: Arc<Rule>, at: i64, now: i64, saved: Vec<Saved>) -> Evaluator {
        let mut evaluator = Evaluator::new(rule, at);
        for saved in saved {
            match (&mut evaluator.state, &evaluator.rule.what) {
                (State::Event(events), _) => events.restore(&saved),
                (State::Threshold(windows), _) => windows.restore(saved),
                (State::Absence(keys), What::Absence(absence)) => keys.restore(absence, saved, now),
                (State::Absence(_), _) => {}
            }
        }
        evaluator
    }

    /// Fills open windows with a record that was evaluated before the state was stored.
    pub(crate) fn refill(&mut self, view: &View<'_>) {
        let env = Env::at(Timestamp::from_micros(view.received_at));
        if let (State::Threshold(windows), What::Threshold(threshold)) =
            (&mut self.state, &self.rule.what)
            && self.rule.takes(view, &env)
        {
            windows.feed(threshold, self.rule.group(view, &env), view);
        }
    }

    /// From when on records have to be read again after a restart, and whether that is when they
    /// happened, and not when they arrived.
    pub(crate) fn needs_from(&self) -> Option<(i64, bool)> {
        match (&self.state, &self.rule.what) {
            (State::Threshold(windows), What::Threshold(threshold)) => {
                Some((windows.needs_from(threshold), threshold.window.by_event))
            }
            _ => None,
        }
    }

    /// Takes the next record of the log; what ended before it arrived is looked at first.
    pub(crate) fn feed(&mut self, view: &View<'_>, out: &mut Vec<Happening>) {
        let env = Env::at(Timestamp::from_micros(view.received_at));
        self.run((view.received_at, false), out);
        if !self.rule.takes(view, &env) {
            return;
        }
        let group = self.rule.group(view, &env);
        match (&mut self.state, &self.rule.what) {
            (State::Event(events), What::Event { throttle }) => {
                events.feed(group, (view.received_at, view.seq), *throttle, out);
            }
            (State::Threshold(windows), What::Threshold(threshold)) => {
                windows.feed(threshold, group, view);
            }
            (State::Absence(keys), What::Absence(absence)) => {
                let name = group.into_iter().next().unwrap_or_default();
                keys.feed(absence, name, view.received_at, out);
            }
            _ => {}
        }
    }

    /// Time has come this far, and everything that arrived until then was fed.
    pub(crate) fn advance(&mut self, to: i64, out: &mut Vec<Happening>) {
        self.run((to, true), out);
    }

    fn run(&mut self, (to, through): (i64, bool), out: &mut Vec<Happening>) {
        match (&mut self.state, &self.rule.what) {
            (State::Threshold(windows), What::Threshold(threshold)) => {
                windows.advance(threshold, (to, through), out);
            }
            (State::Absence(keys), What::Absence(absence)) => {
                keys.advance(absence, if through { to } else { to - 1 }, out);
            }
            _ => {}
        }
    }

    /// When something may happen without any record.
    pub(crate) fn due(&self) -> Option<i64> {
        match (&self.state, &self.rule.what) {
            (State::Threshold(windows), What::Threshold(threshold)) => windows.due(threshold),
            (State::Absence(keys), _) => keys.due(),
            _ => None,
        }
    }

    /// What has to be stored since it was asked last.
    pub(crate) fn changed(&mut self) -> Vec<Saved> {
        match &mut self.state {
            State::Event(events) => events.changed(),
            State::Threshold(windows) => windows.changed(),
            State::Absence(keys) => keys.changed(),
        }
    }

    /// People were told that a group fires.
    pub(crate) fn told(&mut self, group: &[Value]) {
        match &mut self.state {
            State::Event(_) => {}
            State::Threshold(windows) => windows.told(group),
            State::Absence(keys) => keys.told(group),
        }
    }

    /// Records that were left out: for they came too late, or were of one group too many.
    pub(crate) fn left_out(&self) -> (u64, u64) {
        match &self.state {
            State::Event(events) => (0, events.beyond),
            State::Threshold(windows) => (windows.late, windows.beyond),
            State::Absence(keys) => (0, keys.beyond),
        }
    }
}

impl Events {
    fn feed(
        &mut self,
        group: Vec<Value>,
        (at, seq): (i64, i64),
        throttle: i64,
        out: &mut Vec<Happening>,
    ) {
        if throttle == 0 {
            out.push(Happening::Matched { at, group, seq, held_back: 0 });
            return;
        }
        let text = key_of(&group);
        if self.told.len() >= MOST_GROUPS {
            self.told.retain(|_, (_, last, held)| *held > 0 || last.saturating_add(throttle) > at);
        }
        if self.told.len() >= MOST_GROUPS && !self.told.contains_key(&text) {
            self.beyond += 1;
            return;
        }
        let (_, last, held) =
            self.told.entry(text.clone()).or_insert_with(|| (group.clone(), i64::MIN, 0));
        if last.saturating_add(throttle) > at {
            *held += 1;
        } else {
            out.push(Happening::Matched { at, group, seq, held_back: *held });
            (*last, *held) = (at, 0);
        }
        self.changed.push(text);
    }

    fn restore(&mut self, saved: &Saved) {
        let number = |name: &str| saved.state.get(name).and_then(Value::as_i64).unwrap_or(0);
        let held = u64::try_from(number("held")).unwrap_or(0);
        self.told.insert(key_of(&saved.key), (saved.key.clone(), number("told"), held));
    }

    fn changed(&mut self) -> Vec<Saved> {
        let mut changed = std::mem::take(&mut self.changed);
        changed.sort_unstable();
        changed.dedup();
        let saved = changed.into_iter().filter_map(|text| {
            let (key, told, held) = self.told.get(&text)?;
            let state = json!({"told": told, "held": held});
            Some(Saved { key: key.clone(), state, idle: false })
        });
        saved.collect()
    }
}

#[cfg(test)]
mod tests;
