//! What is typed to do harm, or by accident: it is read or refused, answered and marked, and never more.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::Arc;

use forebay_filter::search::{Mode, Query};
use forebay_filter::{Env, MAX_BYTES, Mistakes, View};
use forebay_model::search::{SearchField, fields};
use forebay_model::time::Timestamp;
use serde_json::{Value, json};

fn stream(schema: &Value) -> Arc<[SearchField]> {
    fields(schema).into()
}

fn read(text: &str, schema: &Value, mode: Mode) -> Result<Option<Query>, Mistakes> {
    Query::read(text, (schema, &stream(schema)), mode)
}

fn text() -> Value {
    json!({"properties": {"m": {"x-search": "text"}, "k": {"x-search": "keyword"}}})
}

fn matches(query: &Query, data: &Value) -> bool {
    let data = data.to_string();
    let view = View { id: "a", seq: 1, version: 1, time: 0, received_at: 0, data: &data };
    query.filter().matches(&view, &Env::at(Timestamp::MIN))
}

const SCRAPS: [&str; 32] = [
    "(",
    ")",
    "((((",
    "))))",
    "\"",
    "\"\"\"\"",
    "“",
    "”",
    "„",
    "-",
    "--",
    "- ",
    "*",
    "**",
    "* *",
    ":",
    "::",
    "m:",
    "k:",
    "nope:",
    "m:(",
    "k:\"",
    "OR",
    " OR ",
    "AND",
    "NOT ",
    "|",
    "\u{3000}",
    "\u{202e}",
    "\u{200d}",
    "\u{10ffff}",
    "\0",
];

/// Every pair and triple of scraps, between and beside words.
#[test]
fn whatever_is_typed_is_read() {
    let schema = text();
    let data =
        json!({"m": "a\u{3000}disk <full> \u{202e}on\u{202c} \u{10ffff} b", "k": ["(", "a"]});
    let mut asked = 0;
    for first in SCRAPS {
        for second in SCRAPS {
            for third in ["", "a", "disk ", ")", "\"", "*"] {
                for typed in [
                    format!("{first}{second}{third}"),
                    format!("a{first}{second}b{third}"),
                    format!("disk {first}a {second}b {third}full"),
                ] {
                    let query = read(&typed, &schema, Mode::Lenient);
                    let query = query.unwrap_or_else(|e| panic!("{typed:?}: {e:?}"));
                    let found = query.as_ref().is_none_or(|query| matches(query, &data));
                    let opposite = read(&format!("-({typed})"), &schema, Mode::Lenient).unwrap();
                    // What closes nothing here would close the parenthesis there.
                    if !typed.contains([')', '"', '“', '”', '„'])
                        && typed.matches('(').count() == 0
                        && let Some(opposite) = &opposite
                    {
                        assert_eq!(matches(opposite, &data), !found, "{typed:?}");
                    }
                    for (_, fragment) in query.iter().flat_map(|q| q.highlight(&data.to_string())) {
                        assert!(fragment.iter().all(|f| !f.contains("<f")), "{typed:?}");
                    }
                    if let Err(mistakes) = read(&typed, &schema, Mode::Strict) {
                        assert!(mistakes.all.iter().all(|m| typed.is_char_boundary(m.span.start)));
                        assert!(!mistakes.into_error("?q").errors.is_empty());
                    }
                    asked += 1;
                }
            }
        }
    }
    assert!(asked > 10_000, "{asked}");
}

