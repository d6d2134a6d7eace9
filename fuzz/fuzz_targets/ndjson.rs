//! Bodies of lines: each line that is not blank is a row, and is read as it is read alone.
#![no_main]

use std::sync::LazyLock;

use forebay_fuzz::{MOST, stream};
use forebay_model::json::read;
use forebay_model::stream::Stream;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

static STREAM: LazyLock<Stream> = LazyLock::new(stream);

fuzz_target!(|body: &[u8]| {
    let lines = body.split(|byte| *byte == b'\n');
    let lines: Vec<_> = lines.filter(|l| !l.iter().all(u8::is_ascii_whitespace)).collect();
    let Ok(rows) = forebay_process::fuzz::ndjson(body, &STREAM, MOST) else {
        assert!(lines.len() > MOST);
        return;
    };
    assert_eq!(lines.len(), rows.len());
    for (line, row) in lines.into_iter().zip(rows) {
        let alone = std::str::from_utf8(line).ok().and_then(|line| read(line).ok());
        assert_eq!(row.ok(), alone.filter(Value::is_object));
    }
});
