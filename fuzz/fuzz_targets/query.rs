//! Query strings: a query in the first line, the record that is shown behind it.
#![no_main]

use std::sync::LazyLock;

use forebay_fuzz::{stream, two};
use forebay_http::query::Params;
use forebay_model::json::{read, to_canonical};
use forebay_model::record::Record;
use forebay_model::stream::Stream;
use forebay_model::time::Timestamp;
use forebay_store::fuzz::{after, fields, sort};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

static STREAM: LazyLock<Stream> = LazyLock::new(stream);

fuzz_target!(|input: &[u8]| {
    let Some((query, data)) = two(input) else { return };
    let params = Params::of(query);
    let _ = params.only(&["fields", "after", "sort"]);
    if let Some((_, seq)) = after(params.get("after").unwrap_or(data)) {
        assert!(seq >= 0);
    }
    if let Ok(keys) = sort(params.get("sort").unwrap_or(query), &STREAM) {
        assert!((1..=5).contains(&keys));
    }
    let data = read(data).unwrap_or_else(|_| json!({"n": 1, "a": {"n": 2.5, "s": "x"}}));
    let record = Record {
        seq: 1,
        // No id holds U+0000.
        id: query.replace('\0', ""),
        version: 1,
        time: Timestamp::MIN,
        received_at: Timestamp::MAX,
        data: to_canonical(&data),
    };
    let Ok(shown) = fields(&params, &record, "fuzz") else { return };
    let shown = read(&shown).expect("what is shown is JSON");
    // What is shown of the data stands in the data.
    if let Some(part) = shown.get("data") {
        assert!(within(part, &data), "{part} of {data}");
    }
});

fn within(part: &Value, whole: &Value) -> bool {
    match (part, whole) {
        (Value::Object(part), Value::Object(whole)) => {
            part.iter().all(|(name, value)| whole.get(name).is_some_and(|w| within(value, w)))
        }
        (part, whole) => part == whole,
    }
}
