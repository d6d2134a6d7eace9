//! Batches: streams with their records, each stream once.
#![no_main]

use std::collections::HashSet;

use forebay_fuzz::{MOST, comes_out_as_it_went_in};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let Ok(entries) = forebay_process::fuzz::batch(body, MOST) else { return };
    let names: HashSet<&str> = entries.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names.len(), entries.len());
    let records = || entries.iter().flat_map(|(_, records)| records);
    assert!(records().count() <= MOST);
    records().for_each(comes_out_as_it_went_in);
});
