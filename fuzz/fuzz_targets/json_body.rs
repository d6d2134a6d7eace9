//! Bodies of one object or an array: a row for each element, or a problem of the whole.
#![no_main]

use std::sync::LazyLock;

use forebay_fuzz::{MOST, comes_out_as_it_went_in, stream};
use forebay_model::json::read;
use forebay_model::stream::Stream;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

static STREAM: LazyLock<Stream> = LazyLock::new(stream);

fuzz_target!(|body: &[u8]| {
    let rows = forebay_process::fuzz::json(body, &STREAM, MOST);
    let whole = std::str::from_utf8(body).ok().map(read);
    let Ok(rows) = rows else {
        // What is read as one value is only refused for its number of rows.
        match whole {
            Some(Ok(value)) => assert!(value.as_array().is_some_and(|items| items.len() > MOST)),
            _ => return,
        }
        return;
    };
    assert!(rows.len() <= MOST);
    rows.iter().flatten().for_each(comes_out_as_it_went_in);
    assert!(rows.iter().flatten().all(Value::is_object));
    let items = match whole {
        Some(Ok(Value::Array(items))) => items,
        Some(Ok(value)) => vec![value],
        _ => return,
    };
    assert_eq!(items.len(), rows.len());
    for (item, row) in items.into_iter().zip(rows) {
        assert_eq!(row.ok(), Some(item).filter(Value::is_object));
    }
});
