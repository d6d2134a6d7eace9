//! How far each stream is: hints that wake followers. A hint may be lost; the log is the truth.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::{Notify, watch};

/// Nothing was heard yet: whoever follows looks for itself first.
const UNKNOWN: i64 = -1;

/// The heads that somebody in this process follows.
#[derive(Debug, Default)]
pub struct Heads {
    followed: Mutex<HashMap<i64, watch::Sender<i64>>>,
    /// What has moved since somebody asked who follows all of them; `None` when nobody does.
    moved: Mutex<Option<HashMap<i64, i64>>>,
    any: Notify,
}

impl Heads {
    /// Follows a stream's head; the value is the newest seq that was heard of.
    pub fn follow(&self, stream: i64) -> watch::Receiver<i64> {
        let mut followed = self.followed.lock().unwrap_or_else(PoisonError::into_inner);
        followed.entry(stream).or_insert_with(|| watch::Sender::new(UNKNOWN)).subscribe()
    }

    /// Waits until some stream has moved, and says which have since the last time, and to where. There
    /// is one who follows all.
    pub async fn moved(&self) -> HashMap<i64, i64> {
        loop {
            let woken = self.any.notified();
            let moved = {
                let mut moved = self.moved.lock().unwrap_or_else(PoisonError::into_inner);
                moved.replace(HashMap::new()).unwrap_or_default()
            };
            if !moved.is_empty() {
                return moved;
            }
            woken.await;
        }
    }

    /// Says that a stream has reached a seq.
    pub fn advance(&self, stream: i64, seq: i64) {
        if let Some(moved) = &mut *self.moved.lock().unwrap_or_else(PoisonError::into_inner) {
            let known = moved.entry(stream).or_insert(seq);
            *known = seq.max(*known);
            self.any.notify_one();
        }
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
