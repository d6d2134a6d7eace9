//! The answer: groups that `having` keeps, in order, as JSON.

use std::cmp::Ordering;

use forebay_filter::{Env, Val, View};
use forebay_model::json::write_string;
use serde_json::Value;

use super::accumulate::Accumulator;
use super::question::Question;
use super::request::Key;
use super::scalar::Scalar;
use super::table::{Keys, Work};

/// A group with the values of its metrics.
struct Line {
    keys: Keys,
    values: Keys,
}

/// Writes the answer.
pub(crate) fn write(work: &mut Work, as_of_seq: i64, explained: Option<&Value>) -> String {
    let question = &work.question;
    let groups = std::mem::take(&mut work.table.groups);
    let mut approximate = vec![false; question.slots.len()];
    let mut lines = Vec::with_capacity(groups.len());
    for (keys, kept) in groups {
        for (is_so, kept) in approximate.iter_mut().zip(&kept) {
            *is_so |= kept.is_approximate();
        }
        let line = Line { keys, values: values(question, &kept) };
        if has(question, &line) {
            lines.push(line);
        }
    }
    lines.sort_by(|a, b| order(&question.order, a, b));
    let truncated = lines.len() > question.limit;
    lines.truncate(question.limit);
    let mut out = String::from("{\"groups\":[");
    for (at, line) in lines.iter().enumerate() {
        out.push_str(if at > 0 { "," } else { "" });
        write_line(question, line, &mut out);
    }
    let metrics = question.metrics.iter().filter(|metric| approximate[metric.slot]);
    let approximate: Vec<&str> = metrics.map(|metric| metric.name.as_str()).collect();
    let approximate = serde_json::json!(approximate);
    out.push_str(&format!(
        "],\"approximate\":{approximate},\"truncated\":{truncated},\"as_of_seq\":{as_of_seq}"
    ));
    if let Some(explained) = explained {
        out.push_str(&format!(",\"explain\":{explained}"));
    }
    out.push('}');
    out
}

fn values(question: &Question, kept: &[Accumulator]) -> Keys {
    let value = |slot: usize| kept.get(slot);
    let metrics = question.metrics.iter();
    metrics
        .map(|metric| value(metric.slot).and_then(|kept| metric.measure.answer(kept, &metric.ty)))
        .collect()
}

/// No record: `having` speaks of groups.
const NO_RECORD: View<'static> =
    View { id: "", seq: 0, version: 0, time: 0, received_at: 0, data: "" };

fn has(question: &Question, line: &Line) -> bool {
    let Some(having) = &question.having else { return true };
    let keys = question.levels.iter().zip(&line.keys);
    let keys = keys.map(|(level, key)| level.key_val(key.as_ref()));
    let values = line.values.iter().map(|value| value.as_ref().map_or(Val::Unknown, Scalar::val));
    let given: Vec<Val<'_>> = keys.chain(values).collect();
    having.matches(&NO_RECORD, &Env { given: &given, ..question.env() })
}

/// The order that was asked for; equal lines stand by their keys, which no two share.
fn order(keys: &[Key], a: &Line, b: &Line) -> Ordering {
    let asked = keys.iter().map(|key| missing_last(a.at(key.at), b.at(key.at), key.descending));
    let own = a.keys.iter().zip(&b.keys);
    let own = own.map(|(a, b)| missing_last(a.as_ref(), b.as_ref(), false));
    asked.chain(own).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

impl Line {
    /// What a key of the order stands for: a key of the group, or a value.
    fn at(&self, at: usize) -> Option<&Scalar> {
        self.keys.iter().chain(&self.values).nth(at).and_then(Option::as_ref)
    }
}

fn missing_last(a: Option<&Scalar>, b: Option<&Scalar>, descending: bool) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) if descending => b.cmp(a),
        (Some(a), Some(b)) => a.cmp(b),
        (a, b) => a.is_none().cmp(&b.is_none()),
    }
}

fn write_line(question: &Question, line: &Line, out: &mut String) {
    out.push_str("{\"key\":{");
    for (at, (level, key)) in question.levels.iter().zip(&line.keys).enumerate() {
        write_name(at, &level.name, out);
        level.write_key(key.as_ref(), out);
    }
    out.push_str("},\"values\":{");
    for (at, (metric, value)) in question.metrics.iter().zip(&line.values).enumerate() {
        write_name(at, &metric.name, out);
        match value {
            Some(value) => value.write(&metric.ty, out),
            None => out.push_str("null"),
        }
    }
    out.push_str("}}");
}

fn write_name(at: usize, name: &str, out: &mut String) {
    out.push_str(if at > 0 { "," } else { "" });
    write_string(name, out);
    out.push(':');
}
