//! Bodies in zstd: bounded in what comes out, and what was encoded comes out again.
#![no_main]

use forebay_process::fuzz::zstd;
use libfuzzer_sys::fuzz_target;

const MAX: usize = 1 << 16;

fuzz_target!(|body: &[u8]| {
    bounded(body);
    let mut encoded = zstd::stream::encode_all(body, 1).expect("memory takes all");
    assert_eq!(zstd(&encoded, body.len()).expect("it is zstd"), body);
    if let Some(less) = body.len().checked_sub(1) {
        assert!(zstd(&encoded, less).is_err());
    }
    // One byte of it is wrong.
    if let [at, with, ..] = *body {
        let at = usize::from(at) % encoded.len();
        encoded[at] ^= with;
        bounded(&encoded);
    }
});

fn bounded(encoded: &[u8]) {
    if let Ok(out) = zstd(encoded, MAX) {
        assert!(out.len() <= MAX);
    }
}
