//! Logs: JSON lines on stdout, or lines for people on a terminal.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

/// Starts logging. `level` is DEBUG, INFO, WARN or ERROR; `format` json, human or auto.
/// The lines of `access` are written when they are wanted, whatever the level. An error comes with
/// the setting that is wrong.
pub fn start(level: &str, format: &str, access: bool) -> Result<(), (&'static str, String)> {
    let bad_level = |what| ("logging.level", what);
    if !["DEBUG", "INFO", "WARN", "ERROR"].contains(&level.to_ascii_uppercase().as_str()) {
        return Err(bad_level(format!("`{level}` is not DEBUG, INFO, WARN or ERROR")));
    }
    let human = match format {
        "human" => true,
        "json" => false,
        "auto" => std::io::stdout().is_terminal(),
        _ => return Err(("logging.format", format!("`{format}` is not auto, json or human"))),
    };
    let filter =
        EnvFilter::try_new(format!("{level},access={}", if access { "info" } else { "off" }))
            .map_err(|e| bad_level(e.to_string()))?;
    let builder = fmt().with_env_filter(filter);
    let started = if human {
        builder.with_target(false).try_init()
    } else {
        // The span says which request a line belongs to.
        builder.json().flatten_event(true).with_span_list(false).try_init()
    };
    started.map_err(|e| ("logging", e.to_string()))
}
