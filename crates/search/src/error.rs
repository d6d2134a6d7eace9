//! What can go wrong with an index.

use thiserror::Error;

/// An error of an engine.
#[derive(Debug, Error)]
pub enum SearchError {
    /// The engine cannot be reached, or is too busy or too full to answer; it may be tried again.
    #[error("the search engine is not available: {0}")]
    Unavailable(String),
    /// Somebody else writes to the index, or the index is not what it was when it was opened: whoever
    /// wrote has to begin again with the position that is there now.
    #[error("the index was written by somebody else: {0}")]
    Fenced(String),
    /// The files or the index are damaged, or gone: it has to be built anew.
    #[error("the index is damaged: {0}")]
    Damaged(String),
    /// The engine, its version, its credentials or an index of this name cannot be used. What to do
    /// stands in it.
    #[error("{0}")]
    Unfit(String),
    /// The query has more parts than the engine takes.
    #[error("the query has too many parts: {0}")]
    TooLarge(String),
    /// A fault of ours.
    #[error("{0}")]
    Internal(String),
}
