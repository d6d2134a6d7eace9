//! Points in time: what is read is in range, and is written as the same point.
#![no_main]

use forebay_model::time::Timestamp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(time) = Timestamp::parse(text) else { return };
    assert!((Timestamp::MIN..=Timestamp::MAX).contains(&time));
    let written = time.to_string();
    assert_eq!(written.len(), "2026-01-31T12:00:00.000000Z".len(), "{written}");
    assert_eq!(Timestamp::parse(&written), Ok(time));
    assert_eq!(Timestamp::from_micros(time.micros()), time);
});
