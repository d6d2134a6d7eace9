//! Keys that must report: who has been silent for too long.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::evaluator::{Happening, Saved, key_of};
use super::machine::{Change, Machine, Phase};
use super::spec::Absence;
use super::threshold::MOST_GROUPS;

/// The keys of an absence rule.
#[derive(Debug)]
pub(crate) struct Keys {
    keys: BTreeMap<String, Key>,
    /// By when each has to report, or is forgotten.
    deadlines: BTreeSet<(i64, String)>,
    /// Nobody is missed before.
    not_before: i64,
    pub(crate) beyond: u64,
}

#[derive(Debug)]
struct Key {
    name: Value,
    state: State,
    deadline: i64,
    changed: bool,
}

/// What is stored of a key.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct State {
    machine: Machine,
    seen: i64,
}

impl Keys {
    /// Begins at a time, at which the listed keys are taken to have reported.
    pub(crate) fn new(rule: &Absence, at: i64) -> Keys {
        let not_before = at.saturating_add(rule.grace);
        let (keys, deadlines) = (BTreeMap::new(), BTreeSet::new());
        let mut keys = Keys { keys, deadlines, not_before, beyond: 0 };
        for name in rule.listed.iter().flatten() {
            let state = State { seen: at, ..State::default() };
            keys.insert(rule, name.clone().into(), state);
        }
        keys
    }

    /// Takes back what was stored of a key. Nobody is missed before the grace after a start is over,
    /// for who could not be reached could not report.
    pub(crate) fn restore(&mut self, rule: &Absence, saved: Saved, now: i64) {
        self.not_before = now.saturating_add(rule.grace);
        let name = saved.key.into_iter().next().unwrap_or_default();
        let is_wanted = match &rule.listed {
            Some(listed) => name.as_str().is_some_and(|name| listed.iter().any(|l| l == name)),
            None => true,
        };
        if is_wanted {
            let state = serde_json::from_value(saved.state).unwrap_or_default();
            self.insert(rule, name, state);
        }
    }

    /// A key has reported.
    pub(crate) fn feed(&mut self, rule: &Absence, name: Value, at: i64, out: &mut Vec<Happening>) {
        let name = match name {
            Value::Null => return,
            Value::String(name) => name,
            other => other.to_string(),
        };
        let name = Value::String(name);
        let text = key_of(std::slice::from_ref(&name));
        if !self.keys.contains_key(&text) {
            if rule.listed.is_some() {
                return;
            }
            if self.keys.len() >= MOST_GROUPS {
                self.beyond += 1;
                return;
            }
            self.insert(rule, name, State { seen: at, ..State::default() });
        }
        let Some(key) = self.keys.get_mut(&text) else { return };
        // Each report moves the deadline; it is stored when it has moved by a good part.
        key.changed |= key.state.machine.phase != Phase::Inactive
            || at.saturating_sub(key.state.seen) > rule.after / 4
            || key.state.seen == at;
        key.state.seen = key.state.seen.max(at);
        if key.state.machine.phase == Phase::Firing {
            out.push(key.enter(Phase::Inactive, at));
        }
        let deadline = key.state.seen.saturating_add(rule.after).max(self.not_before);
        self.move_deadline(&text, deadline);
    }

    /// Finds who has not reported by a time.
    pub(crate) fn advance(&mut self, rule: &Absence, to: i64, out: &mut Vec<Happening>) {
        while let Some((deadline, text)) = self.deadlines.first().cloned() {
            if deadline > to {
                return;
            }
            let Some(key) = self.keys.get_mut(&text) else {
                self.deadlines.remove(&(deadline, text));
                continue;
            };
            key.changed = true;
            match key.state.machine.phase {
                Phase::Firing if rule.listed.is_none() => {
                    // It is not coming back: nobody is missed any more, and nobody is told.
                    key.state.machine.forget();
                    self.deadlines.remove(&(deadline, text.clone()));
                    key.deadline = i64::MAX;
                }
                Phase::Firing => self.move_deadline(&text, i64::MAX),
                _ => {
                    out.push(key.enter(Phase::Firing, deadline));
                    let forgotten = key.state.seen.saturating_add(rule.forget).max(deadline + 1);
                    self.move_deadline(&text, forgotten);
                }
            }
        }
    }

    pub(crate) fn due(&self) -> Option<i64> {
        self.deadlines
            .first()
            .map(|(deadline, _)| *deadline)
            .filter(|deadline| *deadline < i64::MAX)
    }

    /// What has changed since it was asked last; keys that are forgotten leave.
    pub(crate) fn changed(&mut self) -> Vec<Saved> {
        let changed = self.keys.values_mut().filter(|key| key.changed);
        let saved = changed
            .map(|key| {
                key.changed = false;
                let state = serde_json::to_value(&key.state).unwrap_or_default();
                Saved {
                    key: vec![key.name.clone()],
                    state,
                    idle: key.deadline == i64::MAX && key.state.machine.phase == Phase::Inactive,
                }
            })
            .collect();
        self.keys
            .retain(|_, key| key.deadline < i64::MAX || key.state.machine.phase == Phase::Firing);
        saved
    }

    pub(crate) fn told(&mut self, key: &[Value]) {
        if let Some(key) = self.keys.get_mut(&key_of(key)) {
            (key.state.machine.told, key.changed) = (true, true);
        }
    }

    fn insert(&mut self, rule: &Absence, name: Value, state: State) {
        let text = key_of(std::slice::from_ref(&name));
        let deadline = match state.machine.phase {
            Phase::Firing => state.seen.saturating_add(rule.forget),
            _ => state.seen.saturating_add(rule.after).max(self.not_before),
        };
        if let Some(before) = self.keys.remove(&text) {
            self.deadlines.remove(&(before.deadline, text.clone()));
        }
        self.deadlines.insert((deadline, text.clone()));
        self.keys.insert(text, Key { name, state, deadline, changed: true });
    }

    fn move_deadline(&mut self, text: &str, to: i64) {
        if let Some(key) = self.keys.get_mut(text) {
            self.deadlines.remove(&(key.deadline, text.to_owned()));
            key.deadline = to;
            self.deadlines.insert((to, text.to_owned()));
        }
    }
}

impl Key {
    fn enter(&mut self, phase: Phase, at: i64) -> Happening {
        let machine = &mut self.state.machine;
        let from = machine.phase;
        if phase == Phase::Firing {
            machine.episode += 1;
            (machine.pending_at, machine.firing_at, machine.told) = (Some(at), Some(at), false);
        }
        (machine.phase, machine.since) = (phase, at);
        self.changed = true;
        let change = Change { at, from, to: phase };
        Happening::Changed { change, group: vec![self.name.clone()], machine: machine.clone() }
    }
}
