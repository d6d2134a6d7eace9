//! Credentials: the value of `Authorization`, in any scheme.
#![no_main]

use forebay_gateway::fuzz::secret;
use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|value: &[u8]| {
    let Ok(value) = HeaderValue::from_bytes(value) else { return };
    for name in ["authorization", "x-api-key"] {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.clone());
        if let Some(secret) = secret(&headers) {
            assert!(secret.len() <= value.len());
        }
    }
});
