//! What engines narrow by, beside the evaluator: a text in the first line, the data behind it.
#![no_main]

use std::sync::LazyLock;

use forebay_filter::lower::{lower, sql::Sql};
use forebay_filter::{Auth, Env, Filter, Scope, View};
use forebay_model::json::{read, to_canonical};
use forebay_model::schema::Schema;
use forebay_model::stream::{Column, ColumnState};
use forebay_model::time::Timestamp;
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

#[path = "../../crates/filter/tests/agreement/condition.rs"]
mod condition;

static STREAM: LazyLock<(Value, Schema, Vec<Column>)> = LazyLock::new(|| {
    let schema = json!({"type": "object", "properties": {
        "n": {"type": "integer", "x-index": true}, "m": {"type": "integer", "x-index": true},
        "d": {"type": ["number", "null"], "x-index": true},
        "s": {"type": "string", "x-index": true}, "b": {"type": "boolean", "x-index": true},
        "a": {"type": "object", "properties": {"s": {"type": "string", "x-index": true}}},
        "x": {}, "tags": {"type": "array", "items": {"type": "string"}}}});
    let compiled = Schema::compile(&schema).expect("the schema is good");
    let indexed = compiled.declared().iter().filter(|field| field.indexed);
    let column = |(field, number): (&forebay_model::schema::Declared, i64)| Column {
        number,
        path: field.path.clone(),
        scalar: field.scalar.expect("an indexed field has a type"),
        state: ColumnState::Ready,
    };
    let columns = indexed.zip(1..).map(column).collect();
    (schema, compiled, columns)
});

fuzz_target!(|input: &[u8]| {
    let (schema, compiled, columns) = &*STREAM;
    let Ok(text) = std::str::from_utf8(input) else { return };
    let (source, data) = text.split_once('\n').unwrap_or((text, ""));
    let Ok(filter) = Filter::compile(source, Scope::record(schema)) else { return };
    let auth = Auth { user_id: Some("x".into()), roles: Some(vec!["y".into()]), ..Auth::default() };
    let now = Timestamp::from_micros(1_800_000_000_000_000);
    let env = Env { now, auth: Some(&auth), given: &[] };
    let lowered = lower(&filter, columns, &env);
    let mut sql = Sql::default();
    sql.condition(1, &lowered.condition);
    assert_eq!(sql.text.matches('$').count(), sql.bounds.len(), "{}", sql.text);
    let harmless = |c: char| c.is_ascii_alphanumeric() || " $_()<>=,".contains(c);
    assert!(sql.text.chars().all(harmless), "{}", sql.text);
    // Columns are ready where each record obeys the schema.
    let data = read(data).ok().filter(|data| compiled.check(data).is_empty());
    let data = data.filter(Value::is_object).unwrap_or_else(|| json!({}));
    let text = to_canonical(&data);
    let view = View { id: "x", seq: 1, version: 1, time: -1, received_at: 1, data: &text };
    let found = condition::Row::new(view, columns, &data).passes(&lowered.condition);
    let matches = filter.matches(&view, &env);
    assert!(found || !matches, "{source} of {text}: {lowered:?}");
    assert!(found == matches || !lowered.exact, "{source} of {text}: {lowered:?}");
});
