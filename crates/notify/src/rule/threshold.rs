//! Windows over time: each group's records in panes, and what every window's end says.
//!
//! A window `(end − size, end]` ends at each multiple of the slide, and is looked at once the log has
//! been read beyond `end + lateness`. When a record counts follows from the record alone, so that
//! records in any order give the same windows, within the lateness; later ones are counted as late.

use std::collections::{BTreeMap, VecDeque};

use forebay_filter::{Env, View};
use forebay_model::time::Timestamp;
use serde_json::Value;

use super::evaluator::{Happening, Saved, key_of};
use super::machine::{Machine, Tick};
use super::measure::Kept;
use super::plan::Threshold;

/// The most groups of a rule, and the most panes of all of them.
pub(crate) const MOST_GROUPS: usize = 10_000;
const MOST_PANES: usize = 200_000;
/// How far ahead of its arrival a record may have happened.
const AHEAD: i64 = 3_600_000_000;

/// The groups of a threshold rule.
#[derive(Debug)]
pub(crate) struct Windows {
    groups: BTreeMap<String, Group>,
    /// The pane whose end is looked at next: it ends at `next * slide`.
    next: i64,
    panes: usize,
    /// Records that came too late, or were of one group too many.
    pub(crate) late: u64,
    pub(crate) beyond: u64,
}

#[derive(Debug)]
struct Group {
    key: Vec<Value>,
    machine: Machine,
    /// By number, ascending.
    panes: VecDeque<(i64, Kept)>,
    changed: bool,
}

impl Windows {
    /// Begins at a time. A rule that groups by nothing has one group, with or without records.
    pub(crate) fn new(rule: &Threshold, alone: bool, at: i64) -> Windows {
        let next = at.div_euclid(rule.window.slide) + 1;
        let mut windows = Windows { groups: BTreeMap::new(), next, panes: 0, late: 0, beyond: 0 };
        if alone {
            windows.groups.insert(key_of(&[]), Group::new(Vec::new(), Machine::default()));
        }
        windows
    }

    /// Takes back what was stored of a group.
    pub(crate) fn restore(&mut self, saved: Saved) {
        let machine = serde_json::from_value(saved.state).unwrap_or_default();
        self.groups.insert(key_of(&saved.key), Group::new(saved.key, machine));
    }

    /// Takes a record that the rule looks at.
    pub(crate) fn feed(&mut self, rule: &Threshold, key: Vec<Value>, view: &View<'_>) {
        let window = rule.window;
        let time = if window.by_event { view.time } else { view.received_at };
        let pane = pane_of(time, window.slide);
        let end = pane.saturating_mul(window.slide);
        let is_late = pane < self.next - (window.size / window.slide) + 1
            || end.saturating_add(window.lateness) < view.received_at;
        if is_late || time.saturating_sub(view.received_at) > AHEAD {
            self.late += 1;
            return;
        }
        let text = key_of(&key);
        let full = self.groups.len() >= MOST_GROUPS || self.panes >= MOST_PANES;
        if full && !self.groups.contains_key(&text) {
            self.beyond += 1;
            return;
        }
        let group = self.groups.entry(text).or_insert_with(|| Group::new(key, Machine::default()));
        let env = Env::at(Timestamp::from_micros(view.received_at));
        let (kept, is_new) = group.pane(pane, rule);
        rule.measure.take(kept, view, &env);
        self.panes += usize::from(is_new);
    }

    /// Looks at every window that ends, with its lateness, before a time, or at it where `through`.
    pub(crate) fn advance(
        &mut self,
        rule: &Threshold,
        (to, through): (i64, bool),
        out: &mut Vec<Happening>,
    ) {
        let window = rule.window;
        loop {
            let due = self.next.saturating_mul(window.slide).saturating_add(window.lateness);
            if due > to || due == to && !through {
                return;
            }
            if self.groups.is_empty() {
                // Nothing can happen until a record comes.
                let reached = to.saturating_sub(window.lateness);
                self.next = pane_of(reached, window.slide).max(self.next);
                if self.next.saturating_mul(window.slide) + window.lateness == to && through {
                    self.next += 1;
                }
                return;
            }
            self.tick(rule, out);
            self.next += 1;
        }
    }

