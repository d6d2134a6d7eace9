//! JSON Schemas, each with a value to check: a schema in the first line, the value behind it.
#![no_main]

use forebay_fuzz::two;
use forebay_model::json::read;
use forebay_model::schema::Schema;
use libfuzzer_sys::fuzz_target;
use serde_json::json;

fuzz_target!(|input: &[u8]| {
    let Some((schema, data)) = two(input) else { return };
    let Ok(schema) = read(schema) else { return };
    let Ok(schema) = Schema::compile(&schema) else { return };
    let data = read(data).unwrap_or_else(|_| json!({"a": [1, "x", null], "b": {"c": 1.5}}));
    for error in schema.check(&data) {
        assert!(error.path.starts_with("/data"), "{error:?}");
        assert!(error.message.chars().count() <= 301, "{error:?}");
    }
});
