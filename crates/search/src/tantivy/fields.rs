//! The fields of an index: what tantivy is told of a layout, and how a document is put into them.
//!
//! Values stand in columns (tantivy's fast fields) and words in the inverted index; no text is
//! stored. Numbers are not indexed beside their columns: a range is read off a column quickly, and
//! terms of their own would cost more than all words. Times are integers: tantivy's dates would
//! round them.

use forebay_filter::lower::{Bound, Place};
use forebay_model::schema::ScalarType;
use forebay_model::search::SearchKind;
use tantivy::schema::{
    Field, IndexRecordOption, NumericOptions, Schema, TextFieldIndexing, TextOptions,
};
use tantivy::tokenizer::{Token, TokenStream, Tokenizer};
use tantivy::{Index, TantivyDocument};

use crate::document::Document;
use crate::layout::Layout;

/// What a place holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Integers, booleans, times.
    Int,
    Real,
    Text,
}

/// A column of the index.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) field: Field,
    /// Whether its values are terms, too.
    pub(super) indexed: bool,
}

/// A search field.
#[derive(Debug, Clone)]
pub(super) struct Searched {
    pub(super) name: String,
    pub(super) field: Field,
    pub(super) kind: SearchKind,
}

/// All of them.
#[derive(Debug, Clone)]
pub(super) struct Fields {
    pub(super) schema: Schema,
    places: Vec<(Place, Held)>,
    columns: Vec<Held>,
    pub(super) searched: Vec<Searched>,
    checksum: Field,
}

/// The column with which index and store are compared.
pub(super) const CHECKSUM: &str = "checksum";
/// The column of positions.
pub(super) const SEQ: &str = "seq";
/// Stands between the words of a text on their way into the index; no word has it.
const BETWEEN: char = '\n';
const WORDS: &str = "words";

impl Fields {
    /// The fields of a layout.
    pub(super) fn new(layout: &Layout) -> Fields {
        let mut schema = Schema::builder();
        let fast = || NumericOptions::default().set_fast();
        let mut held = |name: String, kind: Kind, indexed: bool| {
            let field = match kind {
                Kind::Int => schema.add_i64_field(&name, fast()),
                Kind::Real => schema.add_f64_field(&name, fast()),
                Kind::Text if indexed => schema.add_text_field(&name, values()),
                Kind::Text => schema.add_text_field(&name, TextOptions::default().set_fast("raw")),
            };
            Held { name, kind, field, indexed }
        };
        let always = [
            (Place::Seq, SEQ, Kind::Int),
            (Place::Id, "id", Kind::Text),
            (Place::Version, "version", Kind::Int),
            (Place::Time, "time", Kind::Int),
            (Place::ReceivedAt, "received_at", Kind::Int),
        ];
        let mut places: Vec<(Place, Held)> = always
            .map(|(place, name, kind)| (place, held(name.to_owned(), kind, false)))
            .into_iter()
            .collect();
        let columns = layout.columns.iter().map(|column| {
            let kind = match column.scalar() {
                ScalarType::String => Kind::Text,
                ScalarType::Number => Kind::Real,
                ScalarType::Integer | ScalarType::Boolean => Kind::Int,
            };
            held(format!("c{}", column.number), kind, kind == Kind::Text)
        });
        let columns: Vec<Held> = columns.collect();
        let numbers = layout.columns.iter().map(|column| Place::Column(column.number));
        places.extend(numbers.zip(columns.iter().cloned()));
        let checksum = schema.add_u64_field(CHECKSUM, fast());
        let searched = layout.fields.iter().enumerate().map(|(at, field)| {
            let name = format!("f{at}");
            let options = match field.kind {
                SearchKind::Text(_) => texts(),
                SearchKind::Keyword => values(),
                SearchKind::None => TextOptions::default(),
            };
            Searched { field: schema.add_text_field(&name, options), name, kind: field.kind }
        });
        let searched = searched.collect();
        Fields { schema: schema.build(), places, columns, searched, checksum }
    }

    /// Gives an index what it needs to read words.
    pub(super) fn prepare(index: &Index) {
        index.tokenizers().register(WORDS, Words::default());
    }

    /// The column of a place; nothing where the layout has none.
    pub(super) fn held(&self, place: Place) -> Option<&Held> {
        self.places.iter().find(|(known, _)| *known == place).map(|(_, held)| held)
    }

    /// A document as tantivy takes it.
    pub(super) fn document(&self, document: &Document) -> TantivyDocument {
        let mut out = TantivyDocument::default();
        for (place, held) in &self.places {
            match place {
                Place::Seq => out.add_i64(held.field, document.seq),
                Place::Version => out.add_i64(held.field, document.version),
                Place::Time => out.add_i64(held.field, document.time),
                Place::ReceivedAt => out.add_i64(held.field, document.received_at),
                Place::Id => out.add_text(held.field, &document.id),
                Place::Column(_) => {}
            }
        }
        for (held, value) in self.columns.iter().zip(&document.columns) {
            match (held.kind, value) {
                (Kind::Int, Some(Bound::Int(value))) => out.add_i64(held.field, *value),
                // There is one zero.
                (Kind::Real, Some(Bound::Real(value))) => out.add_f64(held.field, *value + 0.0),
                (Kind::Text, Some(Bound::Text(value))) => out.add_text(held.field, value),
                _ => {}
            }
        }
        out.add_u64(self.checksum, document.checksum.into());
        for (searched, texts) in self.searched.iter().zip(&document.fields) {
            match searched.kind {
                SearchKind::Text(_) => {
                    for text in texts.iter().filter(|text| !text.is_empty()) {
                        out.add_text(searched.field, text.join("\n"));
                    }
                }
                SearchKind::Keyword => add_values(&mut out, searched.field, texts),
                SearchKind::None => {}
            }
        }
        out
    }
}

/// A record counts once for each of its values.
fn add_values(out: &mut TantivyDocument, field: Field, texts: &[Vec<String>]) {
    let mut values: Vec<&String> = texts.iter().flatten().collect();
    values.sort_unstable();
    values.dedup();
    for value in values {
        out.add_text(field, value);
    }
}

/// Whole values: a column, and a term each.
fn values() -> TextOptions {
    let indexing = TextFieldIndexing::default()
        .set_tokenizer("raw")
        .set_fieldnorms(false)
        .set_index_option(IndexRecordOption::Basic);
    TextOptions::default().set_indexing_options(indexing).set_fast("raw")
}

/// Words with their positions. Between the texts of a field tantivy leaves a position free, so that
/// no phrase reaches from one into the next.
fn texts() -> TextOptions {
    let indexing = TextFieldIndexing::default()
        .set_tokenizer(WORDS)
        .set_index_option(IndexRecordOption::WithFreqsAndPositions);
    TextOptions::default().set_indexing_options(indexing)
}

/// Hands out words that were found before.
#[derive(Debug, Clone, Default)]
struct Words(Token);

impl Tokenizer for Words {
    type TokenStream<'a> = Given<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Given<'a> {
        self.0.reset();
        Given { words: text.split(BETWEEN), token: &mut self.0 }
    }
}

struct Given<'a> {
    words: std::str::Split<'a, char>,
    token: &'a mut Token,
}

impl TokenStream for Given<'_> {
    fn advance(&mut self) -> bool {
        let Some(word) = self.words.next() else { return false };
        self.token.position = self.token.position.wrapping_add(1);
        self.token.text.clear();
        self.token.text.push_str(word);
        true
    }

    fn token(&self) -> &Token {
        self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        self.token
    }
}
