//! One rule that runs in this process.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use forebay_filter::{Sight, View};
use forebay_model::json::to_canonical;
use forebay_model::principal::Principal;
use forebay_model::record::Record;
use forebay_model::stream::Stream;
use forebay_model::time::Timestamp;
use forebay_model::{Error, FieldError, Result};
use serde_json::{Map, Value, json};

use crate::post::Post;
use crate::rule::backtest::named;
use crate::rule::evaluator::{Evaluator, Happening, Saved, key_of};
use crate::rule::machine::{Change, Machine, Phase};
use crate::rule::plan::Rule;
use crate::rule::receivers::{Receiver, narrowed};
use crate::rule::spec::Spec;
use crate::sql::rule::{Group, Held, Kept};

/// How often a place is written down at which nothing has happened, in microseconds.
pub(crate) const STORE: i64 = 5_000_000;
/// Members of a rule that say nothing of when it is told.
pub(crate) const BESIDE: &[&str] = &["name", "stream", "receivers", "description", "enabled"];

/// A rule's text, checked against its stream.
pub(crate) struct Checked {
    pub(crate) rule: Arc<Rule>,
    pub(crate) receivers: Vec<Receiver>,
}

impl Checked {
    /// Checks a rule's text.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(crate) fn read(definition: &Map<String, Value>, stream: &Stream) -> Result<Checked> {
        let mut wrong: Vec<FieldError> = Vec::new();
        let mut noted = |errors: Vec<FieldError>| wrong.extend(errors);
        let spec = Spec::read(definition, BESIDE).map_err(&mut noted).ok();
        let receivers = Receiver::read(definition.get("receivers")).map_err(&mut noted).ok();
        let rule = spec.and_then(|spec| {
            Rule::compile(&spec, &stream.definition.schema).map_err(&mut noted).ok()
        });
        match (rule, receivers) {
            (Some(rule), Some(receivers)) if wrong.is_empty() => {
                Ok(Checked { rule: Arc::new(rule), receivers })
            }
            _ => Err(Error::invalid_all(wrong)),
        }
    }
}

/// A rule with its place in the log.
pub(crate) struct Run {
    pub(crate) kept: Kept,
    pub(crate) held: Held,
    pub(crate) stream: Arc<Stream>,
    pub(crate) evaluator: Evaluator,
    sight: Sight,
    /// As whom it runs.
    pub(crate) who: Arc<Principal>,
    receivers: Vec<Receiver>,
    fields: Vec<String>,
    /// Groups that fire and of which nobody was told yet: what they are silent for may end.
    untold: BTreeMap<String, (Vec<Value>, Machine)>,
    /// When its place was written down last, in microseconds.
    pub(crate) stored_at: i64,
}

/// What a step of a rule is to write.
#[derive(Default)]
pub(crate) struct Step {
    pub(crate) groups: Vec<Group>,
    pub(crate) gone: Vec<String>,
    /// Records of the stream of alerts: id, time, data.
    pub(crate) alerts: Vec<(String, i64, String)>,
    pub(crate) posts: Vec<Post>,
}

impl Step {
    pub(crate) fn is_empty(&self) -> bool {
        self.groups.is_empty()
            && self.gone.is_empty()
            && self.alerts.is_empty()
            && self.posts.is_empty()
    }
}

impl Run {
    pub(crate) fn new(
        (kept, held): (Kept, Held),
        stream: Arc<Stream>,
        checked: Checked,
        (sight, who): (Sight, Arc<Principal>),
        evaluator: Evaluator,
    ) -> Run {
        let Checked { rule, receivers } = checked;
        let fields = rule.fields().map(str::to_owned).collect();
        let stored_at = held.at;
        Run {
            kept,
            held,
            stream,
            evaluator,
            sight,
            who,
            receivers,
            fields,
            untold: BTreeMap::new(),
            stored_at,
        }
    }

