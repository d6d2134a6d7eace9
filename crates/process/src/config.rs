//! The service's settings.

use std::time::Duration;

/// Plain data; the defaults stand in `config/app.yaml`.
#[derive(Debug, Clone)]
pub struct ProcessConfig {
    /// Most bytes of a request's body, decoded.
    pub max_body: usize,
    /// Most records of a request.
    pub max_records: usize,
    /// Most bytes of a record's canonical JSON.
    pub max_record: usize,
    /// Most bytes of bodies that are accepted and not yet stored.
    pub queue: usize,
    /// Longest silence while a body arrives.
    pub body_timeout: Duration,
    /// How long idempotency keys are kept.
    pub idempotency_ttl: Duration,
    /// Most idempotency keys of a principal at once.
    pub max_keys: usize,
}
