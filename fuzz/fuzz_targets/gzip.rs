//! Bodies in gzip: bounded in what comes out, and what was encoded comes out again.
#![no_main]

use std::io::Write;

use forebay_process::fuzz::gzip;
use libfuzzer_sys::fuzz_target;

const MAX: usize = 1 << 16;

fuzz_target!(|body: &[u8]| {
    bounded(body);
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(body).expect("memory takes all");
    let mut encoded = encoder.finish().expect("memory takes all");
    assert_eq!(gzip(&encoded, body.len()).expect("it is gzip"), body);
    if let Some(less) = body.len().checked_sub(1) {
        assert!(gzip(&encoded, less).is_err());
    }
    // One byte of it is wrong.
    if let [at, with, ..] = *body {
        let at = usize::from(at) % encoded.len();
        encoded[at] ^= with;
        bounded(&encoded);
    }
});

fn bounded(encoded: &[u8]) {
    if let Ok(out) = gzip(encoded, MAX) {
        assert!(out.len() <= MAX);
    }
}
