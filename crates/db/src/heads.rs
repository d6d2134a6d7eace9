//! How far each stream is: hints that wake followers. A hint may be lost; the log is the truth.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

/// Nothing was heard yet: whoever follows looks for itself first.
const UNKNOWN: i64 = -1;

/// The heads that somebody in this process follows.
#[derive(Debug, Default)]
pub struct Heads {
    followed: Mutex<HashMap<i64, watch::Sender<i64>>>,
}

impl Heads {
    /// Follows a stream's head; the value is the newest seq that was heard of.
    pub fn follow(&self, stream: i64) -> watch::Receiver<i64> {
        let mut followed = self.followed.lock().unwrap_or_else(PoisonError::into_inner);
        followed.entry(stream).or_insert_with(|| watch::Sender::new(UNKNOWN)).subscribe()
    }

    /// Says that a stream has reached a seq.
    pub fn advance(&self, stream: i64, seq: i64) {
        let followed = self.followed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(head) = followed.get(&stream) {
            head.send_if_modified(|known| {
                let newer = seq > *known;
                *known = seq.max(*known);
                newer
            });
        }
    }

    /// The streams that are followed now; the others are forgotten.
    pub fn followed(&self) -> Vec<i64> {
        let mut followed = self.followed.lock().unwrap_or_else(PoisonError::into_inner);
        followed.retain(|_, head| head.receiver_count() > 0);
        followed.keys().copied().collect()
    }
}
