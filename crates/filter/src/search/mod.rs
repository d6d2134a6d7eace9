//! Words in the search fields of a stream: `search("…")` in filters, and the language for people.
//!
//! A record has a word or has it not: there is no third. What a word is says [`forebay_model::text`],
//! and how a field compares it says its [`SearchField`]. Engines are given what comes out.

mod highlight;
mod names;
mod parse;
mod query;
mod sought;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::Arc;

use forebay_model::search::{SearchField, SearchKind};
use forebay_model::text::words;

use crate::fields::Paths;
use crate::lower::WordTest;

pub use query::{Mode, Query};
pub(crate) use sought::{Found, Sought};

/// The most words, phrases and values that one text asks for.
pub const MAX_LEAVES: usize = 64;

/// What cannot be searched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unsearchable {
    /// Nothing of the stream is searched.
    NoField,
    /// There is no word in the text.
    NoWord,
    /// There are too many.
    TooMany,
}

/// What a field must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Has {
    /// The field's place among those that the stream searches.
    pub(crate) field: usize,
    pub(crate) test: WordTest,
}

/// All words of a text, each in any of the text fields, by the numbers of their wants.
pub(crate) fn all_words(
    text: &str,
    fields: &Arc<[SearchField]>,
    paths: &mut Paths,
) -> Result<Vec<usize>, Unsearchable> {
    let mut distinct: Vec<Cow<'_, str>> = Vec::new();
    for word in words(text) {
        if !distinct.contains(&word.text) {
            distinct.push(word.text);
        }
        if distinct.len() > MAX_LEAVES {
            return Err(Unsearchable::TooMany);
        }
    }
    if distinct.is_empty() {
        return Err(Unsearchable::NoWord);
    }
    let mut wants = Vec::with_capacity(distinct.len());
    for word in distinct {
        let has = anywhere(fields, |field| vec![WordTest::Word(field.term(&word))]);
        if has.is_empty() {
            return Err(Unsearchable::NoField);
        }
        wants.push(Sought::add(paths, fields, has));
    }
    Ok(wants)
}

/// Tests of every text field.
pub(crate) fn anywhere(
    fields: &[SearchField],
    tests: impl Fn(&SearchField) -> Vec<WordTest>,
) -> Vec<Has> {
    let texts = fields.iter().enumerate();
    let texts = texts.filter(|(_, field)| matches!(field.kind, SearchKind::Text(_)));
    let each = |(at, field)| tests(field).into_iter().map(move |test| Has { field: at, test });
    texts.flat_map(each).collect()
}
