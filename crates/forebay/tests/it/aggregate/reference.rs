//! A plain reading of records: what an aggregate should say, as simply as it can be written.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::clock;
use super::records::{Random, Read, Rec, Test, V, VALUES, condition, value};

type KeyOf = Box<dyn Fn(&Rec) -> (V, Value)>;

/// A level: what it is asked as, and the key and its JSON of a record.
struct Level {
    body: Value,
    key: KeyOf,
}

impl Level {
    fn random(random: &mut Random, name: &str, plain: bool) -> Level {
        match random.of(0..3) {
            0 => {
                let (text, read) = value(random, plain, false);
                let key = move |r: &Rec| {
                    let key = read(r);
                    (key.clone(), key.json())
                };
                Level { body: json!({"as": name, "expr": text}), key: Box::new(key) }
            }
            1 => {
                let every = *random.pick(&["1h", "6h", "1d", "10d", "1w", "1M", "1q", "1y"]);
                let zone = *random.pick(&["UTC", "+05:30", "-03:00", "Europe/Berlin"]);
                let key = move |r: &Rec| {
                    let start = clock::start(r.time, every, zone);
                    (V::T(start), json!(clock::text(start)))
                };
                let body = json!({"as": name, "field": "time", "every": every, "zone": zone});
                Level { body, key: Box::new(key) }
            }
            _ => {
                let (text, read) = *random.pick(&VALUES[..2]);
                let mut bounds = vec![-12.5, 0.0, 3.25];
                bounds.truncate(usize::try_from(random.of(1..4)).unwrap());
                let body = json!({"as": name, "field": text, "ranges": bounds});
                let key = move |r: &Rec| match read(r) {
                    V::Null => (V::Null, Value::Null),
                    value => {
                        let at = bounds.iter().filter(|bound| **bound <= value.f64()).count();
                        let from = at.checked_sub(1).and_then(|at| bounds.get(at));
                        (V::R(at), json!({"from": from, "to": bounds.get(at)}))
                    }
                };
                Level { body, key: Box::new(key) }
            }
        }
    }
}

/// A metric: what it is asked as, and its value for some records.
struct Metric {
    text: String,
    measure: &'static str,
    read: Read,
    /// Of a percentile, in hundredths.
    share: usize,
}

impl Metric {
    fn random(random: &mut Random, plain: bool) -> Metric {
        let measure =
            *random.pick(&["count", "sum", "avg", "min", "max", "distinct", "percentile"]);
        let numeric = matches!(measure, "sum" | "avg" | "percentile");
        let (text, read) = value(random, plain, numeric);
        let share = *random.pick(&[0, 7, 25, 50, 95, 99, 100]);
        let text = match measure {
            "percentile" => format!("percentile({text}, {}.{:02})", share / 100, share % 100),
            _ => format!("{measure}({text})"),
        };
        Metric { text, measure, read, share }
    }

    fn values(&self, records: &[&Rec]) -> Vec<V> {
        records.iter().map(|r| (self.read)(r)).filter(|v| *v != V::Null).collect()
    }

    /// Asserts that a value is what these records come to.
    fn compare(&self, found: &str, records: &[&Rec], about: &str) {
        let mut values = self.values(records);
        values.sort();
        let exact = |expected: Value| {
            let found: Value = serde_json::from_str(found).unwrap();
            assert_eq!(found, expected, "{}\n{about}", self.text);
        };
        let near = |expected: f64, error: f64| {
            let value: f64 = found.parse().unwrap_or(f64::NAN);
            let off = (value - expected).abs();
            assert!(off <= expected.abs() * error, "{}: {value} {expected}\n{about}", self.text);
        };
        match (self.measure, values.first()) {
            ("count", _) => exact(json!(values.len())),
            ("distinct", _) => {
                values.dedup();
                exact(json!(values.len()));
            }
            (_, None) => exact(Value::Null),
            ("min", Some(least)) => exact(least.json()),
            ("max", _) => exact(values.last().unwrap().json()),
            ("sum", Some(V::I(_))) => assert_eq!(found, total(&values).to_string(), "{about}"),
            ("sum", _) => near(total(&values) as f64 / UNIT, 1e-9),
            ("avg", first) => {
                let unit = if matches!(first, Some(V::I(_))) { 1.0 } else { UNIT };
                near(total(&values) as f64 / unit / values.len() as f64, 1e-9);
            }
            _ => {
                let rank = (self.share * values.len()).div_ceil(100).max(1);
                let error = if values.len() > 512 { 0.005_001 } else { 0.0 };
                near(values[rank - 1].f64(), error);
            }
        }
    }
}

/// 2⁶⁰: all doubles here are whole multiples of its reciprocal, so that their sums are exact.
const UNIT: f64 = 1_152_921_504_606_846_976.0;