#[test]
fn too_much_is_refused_for_people_too() {
    let schema = text();
    let words = |count: usize| vec!["w"; count].join(" ");
    for (typed, is_read) in [
        (words(64), true),
        (words(65), false),
        (format!("({})", vec!["-w*"; 65].join(" OR ")), false),
        ("w".repeat(MAX_BYTES), true),
        ("w".repeat(MAX_BYTES + 1), false),
        ("w".repeat(64 << 10), false),
        (format!("\"{}\"", words(2000)), true),
        ("(".repeat(MAX_BYTES), true),
        (format!("{}w{}", "(".repeat(2000), ")".repeat(2000)), true),
        ("\"".repeat(MAX_BYTES), true),
        ("*".repeat(MAX_BYTES), true),
        ("-".repeat(MAX_BYTES), true),
        ("m:".repeat(MAX_BYTES / 2), true),
        ("m:(".repeat(1000), true),
        ("* - \"\" ".repeat(500), true),
        ("nope:".repeat(800), true),
        ("-(".repeat(2000), true),
    ] {
        let short: String = typed.chars().take(20).collect();
        for mode in [Mode::Lenient, Mode::Strict] {
            let read = read(&typed, &schema, mode);
            if let (Err(mistakes), Mode::Lenient) = (&read, mode) {
                assert_eq!(mistakes.all[0].code, "too_long", "{short}");
                assert!(mistakes.source.len() <= MAX_BYTES, "{short}");
            }
            assert!(read.is_ok() == is_read || mode == Mode::Strict, "{short}");
        }
    }
}

/// The worst that a query may ask of a record, which is still answered.
#[test]
fn a_query_at_its_limits_has_an_answer() {
    let schema = text();
    let long = "a ".repeat(100_000) + "b";
    let data = json!({"m": long, "k": "x".repeat(2000)});
    let phrase = |tail: &str| format!("\"{}{tail}\"", "a ".repeat(1500));
    let ask = |typed: &str| matches(&read(typed, &schema, Mode::Lenient).unwrap().unwrap(), &data);
    assert!(ask(&phrase("b")));
    assert!(!ask(&phrase("c")));
    assert!(!ask(&phrase("b a")));
    let marked = read(&phrase("b"), &schema, Mode::Lenient).unwrap().unwrap();
    assert_eq!(marked.highlight(&data.to_string()).len(), 1);
    // A value that is longer than values are has none.
    assert!(!ask(&format!("k:{}", "x".repeat(2000))));
    let prefixes: Vec<String> = (0..63).map(|n| format!("-x{n}*")).collect();
    assert!(ask(&format!("{} b*", prefixes.join(" "))));
    // What is asked for a thousand times in a filter is looked for once.
    let many = vec!["search('b')"; 120].join(" && ");
    let filter =
        forebay_filter::Filter::compile(&many, forebay_filter::Scope::record(&schema)).unwrap();
    let text = data.to_string();
    let view = View { id: "a", seq: 1, version: 1, time: 0, received_at: 0, data: &text };
    assert_eq!(filter.verdict(&view, &Env::at(Timestamp::MIN)), Some(true));
}

#[test]
fn fragments_are_cut_between_words() {
    let schema = text();
    let query = read("needle", &schema, Mode::Lenient).unwrap().unwrap();
    for blank in [" ", "\u{3000}", "\u{2003}", "\n", "", "—"] {
        for before in ["x", "ä", "語", "🦀"] {
            for count in [0, 1, 40, 53, 60, 200] {
                let around = format!("{before}{blank}").repeat(count);
                let text = format!("{around} needle {around}");
                let marked = query.highlight(&json!({"m": [text, text]}).to_string());
                let (name, fragments) = &marked[0];
                assert!(name == "data.m" && fragments.len() == 2, "{marked:?}");
                for fragment in fragments {
                    assert!(fragment.contains("<mark>needle</mark>"), "{fragment}");
                    assert!(fragment.len() <= 160 + 13 + 6, "{}: {fragment}", fragment.len());
                }
            }
        }
    }
    let twice = format!("needle {}needle {}", "hay ".repeat(41), "hay ".repeat(41));
    let marked = query.highlight(&json!({"m": twice}).to_string());
    let shown: usize = marked[0].1.iter().map(|f| f.replace(['…', '/'], "").len() - 12).sum();
    assert!(marked[0].1.len() == 2 && shown <= twice.len(), "{marked:?}");
    let giant = "needle".to_owned() + &"x".repeat(5000);
    let marked = read("needle*", &schema, Mode::Lenient).unwrap().unwrap();
    let marked = marked.highlight(&json!({"m": giant}).to_string());
    assert_eq!(marked[0].1, [format!("<mark>{giant}</mark>")]);
}
