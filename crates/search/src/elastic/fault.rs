//! What the server's refusals mean.

use serde_json::Value as Json;

use super::client::Answer;
use crate::error::SearchError;

/// The most characters of what a server says that are passed on.
const MAX_REASON: usize = 300;

const NO_INDEX: &str = "index_not_found_exception";
/// Servers have no name for it.
const NO_DOCUMENT: &str = "no document";

/// A refusal.
#[derive(Debug)]
pub(super) struct Fault {
    /// The HTTP status; 0 where there was no answer.
    pub(super) status: u16,
    /// The server's name for it.
    pub(super) kind: String,
    /// What it is to the caller.
    pub(super) error: SearchError,
}

impl Fault {
    pub(super) fn of(error: SearchError) -> Fault {
        Fault { status: 0, kind: String::new(), error }
    }

    /// Whether the server may take the same a moment later.
    pub(super) fn is_busy(&self) -> bool {
        is_busy(self.status, &self.kind)
    }

    /// Whether the index, or the alias, is not there.
    pub(super) fn is_gone(&self) -> bool {
        self.kind == NO_INDEX
    }

    /// Whether the index is there, and the document is not.
    pub(super) fn is_no_document(&self) -> bool {
        self.kind == NO_DOCUMENT
    }
}

impl From<Fault> for SearchError {
    fn from(fault: Fault) -> SearchError {
        fault.error
    }
}

/// Whether a status says that the same may be taken a moment later: the server is busy, a shard is on
/// its way, or writing is blocked because a disk is full.
pub(super) fn is_busy(status: u16, kind: &str) -> bool {
    match status {
        429 | 502 | 503 => kind != "too_many_buckets_exception",
        403 => kind == "cluster_block_exception",
        _ => false,
    }
}

/// The body of a success.
pub(super) fn check(answer: Answer) -> Result<Json, Fault> {
    if (200..300).contains(&answer.status) {
        return Ok(answer.body);
    }
    let said = Said::read(&answer.body);
    let status = answer.status;
    let text = said.text(status);
    let error = match (status, said.kind.as_str()) {
        (_, "too_many_clauses" | "too_many_nested_clauses" | "too_many_buckets_exception") => {
            SearchError::TooLarge(text)
        }
        _ if text.contains("too many nested clauses") => SearchError::TooLarge(text),
        (413, _) => SearchError::TooLarge("the server takes no request of this size".to_owned()),
        (401, _) => SearchError::Unfit(CREDENTIALS.to_owned()),
        (403, "cluster_block_exception") => SearchError::Unavailable(text),
        (403, _) => SearchError::Unfit(format!("{RIGHTS}: {text}")),
        (404, NO_INDEX) => SearchError::Damaged(text),
        // What stands before the server says so as well.
        (404, _) => SearchError::Unavailable(text),
        (408 | 429 | 500.., _) => SearchError::Unavailable(text),
        _ => SearchError::Internal(text),
    };
    Err(Fault { status, kind: said.kind, error })
}

const CREDENTIALS: &str = "the search engine refuses the credentials (401): set search.api_key, or \
    search.user and search.password, to what it knows";
const RIGHTS: &str = "the search engine's user may not do this (403): it needs the privileges \
    `monitor` on the cluster and `all` on the indexes that search.prefix names";

/// What a server says of an error: an object, or a text.
pub(super) struct Said {
    pub(super) kind: String,
    pub(super) reason: String,
}

impl Said {
    fn read(body: &Json) -> Said {
        match body.get("error") {
            Some(Json::String(reason)) => Said { kind: String::new(), reason: cut(reason) },
            Some(error) => Said::of(error),
            None if body.get("found") == Some(&Json::Bool(false)) => {
                Said { kind: NO_DOCUMENT.to_owned(), reason: String::new() }
            }
            None => Said { kind: String::new(), reason: String::new() },
        }
    }

    /// Reads an error, by the cause that says most: a search that failed on its shards says only so.
    pub(super) fn of(error: &Json) -> Said {
        let mut at = error;
        if let Some(shard) = error.pointer("/failed_shards/0/reason") {
            at = shard;
        }
        for _ in 0..8 {
            let Some(cause) = at.get("caused_by").filter(|cause| cause.is_object()) else { break };
            at = cause;
        }
        let text = |name: &str| at.get(name).and_then(Json::as_str).unwrap_or_default();
        Said { kind: text("type").to_owned(), reason: cut(text("reason")) }
    }

    pub(super) fn text(&self, status: u16) -> String {
        match (self.kind.as_str(), self.reason.as_str()) {
            ("", "") => format!("status {status}"),
            ("", reason) => format!("status {status}: {reason}"),
            (kind, reason) => format!("status {status}: {kind}: {reason}"),
        }
    }
}

/// What may be passed on of a reason: some quote what is in the document.
fn cut(reason: &str) -> String {
    let mut end = reason.len();
    for quoted in [" in document with id", " Preview of", ". The prefix of", " The prefix of"] {
        end = end.min(reason.find(quoted).unwrap_or(end));
    }
    reason.get(..end).unwrap_or_default().chars().take(MAX_REASON).collect()
}
