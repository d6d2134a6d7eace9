//! Cursors: nothing is opened that was not sealed here; a position is written as it was read.
#![no_main]

use std::sync::LazyLock;

use forebay_fuzz::two;
use forebay_http::cursor::Sealer;
use forebay_store::fuzz::position;
use libfuzzer_sys::fuzz_target;

static SEALER: LazyLock<Sealer> = LazyLock::new(|| Sealer::new(b"secret"));

fuzz_target!(|input: &[u8]| {
    let Some((scope, text)) = two(input) else { return };
    assert!(SEALER.open(scope, text).is_err());
    if text.ends_with('\0') {
        return;
    }
    let cursor = SEALER.seal(scope, text).expect("it is sealed");
    assert_eq!(SEALER.open(scope, &cursor).expect("it was sealed here"), text);
    assert!(SEALER.open(&format!("{scope}x"), &cursor).is_err());
    for keys in 0..4 {
        if let Ok(written) = position(text, keys) {
            assert_eq!(position(&written, keys).expect("it was written here"), written);
        }
    }
});
