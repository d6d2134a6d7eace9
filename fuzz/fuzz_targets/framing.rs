//! Messages on a connection: judged the same however they are cut, and nothing behind a fault.
#![no_main]

use forebay_gateway::fuzz::fault;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((size, bytes)) = bytes.split_first() else { return };
    let whole = fault(bytes, bytes.len().max(1));
    let pieces = fault(bytes, usize::from(*size).max(1));
    // A piece's end is known to be wrong as soon as its first byte is.
    assert_eq!(whole.is_some(), pieces.is_some());
    assert!(whole.is_none_or(|at| at < bytes.len()) && pieces.is_none_or(|at| at < bytes.len()));
});
