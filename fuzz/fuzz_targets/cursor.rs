//! Cursors: nothing is opened that was not signed here; a position is written as it was read.
#![no_main]

use std::sync::LazyLock;

use forebay_fuzz::two;
use forebay_http::cursor::Signer;
use forebay_store::fuzz::position;
use libfuzzer_sys::fuzz_target;

static SIGNER: LazyLock<Signer> = LazyLock::new(|| Signer::new(b"secret"));

fuzz_target!(|input: &[u8]| {
    let Some((scope, text)) = two(input) else { return };
    assert!(SIGNER.open(scope, text).is_err());
    let cursor = SIGNER.sign(scope, text);
    assert_eq!(SIGNER.open(scope, &cursor).expect("it was signed here"), text);
    assert!(SIGNER.open(&format!("{scope}x"), &cursor).is_err());
    for keys in 0..4 {
        if let Ok(written) = position(text, keys) {
            assert_eq!(position(&written, keys).expect("it was written here"), written);
        }
    }
});