    /// When something may happen without any record.
    pub(crate) fn due(&self, rule: &Threshold) -> Option<i64> {
        let next = self.next.saturating_mul(rule.window.slide);
        (!self.groups.is_empty()).then(|| next.saturating_add(rule.window.lateness))
    }

    /// From when on records have to be read again to fill the windows that are open.
    pub(crate) fn needs_from(&self, rule: &Threshold) -> i64 {
        self.next.saturating_mul(rule.window.slide).saturating_sub(rule.window.size)
    }

    /// What has changed since it was asked last: states to store, and keys that are gone.
    pub(crate) fn changed(&mut self) -> Vec<Saved> {
        let changed = self.groups.values_mut().filter(|group| group.changed);
        changed
            .map(|group| {
                group.changed = false;
                let state = serde_json::to_value(&group.machine).unwrap_or_default();
                Saved { key: group.key.clone(), state, idle: group.machine.is_idle() }
            })
            .collect()
    }

    pub(crate) fn told(&mut self, key: &[Value]) {
        if let Some(group) = self.groups.get_mut(&key_of(key)) {
            (group.machine.told, group.changed) = (true, true);
        }
    }

    fn tick(&mut self, rule: &Threshold, out: &mut Vec<Happening>) {
        let window = rule.window;
        let (end, first) = (self.next * window.slide, self.next - window.size / window.slide + 1);
        let env = Env::at(Timestamp::from_micros(end));
        let mut dropped = 0;
        for group in self.groups.values_mut() {
            while group.panes.front().is_some_and(|(number, _)| *number < first) {
                group.panes.pop_front();
                dropped += 1;
            }
            let value = rule.measure.value(&group.whole(rule, self.next), window.size);
            let (bad, good) = value.map_or((false, false), |value| rule.judge(value, &env));
            let before = group.machine.clone();
            let change = group.machine.tick(Tick { at: end, value, bad, good }, rule.patience);
            // The last value alone is not worth a write.
            group.changed |= change.is_some()
                || (before.peak, before.is_idle()) != (group.machine.peak, group.machine.is_idle());
            if let Some(change) = change {
                out.push(Happening::Changed {
                    change,
                    group: group.key.clone(),
                    machine: group.machine.clone(),
                });
            }
        }
        self.panes -= dropped;
        // A group that groups by nothing stays; others go when nothing is left of them.
        self.groups.retain(|_, group| {
            group.key.is_empty()
                || group.changed
                || !group.panes.is_empty()
                || !group.machine.is_idle()
        });
    }
}

impl Group {
    fn new(key: Vec<Value>, machine: Machine) -> Group {
        Group { key, machine, panes: VecDeque::new(), changed: false }
    }

    /// The pane of a number; whether it is new.
    fn pane(&mut self, number: i64, rule: &Threshold) -> (&mut Kept, bool) {
        let at = self.panes.partition_point(|(known, _)| *known < number);
        let is_new = self.panes.get(at).is_none_or(|(known, _)| *known != number);
        if is_new {
            self.panes.insert(at, (number, rule.measure.nothing()));
        }
        (&mut self.panes[at].1, is_new)
    }

    /// What all panes up to a number hold.
    fn whole(&self, rule: &Threshold, last: i64) -> Kept {
        let mut whole = rule.measure.nothing();
        for (_, kept) in self.panes.iter().take_while(|(number, _)| *number <= last) {
            rule.measure.merge(&mut whole, kept);
        }
        whole
    }
}

/// The pane `((n − 1) * slide, n * slide]` that a time is in.
fn pane_of(time: i64, slide: i64) -> i64 {
    let (quotient, rest) = (time.div_euclid(slide), time.rem_euclid(slide));
    quotient + i64::from(rest > 0)
}
