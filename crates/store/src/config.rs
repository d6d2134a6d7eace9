//! The service's settings.

use std::time::Duration;

/// Plain data; the defaults stand in `config/app.yaml`.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// Silence after which a subscription gets a heartbeat.
    pub heartbeat: Duration,
    /// How long idempotency keys are kept.
    pub idempotency_ttl: Duration,
    /// Most subscriptions of one process.
    pub max_subscribers: usize,
}

/// How records are searched.
#[derive(Debug, Clone)]
pub struct SearchConfig {
    /// With which engine.
    pub engine: forebay_search::Settings,
    /// How often at most a stream's index is written while little is to be written.
    pub refresh: Duration,
    /// Most records behind an index that are read from the log in its place.
    pub tail: i64,
    /// How long a query waits for an index that is further behind.
    pub wait: Duration,
}
