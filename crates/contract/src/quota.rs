//! The door behind which quotas are counted: plain data, so that it can be carried elsewhere.

use async_trait::async_trait;
use forebay_model::Result;
use forebay_model::period::Span;

/// How much is left of a quota? Counted once for all processes, and kept over restarts.
#[async_trait]
pub trait Quotas: Send + Sync {
    /// Takes units ahead of their use: at least `need` of them or none, and at most `want`. All that
    /// was ever granted of a count, less what was given back, is never more than its quota. Whoever
    /// does not hear the answer must take what was granted for used.
    async fn take(&self, count: &Count, ask: Ask) -> Result<Granted>;

    /// Gives units back that were granted and are not used. It is asked once: given back twice they
    /// would be used twice.
    async fn give_back(&self, unused: Vec<(Count, u64)>) -> Result<()>;
}

/// What is counted: whom, by which policy, and when.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Count {
    /// A text that no other policy or caller has. It is kept as a hash.
    pub key: String,
    /// The period.
    pub period: Span,
}

/// How much of a quota is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask {
    /// All that may be used in the period.
    pub quota: u64,
    /// Without so many nothing can be done.
    pub need: u64,
    /// So many would be of use, not less than `need`.
    pub want: u64,
}

/// What was granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Granted {
    /// How much.
    pub granted: u64,
    /// How much is left after that, for whoever asks next.
    pub left: u64,
}
