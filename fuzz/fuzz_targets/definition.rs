//! Definitions of streams: what is accepted is given back as a definition that says the same.
#![no_main]

use forebay_model::compat::breaches;
use forebay_model::json::read;
use forebay_model::stream::Definition;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|text: &str| {
    let Ok(body) = read(text) else { return };
    match Definition::read(&body) {
        Ok((definition, _)) => {
            let given = Value::Object(definition.to_json());
            let (again, _) = Definition::read(&given).expect("what is given back is accepted");
            assert_eq!(definition, again);
            assert!(breaches(&definition.schema, &again.schema).is_empty());
        }
        Err(errors) => assert!(!errors.is_empty()),
    }
});
