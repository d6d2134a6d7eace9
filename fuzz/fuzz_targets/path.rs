//! Paths: whatever is taken has one form, which is its own, and leads nowhere else.
#![no_main]

use forebay_gateway::fuzz::path;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let text = format!("/{text}");
    let Some(form) = path(&text) else { return };
    assert_eq!(path(&form).as_deref(), Some(form.as_str()));
    assert!(form.starts_with('/') && form.is_ascii());
    assert!(!form.contains("//") && !form.contains("\\") && !form.contains("%00"));
    assert!(form.split('/').all(|segment| segment != "." && segment != ".."));
});
