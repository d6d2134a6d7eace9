//! Sends documents in pieces that a server takes, until each is in, or never will be.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::client::{Call, Client, TRIES, pause};
use super::fault::{Said, is_busy};
use super::mapping;
use crate::document::Batch;
use crate::error::SearchError;
use crate::layout::Layout;

/// Bytes of one request; a document that is longer goes alone.
const MAX_BYTES: usize = 8 << 20;
/// Documents of one request.
const MAX_DOCUMENTS: usize = 5_000;

/// How long a server may take to write that.
const PATIENCE: Duration = Duration::from_secs(30);

/// A document to be written.
pub(super) struct Write {
    /// The record's position; none for one that was erased, which may not be refused.
    seq: Option<i64>,
    lines: String,
}

/// What is to be written of a batch. What was erased becomes an empty document, which no older
/// version ever replaces.
pub(super) fn writes(layout: &Layout, batch: &Batch) -> Vec<Write> {
    let gone: HashSet<i64> = batch.erased.iter().map(|erased| erased.erased_seq).collect();
    let documents = batch.documents.iter().filter(|document| !gone.contains(&document.seq));
    let documents = documents.map(|document| Write {
        seq: Some(document.seq),
        lines: lines(&document.id, document.seq, &mapping::document(layout, document)),
    });
    let erased = batch
        .erased
        .iter()
        .map(|erased| Write { seq: None, lines: lines(&erased.id, erased.seq, &json!({})) });
    documents.chain(erased).collect()
}

fn lines(id: &str, version: i64, document: &Json) -> String {
    let id = format!("r{id}");
    let action = json!({"index": {"_id": id, "version": version, "version_type": "external"}});
    format!("{action}\n{document}\n")
}

/// Writes through an alias, which a server never makes by itself. What it says of documents that it
/// will never take comes back.
pub(super) async fn send(
    client: &Client,
    door: &str,
    writes: Vec<Write>,
) -> Result<Vec<(i64, String)>, SearchError> {
    let mut refused = Vec::new();
    let mut pieces = pieces(writes);
    while let Some(piece) = pieces.pop_front() {
        match one(client, door, piece, &mut refused).await? {
            None => {}
            // What stands before the server may take less at once.
            Some(mut whole) if whole.len() > 1 => {
                let half = whole.split_off(whole.len() / 2);
                pieces.push_front(half);
                pieces.push_front(whole);
            }
            Some(whole) => {
                for write in whole {
                    let what = "the server takes no document of this size".to_owned();
                    refuse(&write, what, &mut refused)?;
                }
            }
        }
    }
    Ok(refused)
}

fn pieces(writes: Vec<Write>) -> VecDeque<Vec<Write>> {
    let mut pieces: VecDeque<Vec<Write>> = VecDeque::new();
    let mut bytes = 0;
    for write in writes {
        bytes += write.lines.len();
        match pieces.back_mut() {
            Some(piece) if bytes <= MAX_BYTES && piece.len() < MAX_DOCUMENTS => piece.push(write),
            _ => {
                bytes = write.lines.len();
                pieces.push_back(vec![write]);
            }
        }
    }
    pieces
}

/// Sends one piece, again what the server was too busy for; the whole piece comes back when it is too
/// large.
async fn one(
    client: &Client,
    door: &str,
    mut piece: Vec<Write>,
    refused: &mut Vec<(i64, String)>,
) -> Result<Option<Vec<Write>>, SearchError> {
    let path = format!(
        "{door}/_bulk?require_alias=true\
         &filter_path=items.*.status,items.*.error.type,items.*.error.reason,items.*.error.caused_by"
    );
    let mut tried = 0;
    loop {
        tried += 1;
        let body: String = piece.iter().map(|write| write.lines.as_str()).collect();
        let call = Call::lines(path.as_str(), body).patient(PATIENCE);
        let answer = match client.ask(&call).await {
            Err(fault) if fault.status == 413 => return Ok(Some(piece)),
            answer => answer?,
        };
        let Some(busy) = take(&mut piece, &answer, refused)? else { return Ok(None) };
        if tried == TRIES {
            return Err(SearchError::Unavailable(busy));
        }
        pause(tried).await;
    }
}

/// Takes out what is done; what the server says of the rest, when there is one.
fn take(
    piece: &mut Vec<Write>,
    answer: &Json,
    refused: &mut Vec<(i64, String)>,
) -> Result<Option<String>, SearchError> {
    let items = answer.get("items").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
    if items.len() != piece.len() {
        let what = format!("{} answers to {} documents", items.len(), piece.len());
        return Err(SearchError::Unavailable(what));
    }
    let (mut rest, mut busy) = (Vec::new(), None);
    for (write, item) in std::mem::take(piece).into_iter().zip(items) {
        let item = item.get("index").unwrap_or(&Json::Null);
        let status = item.get("status").and_then(Json::as_u64).unwrap_or_default();
        let status = u16::try_from(status).unwrap_or_default();
        let error = item.get("error").unwrap_or(&Json::Null);
        let kind = error.get("type").and_then(Json::as_str).unwrap_or_default();
        match status {
            // 409: it, or something later, is there already.
            200..300 | 409 => {}
            404 => return Err(SearchError::Damaged(Said::of(error).text(status))),
            // The index is not what we made.
            400 if kind == "strict_dynamic_mapping_exception"
                || kind == "index_closed_exception" =>
            {
                return Err(SearchError::Damaged(Said::of(error).text(status)));
            }
            400 => refuse(&write, Said::of(error).text(status), refused)?,
            _ if is_busy(status, kind) || status >= 500 => {
                busy = Some(Said::of(error).text(status));
                rest.push(write);
            }
            _ => return Err(SearchError::Unavailable(Said::of(error).text(status))),
        }
    }
    *piece = rest;
    Ok(busy)
}

fn refuse(
    write: &Write,
    what: String,
    refused: &mut Vec<(i64, String)>,
) -> Result<(), SearchError> {
    match write.seq {
        Some(seq) => refused.push((seq, what)),
        None => return Err(SearchError::Internal(format!("an empty document is refused: {what}"))),
    }
    Ok(())
}
