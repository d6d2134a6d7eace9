//! What a writer of records is told: one result for each record, by its index.

use forebay_db::log::{Done, PartDone, RowDone};
use serde_json::{Map, Value, json};

use crate::decode::Rejection;

/// What is known of a request before it is stored; the answer is this and what became of it.
pub(crate) struct Plan {
    pub(crate) atomic: bool,
    pub(crate) minimal: bool,
    pub(crate) batch: bool,
    pub(crate) entries: Vec<Entry>,
}

/// One stream's share.
pub(crate) struct Entry {
    pub(crate) stream: String,
    /// How many records were sent.
    pub(crate) sent: usize,
    pub(crate) rejected: Vec<(usize, Rejection)>,
    /// Index and id of those that went to the log, in its order; ids stay empty when the answer
    /// does not list them.
    pub(crate) kept: Vec<(usize, String)>,
}

/// How many records fared how.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Counts {
    pub(crate) accepted: u64,
    pub(crate) duplicates: u64,
    pub(crate) rejected: u64,
}

impl Plan {
    pub(crate) fn has_rejections(&self) -> bool {
        self.entries.iter().any(|e| !e.rejected.is_empty())
    }

    /// How many records came for each stream.
    pub(crate) fn sent(&self) -> Vec<(&str, u64)> {
        self.entries.iter().map(|e| (e.stream.as_str(), e.sent as u64)).collect()
    }

    /// Writes the answer: status and body.
    pub(crate) fn render(&self, done: &Done) -> (u16, String) {
        let shares: Vec<Share> = self
            .entries
            .iter()
            .zip(&done.parts)
            .map(|(entry, part)| entry.share(part, done.applied, self.minimal))
            .collect();
        let sent: usize = self.entries.iter().map(|e| e.sent).sum();
        let refused: usize = shares.iter().map(|s| s.rejected.len()).sum();
        let status = match refused {
            0 => 200,
            n if n == sent || self.atomic => 400,
            _ => 207,
        };
        let body = if self.batch {
            let results = shares.into_iter().zip(&self.entries).map(|(share, entry)| {
                let mut result = Map::new();
                result.insert("stream".to_owned(), entry.stream.clone().into());
                result.extend(share.into_json());
                Value::Object(result)
            });
            json!({"results": results.collect::<Vec<_>>()}).to_string()
        } else {
            let share = shares.into_iter().next().map(Share::into_json).unwrap_or_default();
            Value::Object(share).to_string()
        };
        (status, body)
    }
}

struct Share {
    counts: Counts,
    rejected: Vec<Value>,
    records: Option<Vec<Value>>,
    last_seq: i64,
}

impl Share {
    fn into_json(self) -> Map<String, Value> {
        let mut out = Map::new();
        out.insert("accepted".to_owned(), self.counts.accepted.into());
        out.insert("updated".to_owned(), 0.into());
        out.insert("duplicates".to_owned(), self.counts.duplicates.into());
        out.insert("quarantined".to_owned(), 0.into());
        out.insert("rejected".to_owned(), self.rejected.into());
        if let Some(records) = self.records {
            out.insert("records".to_owned(), records.into());
        }
        out.insert("last_seq".to_owned(), self.last_seq.into());
        out
    }
}

impl Entry {
    fn share(&self, part: &PartDone, applied: bool, minimal: bool) -> Share {
        let mut rejected: Vec<(usize, Value)> =
            self.rejected.iter().map(|(index, why)| (*index, refusal(*index, why))).collect();
        let mut records = Vec::new();
        for ((index, id), row) in self.kept.iter().zip(&part.rows) {
            let seq = match row {
                RowDone::Conflict(seq) => {
                    rejected.push((*index, refusal(*index, &conflict(*seq))));
                    continue;
                }
                RowDone::Erased(_) => {
                    rejected.push((*index, refusal(*index, &erased())));
                    continue;
                }
                RowDone::Appended(seq) | RowDone::Duplicate(seq) => *seq,
            };
            if applied && !minimal {
                records.push(json!({"index": index, "id": id, "seq": seq, "version": 1}));
            }
        }
        rejected.sort_by_key(|(index, _)| *index);
        Share {
            counts: self.counts(part, applied),
            rejected: rejected.into_iter().map(|(_, value)| value).collect(),
            records: (!minimal).then_some(records),
            last_seq: part.last_seq,
        }
    }

    pub(crate) fn counts(&self, part: &PartDone, applied: bool) -> Counts {
        let rejected = u64::try_from(self.rejected.len()).unwrap_or(u64::MAX);
        let mut counts = Counts { rejected, ..Counts::default() };
        for row in &part.rows {
            match row {
                RowDone::Appended(_) if applied => counts.accepted += 1,
                RowDone::Duplicate(_) if applied => counts.duplicates += 1,
                RowDone::Appended(_) | RowDone::Duplicate(_) => {}
                RowDone::Conflict(_) | RowDone::Erased(_) => counts.rejected += 1,
            }
        }
        counts
    }
}

fn conflict(seq: i64) -> Rejection {
    let message = match seq {
        0 => "the id stands twice in the request, with other content".to_owned(),
        // Which one is not for everybody to know who may write.
        _ => "the id is taken by a record that has other content".to_owned(),
    };
    Rejection::new("id_conflict", "/id", message)
}

fn erased() -> Rejection {
    Rejection::new(
        "id_conflict",
        "/id",
        "the record of this id was erased; an id is not given again",
    )
}

fn refusal(index: usize, why: &Rejection) -> Value {
    json!({"index": index, "code": why.code, "path": why.path, "message": why.message})
}
