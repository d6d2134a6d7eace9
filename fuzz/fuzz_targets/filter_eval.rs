//! Filters, each with a record to judge: a text in the first line, the data behind it.
#![no_main]

use std::sync::LazyLock;

use forebay_filter::{Auth, Env, Expression, Filter, Scope, View};
use forebay_model::json::{read, to_canonical};
use forebay_model::time::Timestamp;
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    json!({"type": "object", "properties": {
        "n": {"type": "integer"}, "d": {"type": ["number", "null"]}, "s": {"type": "string", "x-search": "text"},
        "b": {"type": "boolean"}, "x": {}, "tags": {"type": "array", "items": {"type": "string"}},
        "nums": {"type": "array", "items": {"type": "number"}},
        "a": {"type": "object", "properties": {"n": {"type": "number"}, "s": {"type": "string"}}},
        "list": {"type": "array", "items": {"type": "object", "properties": {
            "n": {"type": "integer"}, "s": {"type": "string"}}}}}})
});

fn judge(source: &str, data: &str) -> Option<Option<bool>> {
    let scope = Scope::record(&SCHEMA);
    let filter = Filter::compile(source, scope).ok()?;
    let view = View { id: "x", seq: 1, version: 1, time: -1, received_at: 1, data };
    let auth = Auth { user_id: Some("x".into()), roles: Some(vec!["y".into()]), ..Auth::default() };
    let now = Timestamp::from_micros(1_800_000_000_000_000);
    let env = Env { now, auth: Some(&auth), given: &[] };
    let verdict = filter.verdict(&view, &env);
    assert_eq!(verdict, filter.verdict(&view, &env), "{source}");
    assert_eq!(filter.matches(&view, &env), verdict == Some(true), "{source}");
    Some(verdict)
}

fuzz_target!(|input: &[u8]| {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let (source, data) = text.split_once('\n').unwrap_or((text, ""));
    // What is stored is canonical; the reader of fields is given anything all the same.
    let canonical = read(data).ok().filter(Value::is_object).map(|value| to_canonical(&value));
    let data = canonical.as_deref().unwrap_or(data);
    if let Ok(value) = Expression::compile(source, Scope::record(&SCHEMA)) {
        let view = View { id: "x", seq: 1, version: 1, time: -1, received_at: 1, data };
        value.with_value(&view, &Env::at(Timestamp::MIN), |_| ());
    }
    let Some(verdict) = judge(source, data) else { return };
    // A comment would swallow a bracket in its line.
    if let Some(opposite) = judge(&format!("!({source}\n)"), data) {
        assert_eq!(opposite, verdict.map(|b| !b), "{source} of {data}");
    }
    if let Some(either) = judge(&format!("true || ({source}\n)"), data) {
        assert_eq!(either, Some(true), "{source} of {data}");
    }
    if let Some(both) = judge(&format!("true && ({source}\n)"), data) {
        assert_eq!(both, verdict, "{source} of {data}");
    }
});
