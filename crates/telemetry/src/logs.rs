//! Logs: JSON lines on stdout, or lines for people on a terminal.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

/// Starts logging. `level` is DEBUG, INFO, WARN or ERROR; `format` json, human or auto.
pub fn start(level: &str, format: &str) -> Result<(), String> {
    if !["DEBUG", "INFO", "WARN", "ERROR"].contains(&level.to_ascii_uppercase().as_str()) {
        return Err(format!("logging.level: `{level}` is not DEBUG, INFO, WARN or ERROR"));
    }
    let human = match format {
        "human" => true,
        "json" => false,
        "auto" => std::io::stdout().is_terminal(),
        _ => return Err(format!("logging.format: `{format}` is not auto, json or human")),
    };
    let filter = EnvFilter::try_new(level).map_err(|e| e.to_string())?;
    let builder = fmt().with_env_filter(filter);
    let started = if human {
        builder.with_target(false).try_init()
    } else {
        builder.json().flatten_event(true).with_current_span(false).try_init()
    };
    started.map_err(|e| e.to_string())
}
