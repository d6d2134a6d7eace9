//! Tests of rules: records at times that a file says, a clock that the file turns, and what is
//! expected at which time. `forebay rules test FILE` runs them without any server.
//!
//! ```yaml
//! rule: {kind: threshold, window: {size: 10s, slide: 1s}, value: avg(data.value), when: value > 80,
//!        for: 5s, group_by: [data.host]}
//! schema: {type: object, properties: {host: {type: string}, value: {type: number}}}
//! records:
//!   - {at: 0s, every: 1s, times: 60, data: {host: a, value: 30}}
//!   - {at: 60s, every: 1s, times: 60, data: {host: a, value: 95}}
//! expect:
//!   - {at: 59s, firing: []}
//!   - {at: 90s, firing: [{data.host: a}]}
//! ```

use std::collections::BTreeSet;
use std::sync::Arc;

use forebay_filter::View;
use forebay_model::FieldError;
use serde_json::{Map, Value, json};

use super::backtest::named;
use super::evaluator::{Evaluator, Happening};
use super::machine::Phase;
use super::members::{DAY, HOUR, Read};
use super::plan::Rule;
use super::spec::Spec;

/// Where the clock of a test begins: midnight, so that windows end at whole numbers.
const BEGIN: i64 = 1_767_225_600_000_000;
/// The most records of a test.
const MOST_RECORDS: usize = 1_000_000;

/// An expectation that did not come true.
#[derive(Debug, PartialEq)]
pub(crate) struct Failed {
    /// Which of the list, from 0.
    pub(crate) expectation: usize,
    /// What was expected, and what there was.
    pub(crate) message: String,
}

/// A test as it was read.
pub(crate) struct Test {
    rule: Arc<Rule>,
    fields: Vec<String>,
    records: Vec<Record>,
    expected: Vec<Expected>,
}

struct Record {
    at: i64,
    time: i64,
    data: String,
}

struct Expected {
    at: i64,
    firing: Option<BTreeSet<String>>,
    pending: Option<BTreeSet<String>>,
    matched: Option<u64>,
}

impl Test {
    /// Reads a test.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(crate) fn read(document: &Value) -> Result<Test, Vec<FieldError>> {
        let Some(members) = document.as_object() else {
            return Err(vec![FieldError::new("", "type_mismatch", "a test is an object")]);
        };
        let mut read = Read::new(members);
        read.unknown(&["rule", "schema", "records", "expect"]);
        let schema = members.get("schema").cloned().unwrap_or_else(|| json!({"type": "object"}));
        let rule = read.object("rule").and_then(|rule| {
            let beside = ["name", "stream", "receivers"];
            let compiled = Spec::read(rule, &beside).and_then(|spec| Rule::compile(&spec, &schema));
            let below = |mut error: FieldError| {
                error.path.insert_str(0, "/rule");
                error
            };
            compiled.map_err(|errors| read.wrong.extend(errors.into_iter().map(below))).ok()
        });
        let records = records(&mut read);
        let expected = each(&mut read, "expect", |read| {
            let at = read.span("at", (0, 400 * DAY), 0);
            let (firing, pending) = (groups(read, "firing"), groups(read, "pending"));
            let matched = read.members.get("matched").and_then(Value::as_u64);
            read.unknown(&["at", "firing", "pending", "matched"]);
            Expected { at: BEGIN + at, firing, pending, matched }
        });
        match rule {
            Some(rule) if read.wrong.is_empty() => {
                let fields = rule.fields().map(str::to_owned).collect();
                Ok(Test { rule: Arc::new(rule), fields, records, expected })
            }
            _ => Err(read.wrong),
        }
    }

    /// Runs it.
    pub(crate) fn run(&self) -> Vec<Failed> {
        let mut evaluator = Evaluator::new(self.rule.clone(), BEGIN);
        let mut run = Run { fields: &self.fields, ..Run::default() };
        let mut records = self.records.iter().zip(1..).peekable();
        let mut failed = Vec::new();
        let mut out = Vec::new();
        let mut order: Vec<usize> = (0..self.expected.len()).collect();
        order.sort_by_key(|at| self.expected[*at].at);
        for at in order {
            let expected = &self.expected[at];
            while let Some((record, seq)) = records.next_if(|(record, _)| record.at <= expected.at)
            {
                let (time, received_at) = (record.time, record.at);
                let id = format!("r{seq}");
                let data = &record.data;
                evaluator
                    .feed(&View { id: &id, seq, version: 1, time, received_at, data }, &mut out);
            }
            evaluator.advance(expected.at, &mut out);
            run.take(&mut out);
            let messages = run.differs(expected);
            failed.extend(messages.into_iter().map(|message| Failed { expectation: at, message }));
        }
        failed
    }
}

/// What has become of the groups so far.
#[derive(Default)]
struct Run<'f> {
    fields: &'f [String],
    firing: BTreeSet<String>,
    pending: BTreeSet<String>,
    matched: u64,
}

