//! A column of one segment: values as integers that compare as the values do. Texts are the places
//! of their terms in the segment's dictionary.

use std::sync::Arc;

use forebay_filter::lower::Bound;
use tantivy::columnar::{Column, ColumnType, Dictionary, TermOrdHit};
use tantivy::termdict::TermOrdinal;
use tantivy::{DocId, SegmentReader, TantivyError, f64_to_u64, i64_to_u64, u64_to_f64, u64_to_i64};

use super::fields::{CHECKSUM, Held, Kind, SEQ};

/// A column of a segment.
#[derive(Clone)]
pub(super) struct Values {
    pub(super) column: Column<u64>,
    kind: Kind,
    pub(super) terms: Option<Arc<Dictionary>>,
}

/// Where a value stands among those of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spot {
    /// The least that is not below it.
    pub(super) from: u64,
    /// Whether that is the value itself.
    pub(super) exact: bool,
}

impl Values {
    pub(super) fn open(reader: &SegmentReader, held: &Held) -> tantivy::Result<Values> {
        Values::named(reader, &held.name, held.kind)
    }

    /// The column of a keyword field, which has several values.
    pub(super) fn named(reader: &SegmentReader, name: &str, kind: Kind) -> tantivy::Result<Values> {
        if kind == Kind::Text {
            let Some(column) = reader.fast_fields().str(name)? else {
                return Ok(Values::empty(reader, kind));
            };
            let (terms, column) = column.into_parts();
            return Ok(Values { column, kind, terms: Some(terms) });
        }
        let ty = if kind == Kind::Int { ColumnType::I64 } else { ColumnType::F64 };
        let column = reader.fast_fields().u64_lenient_for_type(Some(&[ty]), name)?;
        Ok(match column {
            Some((column, _)) => Values { column, kind, terms: None },
            None => Values::empty(reader, kind),
        })
    }

    fn empty(reader: &SegmentReader, kind: Kind) -> Values {
        Values { column: Column::build_empty_column(reader.max_doc()), kind, terms: None }
    }

    pub(super) fn of(&self, doc: DocId) -> Option<u64> {
        self.column.first(doc)
    }

    /// Where a value stands.
    pub(super) fn spot(&self, bound: &Bound) -> tantivy::Result<Spot> {
        Ok(match (self.kind, bound) {
            (Kind::Int, Bound::Int(value)) => Spot { from: i64_to_u64(*value), exact: true },
            (Kind::Real, Bound::Real(value)) => {
                Spot { from: f64_to_u64(*value + 0.0), exact: true }
            }
            (Kind::Text, Bound::Text(text)) => match &self.terms {
                None => Spot { from: 0, exact: false },
                Some(terms) => match terms.term_ord_or_next(text.as_bytes())? {
                    TermOrdHit::Exact(from) => Spot { from, exact: true },
                    TermOrdHit::Next(from) => Spot { from, exact: false },
                },
            },
            (kind, bound) => {
                let says = format!("a column of {kind:?} is compared with {bound:?}");
                return Err(TantivyError::InvalidArgument(says));
            }
        })
    }

    /// The value that an integer stands for.
    pub(super) fn value(&self, value: u64) -> tantivy::Result<Bound> {
        Ok(match self.kind {
            Kind::Int => Bound::Int(u64_to_i64(value)),
            Kind::Real => Bound::Real(u64_to_f64(value)),
            Kind::Text => Bound::Text(self.term(value)?),
        })
    }

    fn term(&self, ordinal: TermOrdinal) -> tantivy::Result<String> {
        let mut bytes = Vec::new();
        let found = match &self.terms {
            Some(terms) => terms.ord_to_term(ordinal, &mut bytes)?,
            None => false,
        };
        let text = if found { String::from_utf8(bytes).ok() } else { None };
        text.ok_or_else(|| damaged("a dictionary has no such term"))
    }
}

/// The positions of a segment.
pub(super) fn seqs(reader: &SegmentReader) -> tantivy::Result<Column<u64>> {
    Ok(Values::named(reader, SEQ, Kind::Int)?.column)
}

/// The checksums of a segment.
pub(super) fn checksums(reader: &SegmentReader) -> tantivy::Result<Column<u64>> {
    reader.fast_fields().u64(CHECKSUM)
}

pub(super) fn damaged(says: &str) -> TantivyError {
    TantivyError::DataCorruption(tantivy::error::DataCorruption::comment_only(says))
}
