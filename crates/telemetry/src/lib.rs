//! Logs and metrics: how the process tells operators what it does.

pub mod logs;
pub mod metrics;
mod names;
