//! A rule as it was sent: `POST /v1/rules`. What is wrong with it is told all at once.

use forebay_model::FieldError;
use serde_json::{Map, Value};

use super::machine::NoData;
use super::members::{DAY, HOUR, Read, SECOND};

/// The most windows that are open at once.
const MOST_PANES: i64 = 600;
/// The most fields that a rule groups by.
const MOST_GROUP_FIELDS: usize = 4;
/// The most keys that an absence rule lists.
const MOST_KEYS: usize = 1_000;

/// What was asked for. Texts are not checked against the stream yet.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Spec {
    pub(crate) filter: Option<String>,
    pub(crate) group_by: Vec<String>,
    pub(crate) kind: Kind,
}

/// What makes people be told.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    /// Each record that matches.
    Event {
        /// The least time between two of a group, in microseconds.
        throttle: i64,
    },
    /// A value of a window.
    Threshold(Box<Threshold>),
    /// Keys that do not report.
    Absence(Absence),
}

/// See [`Kind::Threshold`]; times are microseconds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Threshold {
    pub(crate) window: Window,
    pub(crate) value: String,
    pub(crate) when: String,
    pub(crate) recover: Option<String>,
    pub(crate) hold: i64,
    pub(crate) keep_firing: i64,
    pub(crate) of_last: (u32, u32),
    pub(crate) no_data: NoData,
}

/// Windows that end at each multiple of `slide`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) size: i64,
    /// A divisor of the size.
    pub(crate) slide: i64,
    /// Whether a record counts when it happened, or when it arrived.
    pub(crate) by_event: bool,
    /// How long a window waits for records that come late.
    pub(crate) lateness: i64,
}

/// See [`Kind::Absence`]; times are microseconds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Absence {
    /// The field whose values are the keys.
    pub(crate) field: String,
    /// The keys that must report; nothing when they are learned.
    pub(crate) listed: Option<Vec<String>>,
    pub(crate) after: i64,
    /// After a start nobody is missed for so long.
    pub(crate) grace: i64,
    /// A learned key that has been missing for so long is forgotten.
    pub(crate) forget: i64,
}

const COMMON: &[&str] = &["kind", "filter", "group_by"];

impl Spec {
    /// Reads the members of a rule that say when people are told; `beside` are members that are read
    /// elsewhere.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub(crate) fn read(
        rule: &Map<String, Value>,
        beside: &[&str],
    ) -> Result<Spec, Vec<FieldError>> {
        let mut read = Read::new(rule);
        let filter = read.text("filter");
        let group_by = read.texts("group_by", MOST_GROUP_FIELDS);
        let name = rule.get("kind").and_then(Value::as_str);
        let (kind, own): (_, &[&str]) = match name {
            Some("event") => (
                Some(Kind::Event { throttle: read.span("throttle", (0, 30 * DAY), 0) }),
                &["throttle"],
            ),
            Some("threshold") => (
                threshold(&mut read).map(|threshold| Kind::Threshold(Box::new(threshold))),
                &[
                    "window",
                    "value",
                    "when",
                    "recover",
                    "for",
                    "keep_firing_for",
                    "of_last",
                    "no_data",
                ],
            ),
            Some("absence") => (
                absence(&mut read).map(Kind::Absence),
                &["keys", "after", "startup_grace", "forget_after"],
            ),
            _ => {
                read.wrong("kind", "enum_mismatch", "the kinds are event, threshold and absence");
                (None, &[])
            }
        };
        if name == Some("absence") && rule.contains_key("group_by") {
            read.wrong("group_by", "unknown_member", "an absence rule groups by its keys");
        }
        if kind.is_some() {
            read.unknown(&[COMMON, own, beside].concat());
        }
        match kind {
            Some(kind) if read.wrong.is_empty() => Ok(Spec { filter, group_by, kind }),
            _ => Err(read.wrong),
        }
    }
}

fn threshold(read: &mut Read<'_>) -> Option<Threshold> {
    let window = read.object("window").and_then(|members| {
        let mut inner = read.inside("window", members);
        let window = window(&mut inner);
        inner.unknown(&["size", "slide", "time", "lateness"]);
        let wrong = inner.wrong;
        read.wrong.extend(wrong);
        window
    });
    let (value, when) = (read.needed("value"), read.needed("when"));
    let recover = read.text("recover");
    let hold = read.span("for", (0, 30 * DAY), 0);
    let keep_firing = read.span("keep_firing_for", (0, 30 * DAY), 0);
    let of_last = of_last(read);
    let no_data = match read.text("no_data").as_deref() {
        None | Some("keep_last") => NoData::KeepLast,
        Some("ok") => NoData::Ok,
        Some("alert") => NoData::Alert,
        Some(_) => {
            read.wrong("no_data", "enum_mismatch", "keep_last, ok or alert");
            NoData::KeepLast
        }
    };
    Some(Threshold {
        window: window?,
        value: value?,
        when: when?,
        recover,
        hold,
        keep_firing,
        of_last,
        no_data,
    })
}

