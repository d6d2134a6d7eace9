//! What people type into a search: a text in the first line, the data that it is asked of behind it.
#![no_main]

use std::sync::{Arc, LazyLock};

use forebay_filter::lower::{Holds, WordTest, lower_for};
use forebay_filter::search::{MAX_LEAVES, Mode, Query};
use forebay_filter::{Env, Filter, Scope, View};
use forebay_model::json::{read, to_canonical};
use forebay_model::search::{MAX_KEYWORD_BYTES, SearchField, SearchKind, fields};
use forebay_model::text::words;
use forebay_model::time::Timestamp;
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

#[allow(dead_code, reason = "no column is asked for here")]
#[path = "../../crates/filter/tests/agreement/condition.rs"]
mod condition;

static STREAM: LazyLock<(Value, Arc<[SearchField]>)> = LazyLock::new(|| {
    let schema = json!({"type": "object", "x-search": "text", "properties": {
        "m": {"type": "string", "x-search": {"as": "text", "language": "english"}},
        "k": {"type": "array", "items": {"type": "string"}, "x-search": "keyword"},
        "s": {"type": "string", "x-search": "none"},
        "n": {"type": "integer", "x-search": "none"},
        "b": {"type": "boolean", "x-search": "none"},
        "a": {"type": "object", "x-search": "text", "properties": {
            "s": {"type": "string", "x-search": "none"}}}}});
    let fields = fields(&schema).into();
    (schema, fields)
});

/// Whether a field of a record has something.
fn has(data: &Value, field: usize, test: &WordTest) -> bool {
    let (_, fields) = &*STREAM;
    let (field, mut found) = (&fields[field], false);
    field.texts(fields, data, &mut |text| {
        let terms: Vec<String> = match field.kind {
            SearchKind::Text(_) => words(&text).map(|word| field.term(&word.text)).collect(),
            _ if text.len() <= MAX_KEYWORD_BYTES => vec![text.into_owned()],
            _ => Vec::new(),
        };
        found |= match test {
            WordTest::Word(word) | WordTest::Value(word) => terms.contains(word),
            WordTest::Prefix(begin) => terms.iter().any(|term| term.starts_with(begin)),
            WordTest::Phrase(phrase) => (0..terms.len()).any(|at| terms[at..].starts_with(phrase)),
        };
    });
    found
}

/// Asks an engine that finds what it is told to.
fn ask(filter: &Filter, data: &Value, view: &View<'_>) {
    let holds = Holds { columns: &[], words: Some(&STREAM.1), compares: false };
    let env = Env::at(Timestamp::MIN);
    let lowered = lower_for(filter, holds, &env);
    let mut row = condition::Row::new(*view, &[], data);
    row.words = Some(Box::new(|field, test| has(data, field, test)));
    let (found, matches) = (row.passes(&lowered.condition), filter.matches(view, &env));
    assert!(found || !matches, "{} of {data}: {lowered:?}", filter.source());
    assert!(found == matches || !lowered.exact, "{} of {data}: {lowered:?}", filter.source());
}

/// A fragment may be put into a page as it is.
fn is_harmless(fragment: &str) {
    let bare = fragment.replace("<mark>", "").replace("</mark>", "");
    assert!(!bare.contains(['<', '>', '"', '\'']), "{fragment}");
    let open = fragment.matches("<mark>").count();
    assert!(open > 0 && open == fragment.matches("</mark>").count(), "{fragment}");
}

fuzz_target!(|input: &[u8]| {
    let (schema, fields) = &*STREAM;
    let Some((typed, data)) = forebay_fuzz::two(input) else { return };
    let data = read(data).ok().filter(Value::is_object).unwrap_or_else(|| json!({"m": data}));
    let text = to_canonical(&data);
    let view = View { id: "x", seq: 1, version: 1, time: 0, received_at: 1, data: &text };
    let lenient = Query::read(typed, (schema, fields), Mode::Lenient);
    if let Err(mistakes) = Query::read(typed, (schema, fields), Mode::Strict) {
        for mistake in &mistakes.all {
            let (column, length) = mistakes.place(mistake);
            let characters = u64::try_from(mistakes.source.chars().count()).unwrap();
            assert!(column + length <= characters.max(1) + 2, "{typed}: {mistake:?}");
        }
    } else {
        assert!(lenient.is_ok(), "{typed}");
    }
    match lenient {
        Ok(Some(query)) => {
            ask(query.filter(), &data, &view);
            let marked = query.highlight(&text);
            marked.iter().flat_map(|(_, fragments)| fragments).for_each(|f| is_harmless(f));
        }
        Ok(None) => {}
        // A person's typing is wrong only when there is too much of it.
        Err(mistakes) => {
            assert!(mistakes.all.iter().all(|m| m.code == "too_long"), "{mistakes:?}");
            assert!(typed.len() > MAX_LEAVES, "{typed}");
        }
    }
    // All words of a text, as `search` in a filter takes them.
    let literal = serde_json::to_string(typed).expect("a text is written");
    let Ok(filter) = Filter::compile(&format!("search({literal})"), Scope::record(schema)) else {
        return;
    };
    ask(&filter, &data, &view);
    let is_text = |at: &usize| matches!(fields[*at].kind, SearchKind::Text(_));
    let all = words(typed).all(|word| {
        let mut texts = (0..fields.len()).filter(is_text);
        texts.any(|at| has(&data, at, &WordTest::Word(fields[at].term(&word.text))))
    });
    assert_eq!(filter.matches(&view, &Env::at(Timestamp::MIN)), all, "{typed} of {text}");
});
