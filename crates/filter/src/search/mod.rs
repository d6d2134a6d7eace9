//! Words in the search fields of a stream: `search("…")` in filters, and the language for people.
//!
//! A record has a word or has it not: there is no third. What a word is says [`forebay_model::text`],
//! and how a field compares it says its [`SearchField`]. Engines are given what comes out.

mod highlight;
mod names;
mod parse;
mod query;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::Arc;

use forebay_model::search::{MAX_KEYWORD_BYTES, SearchField, SearchKind};
use forebay_model::text::words;
use serde_json::Value;
use smallvec::SmallVec;

use crate::fields::{self, Paths, Slots};
use crate::fuel::Fuel;
use crate::lower::WordTest;
use crate::types::Type;

pub use query::{Mode, Query};

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

/// Each of these must be found, by any of its tests.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Words {
    pub(crate) all: Vec<Vec<Has>>,
    /// Those that are looked into, with where they stand.
    looks: Vec<Look>,
    /// All that the stream searches.
    fields: Arc<[SearchField]>,
}

/// What a field must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Has {
    /// The field's place among those that the stream searches.
    pub(crate) field: usize,
    pub(crate) test: WordTest,
}

#[derive(Debug, Clone, PartialEq)]
struct Look {
    field: usize,
    /// Nothing for the whole of `data`.
    slot: Option<usize>,
    phrases: bool,
}

impl Words {
    pub(crate) fn new(all: Vec<Vec<Has>>, fields: &Arc<[SearchField]>, paths: &mut Paths) -> Words {
        let mut looks: Vec<Look> = Vec::new();
        for has in all.iter().flatten() {
            let phrases = matches!(has.test, WordTest::Phrase(_));
            match looks.iter_mut().find(|look| look.field == has.field) {
                Some(look) => look.phrases |= phrases,
                None => {
                    let path = fields.get(has.field).map_or(&[][..], |field| &field.path);
                    let slot = (!path.is_empty()).then(|| paths.slot(path, Type::Any));
                    looks.push(Look { field: has.field, slot, phrases });
                }
            }
        }
        Words { all, looks, fields: fields.clone() }
    }

    /// All words of a text, each in any of the text fields.
    pub(crate) fn all_of(
        text: &str,
        fields: &Arc<[SearchField]>,
        paths: &mut Paths,
    ) -> Result<Words, Unsearchable> {
        let mut all: Vec<Vec<Has>> = Vec::new();
        for word in words(text) {
            let has = anywhere(fields, |field| WordTest::Word(field.term(&word.text)));
            if !all.contains(&has) {
                all.push(has);
            }
        }
        match all.len() {
            0 => Err(Unsearchable::NoWord),
            _ if all.iter().any(Vec::is_empty) => Err(Unsearchable::NoField),
            1..=MAX_LEAVES => Ok(Words::new(all, fields, paths)),
            _ => Err(Unsearchable::TooMany),
        }
    }

    /// Whether a record has all of it. Unknown only when it takes too long to say.
    pub(crate) fn found_in(&self, data: &str, slots: &Slots<'_>, fuel: &mut Fuel) -> Option<bool> {
        let mut found: SmallVec<[bool; 8]> = SmallVec::from_elem(false, self.all.len());
        for look in &self.looks {
            let raw = match look.slot {
                None => Some(data),
                Some(slot) => slots.raw(slot),
            };
            let (Some(raw), Some(field)) = (raw, self.fields.get(look.field)) else { continue };
            fuel.words(raw.len())?;
            self.texts(field, raw, &mut |text| self.note(look, field, text, &mut found));
            if found.iter().all(|found| *found) {
                return Some(true);
            }
        }
        Some(false)
    }

    /// Hands on each text of a field, of which the JSON text is given.
    fn texts(&self, field: &SearchField, raw: &str, take: &mut dyn FnMut(&str)) {
        if raw.starts_with('"') {
            if let Some(text) = fields::text(raw) {
                take(&text);
            }
            return;
        }
        let value: Value = serde_json::from_str(raw).unwrap_or_default();
        field.texts_in(&self.fields, &value, &mut |text| take(&text));
    }

    fn note(&self, look: &Look, field: &SearchField, text: &str, found: &mut [bool]) {
        if field.kind == SearchKind::Keyword {
            if text.len() <= MAX_KEYWORD_BYTES {
                let is = |test: &WordTest| matches!(test, WordTest::Value(value) if value == text);
                self.mark(look.field, found, is);
            }
            return;
        }
        let mut terms: Vec<Cow<'_, str>> = Vec::new();
        for word in words(text) {
            let term = match field.kind {
                SearchKind::Text(Some(language)) => Cow::Owned(language.stem(&word.text)),
                _ => word.text,
            };
            self.mark(look.field, found, |test| match test {
                WordTest::Word(wanted) => *wanted == term,
                WordTest::Prefix(prefix) => term.starts_with(prefix.as_str()),
                WordTest::Phrase(_) | WordTest::Value(_) => false,
            });
            if look.phrases {
                terms.push(term);
            }
        }
        if look.phrases {
            self.mark(look.field, found, |test| match test {
                WordTest::Phrase(phrase) => {
                    terms.windows(phrase.len().max(1)).any(|window| window == phrase.as_slice())
                }
                _ => false,
            });
        }
    }

    fn mark(&self, field: usize, found: &mut [bool], is: impl Fn(&WordTest) -> bool) {
        for (found, any) in found.iter_mut().zip(&self.all) {
            *found = *found || any.iter().any(|has| has.field == field && is(&has.test));
        }
    }
}

/// A test of every text field; of every keyword where there is no text field.
pub(crate) fn anywhere(
    fields: &[SearchField],
    test: impl Fn(&SearchField) -> WordTest,
) -> Vec<Has> {
    let texts = fields.iter().enumerate();
    let texts = texts.filter(|(_, field)| matches!(field.kind, SearchKind::Text(_)));
    texts.map(|(at, field)| Has { field: at, test: test(field) }).collect()
}