impl Run<'_> {
    fn take(&mut self, out: &mut Vec<Happening>) {
        for happening in out.drain(..) {
            let Happening::Changed { change, group, .. } = happening else {
                self.matched += 1;
                continue;
            };
            let name = Value::Object(named(self.fields, &group)).to_string();
            self.firing.remove(&name);
            self.pending.remove(&name);
            match change.to {
                Phase::Pending => self.pending.insert(name),
                Phase::Firing | Phase::Recovering => self.firing.insert(name),
                Phase::Inactive => false,
            };
        }
    }

    fn differs(&self, expected: &Expected) -> Vec<String> {
        let mut messages = Vec::new();
        let sets = [
            ("firing", &expected.firing, &self.firing),
            ("pending", &expected.pending, &self.pending),
        ];
        for (name, wanted, found) in sets {
            if let Some(wanted) = wanted
                && wanted != found
            {
                let text =
                    |set: &BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>().join(", ");
                messages.push(format!(
                    "{name}: expected [{}], found [{}]",
                    text(wanted),
                    text(found)
                ));
            }
        }
        if let Some(wanted) = expected.matched.filter(|wanted| *wanted != self.matched) {
            messages.push(format!("matched: expected {wanted}, found {}", self.matched));
        }
        messages
    }
}

fn records(read: &mut Read<'_>) -> Vec<Record> {
    let lists = each(read, "records", |read| {
        let (at, every) = (read.span("at", (0, 400 * DAY), 0), read.span("every", (0, DAY), 0));
        let late = read.span("late", (0, HOUR), 0);
        let times = read.members.get("times").map_or(Some(1), Value::as_u64);
        let times = times.and_then(|times| usize::try_from(times).ok()).unwrap_or(usize::MAX);
        if times > MOST_RECORDS {
            read.wrong("times", "out_of_range", "a number up to 1000000");
        }
        read.unknown(&["at", "every", "times", "late", "data"]);
        let data = read.object("data").map(|data| Value::Object(data.clone()).to_string());
        let data = data.unwrap_or_default();
        (0_i64..).take(times.min(MOST_RECORDS)).map(move |n| {
            let time = BEGIN + at + n.saturating_mul(every);
            Record { at: time + late, time, data: data.clone() }
        })
    });
    let mut records: Vec<Record> = lists.into_iter().flatten().take(MOST_RECORDS).collect();
    records.sort_by_key(|record| record.at);
    records
}

fn groups(read: &mut Read<'_>, name: &str) -> Option<BTreeSet<String>> {
    let groups = read.members.get(name)?;
    let names = groups
        .as_array()
        .and_then(|groups| groups.iter().map(Value::as_object).collect::<Option<Vec<_>>>());
    let Some(names) = names else {
        read.wrong(name, "type_mismatch", "a list of groups, each with its values by field");
        return None;
    };
    Some(names.into_iter().map(text_of).collect())
}

fn text_of(group: &Map<String, Value>) -> String {
    Value::Object(group.clone()).to_string()
}

/// Reads each object of a list.
fn each<T>(read: &mut Read<'_>, name: &str, one: impl Fn(&mut Read<'_>) -> T) -> Vec<T> {
    let Some(items) = read.members.get(name) else { return Vec::new() };
    let objects = items.as_array().map(|items| items.iter().map(Value::as_object).collect());
    let Some(Some(objects)) =
        objects.map(|objects: Vec<_>| objects.into_iter().collect::<Option<Vec<_>>>())
    else {
        read.wrong(name, "type_mismatch", "a list of objects");
        return Vec::new();
    };
    let mut all = Vec::new();
    for (at, members) in objects.into_iter().enumerate() {
        let mut inner = read.item(name, at, members);
        all.push(one(&mut inner));
        let wrong = inner.wrong;
        read.wrong.extend(wrong);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test(expect: &Value) -> Value {
        json!({
            "rule": {"kind": "threshold", "window": {"size": "10s", "slide": "1s"},
                "value": "avg(data.value)", "when": "value > 80.0", "for": "5s",
                "group_by": ["data.host"]},
            "schema": {"type": "object", "properties": {
                "host": {"type": "string"}, "value": {"type": "number"}}},
            "records": [
                {"at": "0s", "every": "1s", "times": 60, "data": {"host": "a", "value": 30}},
                {"at": "60s", "every": "1s", "times": 60, "data": {"host": "a", "value": 95}}],
            "expect": expect,
        })
    }

    #[test]
    fn what_is_expected_comes_true_or_is_told() {
        let good = test(
            &json!([{"at": "59s", "firing": []}, {"at": "68s", "pending": [{"data.host": "a"}]},
            {"at": "90s", "firing": [{"data.host": "a"}], "pending": []}]),
        );
        assert_eq!(Test::read(&good).ok().map(|test| test.run()), Some(Vec::new()));
        let bad = test(&json!([{"at": "90s", "firing": []}]));
        let failed = Test::read(&bad).ok().map(|test| test.run()).unwrap_or_default();
        assert_eq!(failed.len(), 1);
        assert!(failed[0].message.contains(r#"{"data.host":"a"}"#), "{failed:?}");
    }

    #[test]
    fn a_test_that_cannot_be_read_says_where() {
        let mut bad = test(&json!([{"at": "soon", "firing": 1}]));
        bad["rule"]["value"] = "avg(data.valu)".into();
        bad["records"][1]["data"] = json!(3);
        let wrong = Test::read(&bad).err().unwrap_or_default();
        let paths: Vec<&str> = wrong.iter().map(|error| error.path.as_str()).collect();
        assert_eq!(paths, ["/rule/value", "/records/1/data", "/expect/0/at", "/expect/0/firing"]);
    }
}