fn window(read: &mut Read<'_>) -> Option<Window> {
    let size = read.span("size", (SECOND, DAY), 0);
    if size == 0 {
        if !read.members.contains_key("size") {
            read.wrong("size", "required", "a window has a size: \"5m\"");
        }
        return None;
    }
    let slide = read.span("slide", (SECOND / 10, size), size);
    if slide == 0 {
        return None;
    }
    if size % slide != 0 || size / slide > MOST_PANES {
        let message =
            format!("a slide goes into the size without rest, at most {MOST_PANES} times");
        read.wrong("slide", "out_of_range", &message);
        return None;
    }
    let by_event = match read.text("time").as_deref() {
        None | Some("arrival") => false,
        Some("event") => true,
        Some(_) => {
            read.wrong("time", "enum_mismatch", "arrival or event");
            return None;
        }
    };
    let lateness = read.span("lateness", (0, HOUR), 0);
    Some(Window { size, slide, by_event, lateness })
}

/// `[3, 5]`: three of the last five windows.
fn of_last(read: &mut Read<'_>) -> (u32, u32) {
    let Some(value) = read.members.get("of_last") else { return (1, 1) };
    let pair = value.as_array().and_then(|pair| match pair.as_slice() {
        [n, m] => Some((n.as_u64()?, m.as_u64()?)),
        _ => None,
    });
    match pair {
        Some((n, m)) if (1..=m).contains(&n) && m <= 60 => {
            (u32::try_from(n).unwrap_or(1), u32::try_from(m).unwrap_or(1))
        }
        _ => {
            read.wrong(
                "of_last",
                "out_of_range",
                "[3, 5]: three of the last five windows, at most 60",
            );
            (1, 1)
        }
    }
}

fn absence(read: &mut Read<'_>) -> Option<Absence> {
    let keys = read.object("keys").and_then(|members| {
        let mut inner = read.inside("keys", members);
        let field = inner.needed("field");
        let listed = match members.get("from") {
            None => Some(None),
            Some(Value::String(from)) if from == "learned" => Some(None),
            Some(Value::Array(_)) => Some(Some(inner.texts("from", MOST_KEYS))),
            Some(_) => {
                inner.wrong("from", "enum_mismatch", "learned, or a list of keys");
                None
            }
        };
        inner.unknown(&["field", "from"]);
        let wrong = inner.wrong;
        read.wrong.extend(wrong);
        Some((field?, listed?))
    });
    let after = read.span("after", (SECOND, 30 * DAY), 0);
    if after == 0 && !read.members.contains_key("after") {
        read.wrong("after", "required", "how long a key may be silent: \"5m\"");
    }
    let grace = read.span("startup_grace", (0, DAY), 60 * SECOND);
    let forget = read.span("forget_after", (SECOND, 365 * DAY), 7 * DAY);
    let (field, listed) = keys?;
    (after > 0).then_some(Absence { field, listed, after, grace, forget: forget.max(after) })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(rule: &Value) -> Result<Spec, Vec<FieldError>> {
        Spec::read(rule.as_object().unwrap(), &["name", "stream", "receivers"])
    }

    #[test]
    fn rules_of_all_kinds() {
        let rule = json!({"name": "cpu", "stream": "metrics", "kind": "threshold",
            "filter": "data.name == \"cpu\"", "window": {"size": "10s", "slide": "1s", "time": "arrival"},
            "value": "avg(data.value)", "when": "value > 80", "recover": "value < 70", "for": "5s",
            "group_by": ["data.host"], "receivers": []});
        let Kind::Threshold(threshold) = read(&rule).unwrap().kind else { panic!() };
        assert_eq!((threshold.window.size, threshold.window.slide), (10 * SECOND, SECOND));
        assert_eq!((threshold.hold, threshold.of_last), (5 * SECOND, (1, 1)));
        let rule = json!({"kind": "absence", "keys": {"field": "data.host", "from": "learned"}, "after": "5m"});
        let Kind::Absence(absence) = read(&rule).unwrap().kind else { panic!() };
        assert_eq!((absence.after, absence.listed), (300 * SECOND, None));
        assert_eq!(read(&json!({"kind": "event"})).unwrap().kind, Kind::Event { throttle: 0 });
    }

    #[test]
    fn all_that_is_wrong_is_told_with_its_place() {
        let paths = |rule: Value| -> Vec<String> {
            read(&rule).unwrap_err().into_iter().map(|error| error.path).collect()
        };
        assert_eq!(paths(json!({"kind": "treshold"})), ["/kind"]);
        assert_eq!(
            paths(
                json!({"kind": "threshold", "window": {"size": "0s", "slid": "1s"}, "for": "soon"})
            ),
            ["/window/size", "/window/slid", "/value", "/when", "/for"]
        );
        for (size, slide) in
            [("366d", "1h"), ("10s", "3s"), ("1h", "1s"), ("10s", "0s"), ("-5s", "1s")]
        {
            let rule = json!({"kind": "threshold", "window": {"size": size, "slide": slide},
                "value": "count()", "when": "value > 1"});
            assert_eq!(read(&rule).unwrap_err().len(), 1, "{size} {slide}");
        }
        assert_eq!(
            paths(json!({"kind": "absence", "keys": {}, "group_by": []})),
            ["/keys/field", "/after", "/group_by"]
        );
        assert_eq!(paths(json!({"kind": "event", "window": {}})), ["/window"]);
    }
}
