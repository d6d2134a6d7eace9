//! One table of texts, records and verdicts, and one of wrong texts: `verdicts/*.txt`.
//!
//! A case is a line: `T`, `F` or `U` (true, false, unknown) and a text. `schema` (the properties),
//! `record` (its `data`), `time` and `auth` hold for all lines below them. In `wrong.txt` a line has
//! the mistakes as `code@column+length`, then the text.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use forebay_filter::{Auth, Env, Filter, Scope, View};
use forebay_model::json;
use forebay_model::time::Timestamp;
use serde_json::{Value, json};

const TABLES: [(&str, &str); 8] = [
    ("logic", include_str!("verdicts/logic.txt")),
    ("numbers", include_str!("verdicts/numbers.txt")),
    ("texts", include_str!("verdicts/texts.txt")),
    ("lists", include_str!("verdicts/lists.txt")),
    ("fields", include_str!("verdicts/fields.txt")),
    ("times", include_str!("verdicts/times.txt")),
    ("names", include_str!("verdicts/names.txt")),
    ("search", include_str!("verdicts/search.txt")),
];

/// What holds for the lines below.
struct Given {
    schema: Value,
    data: String,
    time: Timestamp,
    auth: Option<Auth>,
}

fn moment(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

impl Given {
    fn new() -> Given {
        let time = moment("2026-11-25T11:58:00.123456Z");
        Given { schema: json!({}), data: "{}".into(), time, auth: None }
    }

    fn set(&mut self, what: &str, value: &str) {
        let read = || json::read(value).unwrap_or_else(|fault| panic!("{value}: {fault:?}"));
        match what {
            "schema" => self.schema = json!({"type": "object", "properties": read()}),
            "record" => self.data = json::to_canonical(&read()),
            "time" => self.time = moment(value),
            "auth" => {
                let auth = read();
                let text = |name: &str| auth[name].as_str().map(str::to_owned);
                let roles = auth["roles"].as_array().map(|roles| {
                    roles.iter().map(|role| role.as_str().unwrap().to_owned()).collect()
                });
                self.auth = auth.is_object().then(|| Auth {
                    user_id: text("user_id"),
                    roles,
                    email: text("email"),
                    ..Auth::default()
                });
            }
            _ => panic!("{what} {value}"),
        }
    }

    fn verdict(&self, text: &str) -> Option<bool> {
        let filter = Filter::compile(text, Scope::record(&self.schema));
        let filter = filter.unwrap_or_else(|mistakes| panic!("{text}: {mistakes:?}"));
        let view = View {
            id: "dev-7",
            seq: 41,
            version: 3,
            time: self.time.micros(),
            received_at: moment("2026-11-25T12:00:00Z").micros(),
            data: &self.data,
        };
        let now = moment("2026-11-25T12:00:00Z");
        filter.verdict(&view, &Env { now, auth: self.auth.as_ref(), given: &[] })
    }
}

/// The lines that say something, in two parts.
fn lines(table: &str) -> impl Iterator<Item = (&str, &str)> {
    let said =
        table.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    said.map(|line| line.split_once(char::is_whitespace).unwrap_or((line, "")))
        .map(|(what, rest)| (what, rest.trim_start()))
}

#[test]
fn every_verdict_is_as_the_table_says() {
    let (mut cases, mut wrong) = (0, Vec::new());
    for (name, table) in TABLES {
        let mut given = Given::new();
        for (what, rest) in lines(table) {
            let expected = match what {
                "T" => Some(true),
                "F" => Some(false),
                "U" => None,
                _ => {
                    given.set(what, rest);
                    continue;
                }
            };
            cases += 1;
            let found = given.verdict(rest);
            if found != expected {
                wrong.push(format!("{name}: {rest} on {}: {found:?}", given.data));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(cases >= 300, "{cases}");
}

#[test]
fn every_mistake_is_told_with_its_place() {
    let mut given = Given::new();
    let (mut cases, mut wrong) = (0, Vec::new());
    for (what, text) in lines(include_str!("verdicts/wrong.txt")) {
        if what == "schema" {
            given.set(what, text);
            continue;
        }
        cases += 1;
        let found = match Filter::compile(text, Scope::record(&given.schema)) {
            Ok(_) => "nothing".to_owned(),
            Err(mistakes) => {
                let told = mistakes.all.iter().map(|mistake| {
                    let (column, length) = mistakes.place(mistake);
                    format!("{}@{column}+{length}", mistake.code)
                });
                told.collect::<Vec<_>>().join(",")
            }
        };
        if found != what {
            wrong.push(format!("{what} {text}\n  {found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(cases >= 80, "{cases}");
}
