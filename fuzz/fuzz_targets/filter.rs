//! Filters, each with a record to judge: a text in the first line, the data behind it.
#![no_main]

use std::sync::LazyLock;

use forebay_filter::lower::{lower, sql::Sql};
use forebay_filter::{Auth, Env, Filter, Scope, View, parse};
use forebay_fuzz::{stream, two};
use forebay_model::json::{read, to_canonical};
use forebay_model::stream::Stream;
use forebay_model::time::Timestamp;
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

static STREAM: LazyLock<Stream> = LazyLock::new(stream);
static THERE: LazyLock<Filter> = LazyLock::new(|| {
    let scope = Scope::record(&STREAM.definition.schema);
    Filter::compile("has(data.a.s)", scope).expect("it is a filter")
});

fuzz_target!(|input: &[u8]| {
    let Some((source, data)) = two(input) else { return };
    match parse(source) {
        Ok(tree) => {
            let written = tree.to_string();
            if let Ok(again) = parse(&written) {
                assert_eq!(again.to_string(), written, "of {source}");
            } else {
                // Parentheses may take it beyond the limits of what is read.
                assert!(written.len() > source.len(), "{written} of {source}");
            }
        }
        Err(mistakes) => assert!(!mistakes.into_error("?filter").errors.is_empty()),
    }
    let data = read(data).ok().filter(Value::is_object).unwrap_or_else(|| json!({}));
    let text = to_canonical(&data);
    let view = View { id: "x", seq: 1, version: 1, time: 0, received_at: 1, data: &text };
    let now = Timestamp::from_micros(1_800_000_000_000_000);
    let auth = Auth { user_id: Some("x".into()), roles: Some(vec!["y".into()]), ..Auth::default() };
    let env = Env { now, auth: Some(&auth), given: &[] };
    let there = data.pointer("/a/s").is_some_and(|value| !value.is_null());
    assert_eq!(THERE.matches(&view, &env), there, "{text}");
    let scope = Scope::record(&STREAM.definition.schema);
    let Ok(filter) = Filter::compile(source, scope) else { return };
    filter.verdict(&view, &env);
    let lowered = lower(&filter, &STREAM.columns, &env);
    let mut sql = Sql::default();
    sql.condition(1, &lowered.condition);
    assert_eq!(sql.text.matches('$').count(), sql.bounds.len(), "{}", sql.text);
});
