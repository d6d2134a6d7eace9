//! Rows on their way to the log, plain and in envelopes: a record keeps the data that was sent.
#![no_main]

use std::sync::LazyLock;

use forebay_fuzz::stream;
use forebay_model::id::check_id;
use forebay_model::json::read;
use forebay_model::stream::Stream;
use forebay_process::fuzz::record;
use libfuzzer_sys::fuzz_target;

static STREAM: LazyLock<Stream> = LazyLock::new(stream);

fuzz_target!(|text: &str| {
    let Ok(row) = read(text) else { return };
    for envelope in [false, true] {
        let sent = if envelope { row.get("data").cloned() } else { Some(row.clone()) };
        let Ok((id, data)) = record(row.clone(), &STREAM, envelope) else { continue };
        check_id(&id).expect("an id is good");
        assert_eq!(read(&data).ok(), sent);
        assert!(STREAM.schema.check(&sent.unwrap_or_default()).is_empty());
    }
});
