//! What a channel is asked to send, and what came of it.

use std::time::Duration;

use forebay_model::time::Timestamp;

/// The most bytes of an answer that are written down.
pub(crate) const MAX_EXCERPT_BYTES: usize = 20 << 10;

/// One notification for one receiver of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    /// The notification's id: the same each time that it is sent.
    pub(crate) id: String,
    /// `record.matched`, `alert.firing`.
    pub(crate) kind: String,
    /// When what it tells of happened.
    pub(crate) time: Timestamp,
    /// JSON.
    pub(crate) data: String,
    /// Whom the channel reaches with it; empty where it reaches one place alone.
    pub(crate) address: String,
}

/// What came of a try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// What now.
    pub(crate) verdict: Verdict,
    /// For metrics and the log of tries, from a short list.
    pub(crate) name: &'static str,
    /// Of the answer; 0 without one.
    pub(crate) status: u16,
    /// Of the answer's body, or what went wrong; at most [`MAX_EXCERPT_BYTES`].
    pub(crate) excerpt: String,
}

/// What a try means for what comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is there.
    Delivered,
    /// It is tried again by the schedule, not before so long.
    Again(Duration),
    /// It will never be taken: it is given up at once.
    Never,
    /// The receiver says that it is not there any more, for this and all others.
    Gone,
}
