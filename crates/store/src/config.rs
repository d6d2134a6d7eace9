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
