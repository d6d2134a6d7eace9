//! Sends what waits.

use crate::Inner;
use crate::deliver::Sending;

/// Runs until the process stops.
pub(crate) async fn run(inner: &Inner) {
    Sending::new(inner).run().await;
}
