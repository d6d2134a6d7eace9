//! Search: the state that can be rebuilt. An index of a stream's records, inside (tantivy) or
//! outside (Elasticsearch, OpenSearch), behind one interface.
//!
//! An index follows the log: everything up to its position ([`View::indexed_seq`]) is in it, nothing
//! of what came later is seen. It answers conditions of `forebay_filter::lower` exactly as the
//! evaluator does; which records match is never its own opinion. It holds no text of a record, only
//! words, columns and positions: records are read from the log.

pub mod ask;
pub mod document;
pub mod elastic;
pub mod engine;
pub mod error;
pub mod layout;
pub mod settings;
pub mod tantivy;

pub use ask::{Ask, Cell, Group, Grouping, Hit, Hits, Key, Order, Part, Partial, Terms, Window};
pub use document::{Batch, Document, Erased, Written};
pub use engine::{Engine, Generation, View, Writer};
pub use error::SearchError;
pub use layout::Layout;
pub use settings::Settings;
