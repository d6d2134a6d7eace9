//! A record as an index holds it, and batches of them on their way there.

use forebay_filter::lower::Bound;
use forebay_model::record::Record;
use forebay_model::search::{MAX_KEYWORD_BYTES, SearchKind};
use forebay_model::text::words;
use serde_json::Value as Json;

use crate::layout::{Column, Layout};

/// What an index holds of a record.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// Its position.
    pub seq: i64,
    /// Its id.
    pub id: String,
    /// Its version.
    pub version: i64,
    /// When it happened, in microseconds.
    pub time: i64,
    /// When it was stored, in microseconds.
    pub received_at: i64,
    /// By which a check compares index and store: a hash of id, seq, version, times and data, 32 bits.
    pub checksum: u32,
    /// One a column of the layout; booleans are 0 and 1.
    pub columns: Vec<Option<Bound>>,
    /// One a field of the layout: its texts, each as its words in order; the values of a keyword
    /// stand as one word each.
    pub fields: Vec<Vec<Vec<String>>>,
}

impl Document {
    /// Reads a record. A text that is not JSON gives an empty document.
    pub fn of(layout: &Layout, record: &Record) -> Document {
        let data: Json = serde_json::from_str(&record.data).unwrap_or_default();
        let columns = layout.columns.iter().map(|column| value(column, &data)).collect();
        let fields = layout.fields.iter().map(|field| {
            let mut texts = Vec::new();
            field.texts(&layout.fields, &data, &mut |text| match field.kind {
                SearchKind::None => {}
                SearchKind::Keyword if text.len() > MAX_KEYWORD_BYTES => {}
                SearchKind::Keyword => texts.push(vec![text.into_owned()]),
                SearchKind::Text(None) => {
                    texts.push(words(&text).map(|word| word.text.into_owned()).collect());
                }
                SearchKind::Text(Some(language)) => {
                    texts.push(words(&text).map(|word| language.stem(&word.text)).collect());
                }
            });
            texts
        });
        Document {
            seq: record.seq,
            id: record.id.clone(),
            version: record.version,
            time: record.time.micros(),
            received_at: record.received_at.micros(),
            checksum: checksum(record),
            columns,
            fields: fields.collect(),
        }
    }
}

/// The value of a column, as the stream's table holds it.
fn value(column: &Column, data: &Json) -> Option<Bound> {
    let found = column.path.iter().try_fold(data, |at, name| at.as_object()?.get(name));
    Bound::of(column.scalar(), found)
}

/// By which a check compares index and store: FNV-1a over everything that a record is, folded.
pub fn checksum(record: &Record) -> u32 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let numbers = [record.seq, record.version, record.time.micros(), record.received_at.micros()];
    let numbers = numbers.iter().flat_map(|number| number.to_le_bytes());
    let texts = record.id.bytes().chain([0]).chain(record.data.bytes());
    for byte in numbers.chain(texts) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    let [a, b, c, d, e, f, g, h] = hash.to_le_bytes();
    u32::from_le_bytes([a, b, c, d]) ^ u32::from_le_bytes([e, f, g, h])
}

/// A record that was erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erased {
    /// Where its tombstone stands.
    pub seq: i64,
    /// Where it stood.
    pub erased_seq: i64,
    /// Its id.
    pub id: String,
}

/// The next part of the log.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// Records, in their order.
    pub documents: Vec<Document>,
    /// What was erased: it leaves the index, also when its document is in this batch.
    pub erased: Vec<Erased>,
    /// The position when all of it is in.
    pub position: i64,
}

/// What became of a batch: all of it is in, but for what the engine will never take.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    /// Positions of records that the engine refuses for what they are, and what it says.
    pub refused: Vec<(i64, String)>,
}
