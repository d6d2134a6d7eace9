use serde_json::json;

use super::*;
use crate::rule::machine::Phase;
use crate::rule::spec::Spec;

const SECOND: i64 = 1_000_000;

fn rule(rule: &Value) -> Arc<Rule> {
    let schema = json!({"type": "object", "properties": {
        "host": {"type": "string"}, "value": {"type": "number"}}});
    let spec = Spec::read(rule.as_object().unwrap(), &[]).unwrap();
    Arc::new(Rule::compile(&spec, &schema).unwrap())
}

fn cpu(more: &Value) -> Arc<Rule> {
    let mut body = json!({"kind": "threshold", "window": {"size": "10s", "slide": "1s"},
        "value": "avg(data.value)", "when": "value > 80", "recover": "value < 70", "for": "5s",
        "group_by": ["data.host"]});
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    rule(&body)
}

/// When it happened, when it arrived (seconds), host, value.
type Sample = (f64, f64, &'static str, f64);

#[allow(clippy::cast_possible_truncation, reason = "seconds of a test")]
fn micros(seconds: f64) -> i64 {
    (seconds * 1e6).round() as i64
}

fn feed(evaluator: &mut Evaluator, samples: &[Sample], out: &mut Vec<Happening>) {
    for ((time, received_at, host, value), seq) in samples.iter().zip(1..) {
        let data = json!({"host": host, "value": value}).to_string();
        let (time, received_at) = (micros(*time), micros(*received_at));
        let view = View { id: "r", seq, version: 1, time, received_at, data: &data };
        evaluator.feed(&view, out);
    }
}

/// When each group came into which phase, in seconds.
fn told(out: &[Happening]) -> Vec<(i64, String, Phase)> {
    let told = out.iter().filter_map(|happening| match happening {
        Happening::Changed { change, group, .. } => {
            let name = group.first().and_then(Value::as_str).unwrap_or("").to_owned();
            Some((change.at / SECOND, name, change.to))
        }
        Happening::Matched { .. } => None,
    });
    told.collect()
}

/// A host whose load rises at 20 s and falls at 60 s.
fn load(host: &'static str, shift: f64) -> Vec<Sample> {
    let samples = (0..100).map(|n| f64::from(n) + shift);
    samples.map(|t| (t, t, host, if (20.0..60.0).contains(&t) { 95.0 } else { 30.0 })).collect()
}

#[test]
fn load_rises_and_falls() {
    let mut evaluator = Evaluator::new(cpu(&json!({})), 0);
    let mut out = Vec::new();
    feed(&mut evaluator, &load("a", 0.5), &mut out);
    assert_eq!(
        told(&out),
        [
            (28, "a".into(), Phase::Pending),
            (33, "a".into(), Phase::Firing),
            (64, "a".into(), Phase::Inactive)
        ]
    );
    let Happening::Changed { machine, .. } = out.last().unwrap() else { panic!() };
    assert_eq!((machine.peak, machine.episode), (Some(95.0), 1));
}

#[test]
fn groups_do_not_touch_each_other() {
    let mut samples = load("a", 0.5);
    samples.extend((0..100).map(|n| (f64::from(n) + 0.7, f64::from(n) + 0.7, "b", 10.0)));
    samples.sort_by(|a, b| a.1.total_cmp(&b.1));
    let (mut one, mut both) = (Vec::new(), Vec::new());
    feed(&mut Evaluator::new(cpu(&json!({})), 0), &load("a", 0.5), &mut one);
    feed(&mut Evaluator::new(cpu(&json!({})), 0), &samples, &mut both);
    assert_eq!(told(&one), told(&both));
}

#[test]
fn time_alone_ends_windows() {
    let mut evaluator = Evaluator::new(cpu(&json!({"for": "0s"})), 0);
    let mut out = Vec::new();
    feed(&mut evaluator, &[(1.5, 1.5, "a", 99.0)], &mut out);
    assert_eq!(evaluator.due(), Some(2 * SECOND));
    evaluator.advance(2 * SECOND - 1, &mut out);
    assert_eq!(told(&out), []);
    evaluator.advance(2 * SECOND, &mut out);
    assert_eq!(told(&out), [(2, "a".into(), Phase::Firing)]);
    // Without data it goes on firing, for as long as it takes.
    evaluator.advance(100_000 * SECOND, &mut out);
    assert_eq!(out.len(), 1);
}

#[test]
fn a_count_of_nothing_is_zero() {
    let silent = json!({"kind": "threshold", "window": {"size": "60s"}, "value": "count()",
        "when": "value < 1"});
    let mut evaluator = Evaluator::new(rule(&silent), 0);
    let mut out = Vec::new();
    feed(&mut evaluator, &[(30.0, 30.0, "a", 1.0)], &mut out);
    evaluator.advance(119 * SECOND, &mut out);
    assert_eq!(told(&out), []);
    evaluator.advance(120 * SECOND, &mut out);
    assert_eq!(told(&out), [(120, String::new(), Phase::Firing)]);
    feed(&mut evaluator, &[(130.0, 130.0, "a", 1.0)], &mut out);
    evaluator.advance(180 * SECOND, &mut out);
    assert_eq!(told(&out).last(), Some(&(180, String::new(), Phase::Inactive)));
}

#[test]
fn late_and_shuffled_records_give_the_same_windows() {
    let by_event =
        cpu(&json!({"window": {"size": "10s", "slide": "1s", "time": "event", "lateness": "5s"}}));
    let ordered = load("a", 0.5);
    let mut late: Vec<Sample> = ordered
        .iter()
        .zip(0_u32..)
        .map(|(sample, n)| (sample.0, sample.0 + f64::from(n * 7 % 50) / 10.0, sample.2, sample.3))
        .collect();
    late.sort_by(|a, b| a.1.total_cmp(&b.1));
    assert!(!late.is_sorted_by(|a, b| a.0 <= b.0));
    let run = |samples: &[Sample]| {
        let mut evaluator = Evaluator::new(by_event.clone(), 0);
        let mut out = Vec::new();
        feed(&mut evaluator, samples, &mut out);
        evaluator.advance(200 * SECOND, &mut out);
        (told(&out), evaluator.left_out())
    };
    assert_eq!(run(&ordered), run(&late));
    assert_eq!(run(&late).1, (0, 0));
    // One that comes after its windows have been looked at is counted, and changes nothing.
    late.push((20.0, 101.0, "a", 1e9));
    assert_eq!(run(&late).0, run(&ordered).0);
    assert_eq!(run(&late).1, (1, 0));
}

#[test]
fn a_restart_anywhere_changes_nothing() {
    let samples = load("a", 0.5);
    let rule = cpu(&json!({}));
    let mut whole = Vec::new();
    feed(&mut Evaluator::new(rule.clone(), 0), &samples, &mut whole);
    for cut in (1..samples.len()).step_by(7) {
        let mut out = Vec::new();
        let mut saved: BTreeMap<String, Saved> = BTreeMap::new();
        let mut first = Evaluator::new(rule.clone(), 0);
        feed(&mut first, &samples[..cut], &mut out);
        for group in first.changed() {
            saved.insert(key_of(&group.key), group);
        }
        let at = micros(samples[cut - 1].1);
        let now = at + 3 * SECOND / 10;
        let mut second = Evaluator::restored(rule.clone(), at, now, saved.into_values().collect());
        let (from, _) = second.needs_from().unwrap();
        for ((time, received_at, host, value), seq) in samples[..cut].iter().zip(1..) {
            if micros(*received_at) > from {
                let data = json!({"host": host, "value": value}).to_string();
                let (time, received_at) = (micros(*time), micros(*received_at));
                second.refill(&View { id: "r", seq, version: 1, time, received_at, data: &data });
            }
        }
        feed(&mut second, &samples[cut..], &mut out);
        assert_eq!(told(&out), told(&whole), "cut at {cut}");
    }
}

#[test]
fn who_does_not_report_is_missed() {
    let absence = json!({"kind": "absence", "keys": {"field": "data.host"}, "after": "10s",
        "startup_grace": "0s", "forget_after": "60s"});
    let mut evaluator = Evaluator::new(rule(&absence), 0);
    let mut out = Vec::new();
    let samples: Vec<Sample> = (0..30)
        .map(f64::from)
        .flat_map(|t| [(t, t, "a", 1.0), (t, t, "b", 1.0)])
        .filter(|(t, _, host, _)| *host == "a" || *t < 5.0 || *t > 24.0)
        .collect();
    feed(&mut evaluator, &samples, &mut out);
    assert_eq!(told(&out), [(14, "b".into(), Phase::Firing), (25, "b".into(), Phase::Inactive)]);
    evaluator.advance(1_000 * SECOND, &mut out);
    // Both fall silent; after a minute they are forgotten, and nobody is told of that.
    assert_eq!(told(&out)[2..], [(39, "a".into(), Phase::Firing), (39, "b".into(), Phase::Firing)]);
    assert_eq!(evaluator.due(), None);
    evaluator.changed();
    assert_eq!(evaluator.changed(), []);
}

#[test]
fn listed_keys_are_missed_from_the_start_but_for_the_grace() {
    let absence = json!({"kind": "absence", "keys": {"field": "data.host", "from": ["a", "b"]},
        "after": "10s", "startup_grace": "30s"});
    let rule = rule(&absence);
    let mut evaluator = Evaluator::new(rule.clone(), 0);
    let mut out = Vec::new();
    feed(
        &mut evaluator,
        &[(5.0, 5.0, "a", 1.0), (29.0, 29.0, "a", 1.0), (29.5, 29.5, "c", 1.0)],
        &mut out,
    );
    evaluator.advance(35 * SECOND, &mut out);
    assert_eq!(told(&out), [(30, "b".into(), Phase::Firing)]);
    let saved = evaluator.changed();
    // After a restart a minute later nobody new is missed at once; who was missed still is.
    let mut later = Evaluator::restored(rule, 35 * SECOND, 95 * SECOND, saved);
    let mut out = Vec::new();
    later.advance(124 * SECOND, &mut out);
    assert_eq!(told(&out), []);
    later.advance(125 * SECOND, &mut out);
    assert_eq!(told(&out), [(125, "a".into(), Phase::Firing)]);
}

#[test]
fn matches_are_held_back_by_the_throttle() {
    let event = json!({"kind": "event", "filter": "data.value > 5.0", "throttle": "10s", "group_by": ["data.host"]});
    let rule = rule(&event);
    let mut evaluator = Evaluator::new(rule.clone(), 0);
    let mut out = Vec::new();
    let samples =
        [(1.0, "a", 9.0), (2.0, "a", 9.0), (3.0, "a", 1.0), (4.0, "b", 9.0), (5.0, "a", 9.0)];
    let samples: Vec<Sample> = samples.map(|(t, host, value)| (t, t, host, value)).to_vec();
    feed(&mut evaluator, &samples, &mut out);
    let mut later = Evaluator::restored(rule, 5 * SECOND, 5 * SECOND, evaluator.changed());
    feed(&mut later, &[(12.0, 12.0, "a", 9.0)], &mut out);
    let told: Vec<(i64, u64)> = out
        .iter()
        .filter_map(|happening| match happening {
            Happening::Matched { at, held_back, .. } => Some((at / SECOND, *held_back)),
            Happening::Changed { .. } => None,
        })
        .collect();
    assert_eq!(told, [(1, 0), (4, 0), (12, 2)]);
}

#[test]
fn groups_are_bounded_and_said() {
    let mut evaluator = Evaluator::new(cpu(&json!({})), 0);
    let mut out = Vec::new();
    for n in 0..MOST_GROUPS + 5 {
        let data = json!({"host": format!("h{n}"), "value": 1.0}).to_string();
        let view = View { id: "r", seq: 1, version: 1, time: 0, received_at: 500_000, data: &data };
        evaluator.feed(&view, &mut out);
    }
    assert_eq!(evaluator.left_out(), (0, 5));
}