#[allow(clippy::cast_possible_truncation, reason = "the values are small")]
fn total(values: &[V]) -> i128 {
    let exact = |value: &V| match value {
        V::I(n) => *n,
        other => (other.f64() * UNIT) as i128,
    };
    values.iter().map(exact).sum()
}

/// A question with what it means.
pub(crate) struct Asked {
    pub(crate) body: Value,
    filter: Option<Test>,
    levels: Vec<Level>,
    metrics: Vec<Metric>,
    /// Only groups with more records.
    more_than: usize,
    limit: usize,
    descending: bool,
}

/// An expected group: its keys, and its records.
pub(crate) struct Expected<'r> {
    keys: Map<String, Value>,
    records: Vec<&'r Rec>,
}

/// An answer.
#[derive(Deserialize)]
pub(crate) struct Found {
    groups: Vec<Group>,
    pub(crate) truncated: bool,
}

#[derive(Deserialize)]
struct Group {
    key: Map<String, Value>,
    values: BTreeMap<String, Box<RawValue>>,
}

impl Asked {
    pub(crate) fn random(random: &mut Random) -> Asked {
        let plain = random.of(0..3) > 0;
        let filter = (random.of(0..4) > 0).then(|| condition(random, 2, plain));
        let levels = random.of(0..4);
        let levels: Vec<Level> =
            (0..levels).map(|n| Level::random(random, &format!("k{n}"), plain)).collect();
        let count = random.of(0..4);
        let metrics: Vec<Metric> = (0..count).map(|_| Metric::random(random, plain)).collect();
        let named = metrics.iter().enumerate().map(|(at, m)| (format!("m{at}"), json!(m.text)));
        let mut metric_body: Map<String, Value> = named.collect();
        metric_body.insert("c".into(), json!("count()"));
        let more_than = usize::try_from(*random.pick(&[0, 0, 1, 5])).unwrap();
        let limit = usize::try_from(*random.pick(&[1, 3, 10_000, 10_000])).unwrap();
        let descending = random.of(0..2) == 0;
        let mut body = json!({"metrics": metric_body, "limit": limit, "explain": true,
            "group_by": levels.iter().map(|level| level.body.clone()).collect::<Vec<_>>()});
        if let Some((text, _)) = &filter {
            body["filter"] = json!(text);
        }
        if more_than > 0 {
            body["having"] = json!(format!("c > {more_than}"));
        }
        if descending {
            body["order_by"] = json!(["-c"]);
        }
        let filter = filter.map(|(_, test)| test);
        Asked { body, filter, levels, metrics, more_than, limit, descending }
    }

    /// The expected groups, and whether there are more.
    pub(crate) fn answer<'r>(&self, records: &'r [Rec]) -> (Vec<Expected<'r>>, bool) {
        let mut groups: BTreeMap<Vec<V>, Expected<'r>> = BTreeMap::new();
        if self.levels.is_empty() {
            groups.insert(Vec::new(), Expected { keys: Map::new(), records: Vec::new() });
        }
        for record in records {
            if self.filter.as_ref().is_some_and(|test| test(record) != Some(true)) {
                continue;
            }
            let keys = self.levels.iter().map(|level| (level.key)(record));
            let (order, shown): (Vec<V>, Vec<Value>) = keys.unzip();
            let group = groups.entry(order).or_insert_with(|| {
                let keys = shown.into_iter().enumerate();
                let keys = keys.map(|(at, key)| (format!("k{at}"), key)).collect();
                Expected { keys, records: Vec::new() }
            });
            group.records.push(record);
        }
        let mut groups: Vec<Expected<'r>> = groups.into_values().collect();
        if self.more_than > 0 {
            groups.retain(|group| group.records.len() > self.more_than);
        }
        if self.descending {
            groups.sort_by_key(|group| std::cmp::Reverse(group.records.len()));
        }
        let truncated = groups.len() > self.limit;
        groups.truncate(self.limit);
        (groups, truncated)
    }

    /// Asserts that an answer is as expected.
    pub(crate) fn compare(&self, found: &Found, expected: &[Expected<'_>], about: &str) {
        let keys: Vec<_> = found.groups.iter().map(|group| &group.key).collect();
        let wanted: Vec<_> = expected.iter().map(|group| &group.keys).collect();
        assert_eq!(keys, wanted, "{about}");
        for (group, expected) in found.groups.iter().zip(expected) {
            assert_eq!(group.values["c"].get(), expected.records.len().to_string(), "{about}");
            for (at, metric) in self.metrics.iter().enumerate() {
                let found = group.values[&format!("m{at}")].get();
                metric.compare(found, &expected.records, &format!("{:?} {about}", group.key));
            }
        }
    }
}
