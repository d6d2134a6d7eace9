//! Whatever reads what clients send is fuzzed (`fuzz/`).

use std::path::Path;

use anyhow::{Context, Result};

/// Each file that reads what clients send, with a target that feeds it.
pub(crate) const DECODERS: &[(&str, &str)] = &[
    ("crates/filter/src/fields.rs", "filter_eval"),
    ("crates/filter/src/lex.rs", "filter_parse"),
    ("crates/filter/src/parse.rs", "filter_parse"),
    ("crates/filter/src/pattern.rs", "filter_eval"),
    ("crates/filter/src/search/highlight.rs", "search"),
    ("crates/filter/src/search/parse.rs", "search"),
    ("crates/filter/src/search/query.rs", "search"),
    ("crates/filter/src/zone.rs", "filter_eval"),
    ("crates/gateway/src/credential.rs", "credential"),
    ("crates/gateway/src/routes/normal.rs", "path"),
    ("crates/http/src/cursor.rs", "cursor"),
    ("crates/http/src/query.rs", "query"),
    ("crates/model/src/json/read/mod.rs", "json"),
    ("crates/model/src/schema.rs", "schema"),
    ("crates/model/src/stream.rs", "definition"),
    ("crates/model/src/text.rs", "search"),
    ("crates/model/src/time.rs", "timestamp"),
    ("crates/process/src/decode/batch.rs", "batch"),
    ("crates/process/src/decode/body.rs", "gzip"),
    ("crates/process/src/decode/body.rs", "zstd"),
    ("crates/process/src/decode/csv.rs", "csv"),
    ("crates/process/src/decode/json.rs", "json_body"),
    ("crates/process/src/decode/json.rs", "ndjson"),
    ("crates/process/src/decode/quotes.rs", "csv"),
    ("crates/process/src/prepare.rs", "record"),
    ("crates/store/src/query/fields.rs", "query"),
    ("crates/store/src/query/position.rs", "cursor"),
    ("crates/store/src/query/sort.rs", "query"),
];

/// Nothing but readers stands here.
pub(crate) const READERS: &str = "crates/process/src/decode";

pub(crate) fn faults(root: &Path, decoders: &[(&str, &str)], readers: &str) -> Result<Vec<String>> {
    let manifest = std::fs::read_to_string(root.join("fuzz/Cargo.toml")).unwrap_or_default();
    let mut wrong = Vec::new();
    for (file, target) in decoders {
        if !root.join(file).exists() {
            wrong.push(format!("{file}: is gone; strike it from the list of decoders"));
        }
        let there = root.join(format!("fuzz/fuzz_targets/{target}.rs")).exists();
        if !there || !manifest.contains(&format!("name = \"{target}\"\n")) {
            wrong.push(format!("{file}: fuzz/ has no target {target}"));
        }
    }
    for entry in std::fs::read_dir(root.join(readers)).context(readers.to_owned())? {
        let name = entry?.file_name().display().to_string();
        let file = format!("{readers}/{name}");
        if name != "mod.rs" && !decoders.iter().any(|(listed, _)| *listed == file) {
            wrong.push(format!("{file}: no fuzz target is listed for it"));
        }
    }
    Ok(wrong)
}
