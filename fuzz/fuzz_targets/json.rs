//! JSON texts: what is read is JSON for others too, and comes out as it went in.
#![no_main]

use forebay_fuzz::comes_out_as_it_went_in;
use forebay_model::json::{FaultKind, read, write_sorted};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|text: &str| {
    let others = serde_json::from_str::<Value>(text);
    match read(text) {
        Ok(value) => {
            assert!(others.is_ok());
            comes_out_as_it_went_in(&value);
            let mut sorted = String::new();
            write_sorted(&value, &mut sorted);
            assert_eq!(read(&sorted).expect("sorted text is read"), value);
        }
        Err(fault) => {
            assert!(fault.offset <= text.len());
            // Whatever is JSON is refused by a rule that names itself.
            assert!(fault.kind != FaultKind::Syntax || others.is_err());
        }
    }
});
