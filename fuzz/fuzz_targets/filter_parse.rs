//! Filters' texts: what is read is printed and read back as the same; each mistake has its place.
#![no_main]

use forebay_filter::{MAX_BYTES, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|source: &str| {
    match parse(source) {
        Ok(tree) => {
            let printed = tree.to_string();
            match parse(&printed) {
                Ok(again) => assert_eq!(again, tree, "{printed} of {source}"),
                // Blanks and escapes make it longer.
                Err(mistakes) => assert!(printed.len() > MAX_BYTES, "{printed}: {mistakes:?}"),
            }
        }
        Err(mistakes) => {
            let length = mistakes.source.chars().count() as u64;
            assert!((1..=10).contains(&mistakes.all.len()));
            for mistake in &mistakes.all {
                let (column, characters) = mistakes.place(mistake);
                assert!(column - 1 + characters <= length + 1, "{mistake:?} of {source}");
            }
            assert!(!mistakes.into_error("?filter").errors.is_empty());
        }
    }
});
