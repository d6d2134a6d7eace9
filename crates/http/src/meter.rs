//! What a request costs beyond itself: told to the gateway by whoever has read it.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use forebay_model::Error;

/// Counts against the caller's limits.
#[async_trait]
pub trait Meter: Send + Sync {
    /// Takes the records that a request brings, by stream: all or none. Beyond a limit it is
    /// `rate_limited`, with the time after which it would not be.
    async fn records(&self, streams: &[(&str, u64)]) -> Result<(), Error>;
}

/// The meter of a request; one that has come past the gateway, or that nothing limits, has none.
#[derive(Clone)]
pub struct Metered(pub Arc<dyn Meter>);

impl fmt::Debug for Metered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metered")
    }
}
