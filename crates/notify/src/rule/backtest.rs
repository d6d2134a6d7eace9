//! What a rule would have done: its happenings, put together into episodes.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::evaluator::{Happening, key_of};
use super::machine::Phase;

/// The most episodes, and matches, that are told one by one.
const MOST: usize = 1_000;

/// One group's way from pending to resolved; times are microseconds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Episode {
    pub(crate) group: Map<String, Value>,
    pub(crate) pending_at: i64,
    /// Nothing when it never lasted long enough.
    pub(crate) firing_at: Option<i64>,
    /// Nothing when it had not ended.
    pub(crate) resolved_at: Option<i64>,
    pub(crate) peak: Option<f64>,
}

/// What happened so far.
#[derive(Debug, Default)]
pub(crate) struct History {
    fields: Vec<String>,
    open: BTreeMap<String, Episode>,
    pub(crate) episodes: Vec<Episode>,
    /// How many episodes there were that fired, and matches of event rules.
    pub(crate) fired: u64,
    pub(crate) matched: u64,
}

impl History {
    /// The history of a rule that groups by these.
    pub(crate) fn new(fields: Vec<String>) -> History {
        History { fields, ..History::default() }
    }

    /// Takes what has happened.
    pub(crate) fn take(&mut self, happenings: &mut Vec<Happening>) {
        for happening in happenings.drain(..) {
            match happening {
                Happening::Matched { .. } => self.matched += 1,
                Happening::Changed { change, group, machine } => {
                    let key = key_of(&group);
                    let group = named(&self.fields, &group);
                    let episode = self.open.entry(key.clone()).or_insert_with(|| Episode {
                        group,
                        pending_at: machine.pending_at.unwrap_or(change.at),
                        firing_at: None,
                        resolved_at: None,
                        peak: None,
                    });
                    episode.peak = machine.peak;
                    if change.to == Phase::Firing && episode.firing_at.is_none() {
                        episode.firing_at = Some(change.at);
                        self.fired += 1;
                    }
                    if change.to == Phase::Inactive {
                        episode.resolved_at = Some(change.at);
                        if let Some(episode) = self.open.remove(&key)
                            && self.episodes.len() < MOST
                        {
                            self.episodes.push(episode);
                        }
                    }
                }
            }
        }
    }

    /// All episodes in the order in which they began, those that had not ended among them.
    pub(crate) fn end(mut self) -> Vec<Episode> {
        self.episodes.extend(std::mem::take(&mut self.open).into_values());
        self.episodes.sort_by_key(|episode| episode.pending_at);
        self.episodes.truncate(MOST);
        self.episodes
    }
}

/// A group as it is shown: values by the fields that it is told apart by.
pub(crate) fn named(fields: &[String], group: &[Value]) -> Map<String, Value> {
    fields.iter().cloned().zip(group.iter().cloned()).collect()
}

impl Episode {
    /// As it is answered; `time` writes a point in time.
    pub(crate) fn to_json(&self, time: impl Fn(i64) -> Value) -> Value {
        json!({
            "group": self.group,
            "pending_at": time(self.pending_at),
            "firing_at": self.firing_at.map(&time),
            "resolved_at": self.resolved_at.map(&time),
            "peak": self.peak,
        })
    }
}
