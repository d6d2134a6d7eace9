//! What the gateway asks other services for each request.

use std::sync::Arc;

use forebay_contract::{Identity, Quotas};
use forebay_model::time::SharedClock;

/// The doors of other services that it asks at, and what time it is.
pub struct Asking {
    /// Who asks.
    pub identity: Arc<dyn Identity>,
    /// What is left of quotas.
    pub quotas: Arc<dyn Quotas>,
    /// The time, by which quotas have their periods.
    pub clock: SharedClock,
    /// Whether records are read in this process: elsewhere whoever reads them counts them.
    pub reads: bool,
}
