//! Sends what waits.

use crate::Inner;

/// Runs until it is dropped.
pub(crate) async fn run(_inner: &Inner) {
    std::future::pending::<()>().await;
}