    /// What was stored of its groups, for the evaluator; those that fire untold are told again.
    pub(crate) fn restore(&mut self, groups: &[Group]) {
        for group in groups {
            let Some((key, machine)) = saved(group).and_then(|saved| machine_of(&saved)) else {
                continue;
            };
            if matches!(machine.phase, Phase::Firing | Phase::Recovering) && !machine.told {
                self.untold.insert(key_of(&key), (key, machine));
            }
        }
    }

    /// Takes a record, if the rule sees it.
    pub(crate) fn feed(&mut self, record: &Record, out: &mut Vec<Happening>) {
        let view = View::from(record);
        if self.sight.sees(&view, record.received_at) {
            self.evaluator.feed(&view, out);
        }
        self.held.seq = self.held.seq.max(record.seq);
    }

    /// Fills open windows with a record that was looked at before.
    pub(crate) fn refill(&mut self, record: &Record) {
        let view = View::from(record);
        if self.sight.sees(&view, record.received_at) {
            self.evaluator.refill(&view);
        }
    }

    /// What has to be written of what has happened. `silenced` says of which alerts nobody is told.
    pub(crate) fn step(
        &mut self,
        happened: Vec<Happening>,
        records: &[Record],
        silenced: &dyn Fn(&Value) -> bool,
    ) -> Step {
        let mut step = Step::default();
        for happening in happened {
            match happening {
                Happening::Matched { at, seq, held_back, .. } => {
                    let at_seq = records.binary_search_by_key(&seq, |record| record.seq);
                    if let Some(record) = at_seq.ok().and_then(|at| records.get(at)) {
                        self.matched(record, (at, held_back), silenced, &mut step);
                    }
                }
                Happening::Changed { change, group, machine } => {
                    self.changed(change, group, machine, &mut step);
                }
            }
        }
        self.tell(silenced, &mut step);
        for saved in self.evaluator.changed() {
            let fingerprint = fingerprint(&saved.key);
            if saved.idle {
                step.gone.push(fingerprint);
            } else {
                step.groups.push(stored(&saved, fingerprint));
            }
        }
        step
    }

    fn matched(
        &self,
        record: &Record,
        (at, held_back): (i64, u64),
        silenced: &dyn Fn(&Value) -> bool,
        step: &mut Step,
    ) {
        let mut text = String::new();
        record.write_json(&self.stream.name, &mut text);
        let record_json: Value = serde_json::from_str(&text).unwrap_or_default();
        let mut data = json!({
            "rule_id": self.kept.id,
            "rule": self.kept.name,
            "stream": self.stream.name,
            "record": record_json,
        });
        if held_back > 0 {
            data["held_back"] = held_back.into();
        }
        if silenced(&data) {
            return;
        }
        let id = self.id_of(&["record", &self.stream.epoch.to_string(), &record.seq.to_string()]);
        step.posts.extend(self.post(id, "record.matched", at, &data));
    }

    fn changed(&mut self, change: Change, group: Vec<Value>, machine: Machine, step: &mut Step) {
        let key = key_of(&group);
        let state = match change.to {
            Phase::Inactive => "resolved",
            Phase::Pending => "pending",
            Phase::Firing => "firing",
            Phase::Recovering => "recovering",
        };
        // Whoever never fired is not resolved.
        let state = match (state, change.from) {
            ("resolved", Phase::Pending) => "inactive",
            (state, _) => state,
        };
        let data = self.alert(state, &group, &machine, change.at);
        let fp = fingerprint(&group);
        let (episode, at) = (machine.episode.to_string(), change.at.to_string());
        let id = self.id_of(&["alert", &fp, &episode, state, &at]);
        step.alerts.push((id, change.at, to_canonical(&data)));
        match change.to {
            Phase::Firing if change.from != Phase::Recovering => {
                self.untold.insert(key, (group, machine));
            }
            // Nobody is told that something is over of which nobody was told that it began.
            Phase::Inactive
                if self.untold.remove(&key).is_none() && machine.firing_at.is_some() =>
            {
                let id = self.id_of(&["resolved", &fp, &episode]);
                step.posts.extend(self.post(id, "alert.resolved", change.at, &data));
            }
            _ => {}
        }
    }

