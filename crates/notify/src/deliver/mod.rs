//! The engine that brings messages to where they go.

use forebay_model::{Error, Result};
use tokio::sync::{Notify as Signal, Semaphore, SemaphorePermit};

use crate::config::NotifyConfig;

/// Tests of channels at once.
const TESTS: usize = 8;

/// The engine's state in this process; all that must not be lost is in the database.
pub(crate) struct Engine {
    signal: Signal,
    /// Turns for tests of channels.
    tests: Semaphore,
}

impl Engine {
    pub(crate) fn new(_config: &NotifyConfig) -> Engine {
        Engine { signal: Signal::new(), tests: Semaphore::new(TESTS) }
    }

    /// Something waits to be sent, says whoever has committed it. A hint: without it the engine sees
    /// it a moment later.
    pub(crate) fn wake(&self) {
        self.signal.notify_one();
    }

    /// Drops what is remembered of a channel, because it was changed here.
    pub(crate) fn forget(&self, _channel: &str) {
        self.wake();
    }

    /// A turn to test a channel; for as long as it is held.
    pub(crate) fn test_turn(&self) -> Result<SemaphorePermit<'_>> {
        let many = |_| Error::overloaded("too many channels are being tested").retry_after(1);
        self.tests.try_acquire().map_err(many)
    }
}
