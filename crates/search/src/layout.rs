//! What an index holds of each record. Another layout is another index, built anew.

use forebay_model::schema::ScalarType;
use forebay_model::search::{SearchField, SearchKind};
use forebay_model::stream::Stream;
use forebay_model::text;
use serde::{Deserialize, Serialize};

/// Changes whenever indexes are written in another way.
pub const FORMAT: u32 = 1;

/// A numbered column of the stream, held as `c3` beside what every record has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its number, as in the stream's table.
    pub number: i64,
    /// The members below `data`.
    pub path: Vec<String>,
    /// `string`, `integer`, `number` or `boolean`.
    pub scalar: String,
}

impl Column {
    /// The type of its values.
    pub fn scalar(&self) -> ScalarType {
        ScalarType::from_name(&self.scalar).unwrap_or(ScalarType::String)
    }
}

/// What an index holds, and of which stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    /// See [`FORMAT`].
    pub format: u32,
    /// With which rules words were read, see [`text::VERSION`].
    pub words: (u32, (u8, u8, u8)),
    /// The stream's number.
    pub stream: i64,
    /// The stream's epoch.
    pub epoch: i64,
    /// The numbered columns, in the order of their numbers. Values that a column cannot hold (of
    /// another type) are missing.
    pub columns: Vec<Column>,
    /// The search fields; conditions name them by their place here. A field is held as `f0`, `f1`.
    pub fields: Vec<SearchField>,
}

impl Layout {
    /// What an index of a stream holds; `None` when nothing of the stream is searched.
    pub fn of(stream: &Stream) -> Option<Layout> {
        let fields = stream.schema.searched();
        if fields.iter().all(|field| field.kind == SearchKind::None) {
            return None;
        }
        let columns = stream.columns.iter().map(|column| Column {
            number: column.number,
            path: column.path.segments().to_vec(),
            scalar: column.scalar.name().to_owned(),
        });
        Some(Layout {
            format: FORMAT,
            words: text::VERSION,
            stream: stream.number,
            epoch: stream.epoch,
            columns: columns.collect(),
            fields: fields.to_vec(),
        })
    }

    /// Whether an index with this layout answers what is asked of the stream's words today; columns
    /// may be missing or too many.
    pub fn serves(&self, wanted: &Layout) -> bool {
        (self.format, self.words) == (wanted.format, wanted.words)
            && (self.stream, self.epoch) == (wanted.stream, wanted.epoch)
            && self.fields == wanted.fields
    }
}
