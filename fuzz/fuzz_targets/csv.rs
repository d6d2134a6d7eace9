//! CSV bodies: no cell of an accepted row is lost.
#![no_main]

use std::sync::LazyLock;

use forebay_fuzz::{MOST, comes_out_as_it_went_in, stream};
use forebay_model::stream::Stream;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

static STREAM: LazyLock<Stream> = LazyLock::new(stream);

fn leaves(value: &Value) -> usize {
    value.as_object().map_or(1, |members| members.values().map(leaves).sum())
}

fuzz_target!(|body: &[u8]| {
    let Ok(rows) = forebay_process::fuzz::csv(body, &STREAM, MOST) else { return };
    assert!(rows.len() <= MOST);
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    let mut others = csv::ReaderBuilder::new().flexible(true).from_reader(body);
    for (row, other) in rows.iter().zip(others.byte_records()) {
        let (Ok(row), Ok(other)) = (row, other) else { continue };
        comes_out_as_it_went_in(row);
        let full = other.iter().filter(|cell| !cell.is_empty()).count();
        assert!((full..=other.len()).contains(&leaves(row)), "{row} of {other:?}");
    }
});