    /// Tells of groups that fire, unless they are silenced.
    fn tell(&mut self, silenced: &dyn Fn(&Value) -> bool, step: &mut Step) {
        let untold = std::mem::take(&mut self.untold);
        for (key, (group, machine)) in untold {
            let at = machine.firing_at.unwrap_or(machine.since);
            let data = self.alert("firing", &group, &machine, at);
            if silenced(&data) {
                self.untold.insert(key, (group, machine));
                continue;
            }
            let fp = fingerprint(&group);
            let id = self.id_of(&["firing", &fp, &machine.episode.to_string()]);
            step.posts.extend(self.post(id, "alert.firing", at, &data));
            self.evaluator.told(&group);
        }
    }

    /// Whether something has to be looked at without any new record.
    pub(crate) fn is_due(&self, time: i64, now: i64) -> bool {
        self.evaluator.due().is_some_and(|due| due <= time)
            || !self.untold.is_empty() && now - self.stored_at >= 1_000_000
            || now - self.stored_at >= STORE
    }

    fn alert(&self, state: &str, group: &[Value], machine: &Machine, at: i64) -> Value {
        let time = |at: Option<i64>| at.map(|at| json!(Timestamp::from_micros(at)));
        let mut data = json!({
            "rule_id": self.kept.id,
            "rule": self.kept.name,
            "stream": self.stream.name,
            "state": state,
            "group": named(&self.fields, group),
            "value": machine.value,
            "peak": machine.peak,
            "episode": machine.episode,
            "at": Timestamp::from_micros(at),
            "started_at": time(machine.firing_at.or(machine.pending_at)),
        });
        if let Value::Object(members) = &mut data {
            members.retain(|_, value| !value.is_null());
        }
        data
    }

    fn post(&self, id: String, kind: &str, at: i64, data: &Value) -> Option<Post> {
        let less = narrowed(data);
        let to: Vec<_> =
            self.receivers.iter().map(|one| one.to(&self.kept.owner, Some(&less))).collect();
        (!to.is_empty()).then(|| Post {
            id,
            kind: kind.to_owned(),
            rule: self.kept.id.clone(),
            category: "alert".to_owned(),
            time: Timestamp::from_micros(at),
            data: to_canonical(data),
            to,
        })
    }

    /// An id that is the same whenever the same is told again.
    fn id_of(&self, parts: &[&str]) -> String {
        let mut text = self.kept.id.clone();
        for part in parts {
            text.push('\0');
            text.push_str(part);
        }
        hex(&text, 16)
    }
}

/// By what a group is found: its values, hashed, for they may be long.
pub(crate) fn fingerprint(group: &[Value]) -> String {
    hex(&key_of(group), 16)
}

fn hex(text: &str, bytes: usize) -> String {
    let hash = digest(&SHA256, text.as_bytes());
    hash.as_ref().iter().take(bytes).map(|byte| format!("{byte:02x}")).collect()
}

/// What an evaluator takes back of what is stored.
pub(crate) fn saved(group: &Group) -> Option<Saved> {
    let key = serde_json::from_str(&group.keys).ok()?;
    let state = serde_json::from_str(&group.memory).ok()?;
    Some(Saved { key, state, idle: false })
}

fn machine_of(saved: &Saved) -> Option<(Vec<Value>, Machine)> {
    // What an absence rule keeps of a key stands around its machine.
    let state = saved.state.get("machine").unwrap_or(&saved.state);
    let machine = serde_json::from_value(state.clone()).ok()?;
    Some((saved.key.clone(), machine))
}

fn stored(saved: &Saved, fingerprint: String) -> Group {
    let machine = machine_of(saved).map(|(_, machine)| machine).unwrap_or_default();
    Group {
        fingerprint,
        keys: Value::Array(saved.key.clone()).to_string(),
        state: match machine.phase {
            Phase::Inactive => 0,
            Phase::Pending => 1,
            Phase::Firing => 2,
            Phase::Recovering => 3,
        },
        since: machine.since,
        episode: i64::try_from(machine.episode).unwrap_or(i64::MAX),
        acked_by: String::new(),
        acked_until: 0,
        memory: saved.state.to_string(),
    }
}
