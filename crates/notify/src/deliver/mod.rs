//! The engine that brings messages to where they go.
//!
//! All that must not be lost is in the database. What is here is what this process knows beside it: what
//! it is sending, how receivers are, and that something may be due.

mod breaker;
mod known;
mod schedule;
mod turn;
mod way;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use forebay_model::{Error, Result};
use tokio::sync::{Notify as Signal, Semaphore, SemaphorePermit, watch};

pub(crate) use turn::Sending;

/// Tests of channels at once.
const TESTS: usize = 8;
/// How long a stopping process waits for what is on its way, and then for that to be written down.
const PATIENCE: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(5));

/// What the rest of the service tells the engine.
pub(crate) struct Engine {
    signal: Signal,
    /// Moves when a channel was changed here.
    changes: AtomicU64,
    /// Turns for tests of channels.
    tests: Semaphore,
    /// Whether it sends nothing any more.
    ended: watch::Sender<bool>,
}

impl Engine {
    pub(crate) fn new() -> Engine {
        Engine {
            signal: Signal::new(),
            changes: AtomicU64::new(0),
            tests: Semaphore::new(TESTS),
            ended: watch::Sender::new(false),
        }
    }

    /// Something waits to be sent, says whoever has committed it. A hint: without it the engine sees
    /// it a moment later.
    pub(crate) fn wake(&self) {
        self.signal.notify_one();
    }

    /// Drops what is remembered of channels, because one was changed here.
    pub(crate) fn forget(&self) {
        self.changes.fetch_add(1, Ordering::Relaxed);
        self.wake();
    }

    /// A turn to test a channel; for as long as it is held.
    pub(crate) fn test_turn(&self) -> Result<SemaphorePermit<'_>> {
        let many = |_| Error::overloaded("too many channels are being tested").retry_after(1);
        self.tests.try_acquire().map_err(many)
    }

    /// Waits for a while until what is on its way is back, when the process stops.
    pub(crate) async fn settled(&self) {
        let mut ended = self.ended.subscribe();
        // Whatever is not written down by then is sent again after the next start.
        let all = PATIENCE.0 + PATIENCE.1;
        let _ = tokio::time::timeout(all, ended.wait_for(|ended| *ended)).await;
    }
}
