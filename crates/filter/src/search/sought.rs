//! What an expression looks for in a record's search fields, found in one pass over their texts.
//!
//! However much is asked, each text is taken apart once; so the pass is bounded by the record, and its
//! answer is always yes or no.

use std::borrow::Cow;
use std::sync::Arc;

use forebay_model::search::{MAX_KEYWORD_BYTES, SearchField, SearchKind};
use forebay_model::text::words;
use serde_json::Value;
use smallvec::SmallVec;

use super::Has;
use crate::fields::{Paths, Slots, text};
use crate::lower::WordTest;
use crate::types::Type;

/// Which wants a record fulfils.
pub(crate) type Found = SmallVec<[bool; 8]>;

/// All wants of an expression.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sought {
    /// All that the stream searches.
    fields: Arc<[SearchField]>,
    /// Each is fulfilled by any of its tests.
    wants: Vec<Vec<Has>>,
    looks: Vec<Look>,
}

impl Sought {
    /// Adds a want and gives its number; one that is there keeps its number. `fields` are the same
    /// each time.
    pub(crate) fn add(paths: &mut Paths, fields: &Arc<[SearchField]>, want: Vec<Has>) -> usize {
        if let Some(known) = paths.sought.wants.iter().position(|known| *known == want) {
            return known;
        }
        let number = paths.sought.wants.len();
        for has in &want {
            let known = paths.sought.looks.iter().position(|look| look.field == has.field);
            let at = known.unwrap_or_else(|| {
                let path = fields.get(has.field).map_or(&[][..], |field| &field.path);
                let slot = (!path.is_empty()).then(|| paths.slot(path, Type::Any));
                paths.sought.looks.push(Look { field: has.field, slot, ..Look::default() });
                paths.sought.looks.len() - 1
            });
            if let Some(look) = paths.sought.looks.get_mut(at) {
                look.add(&has.test, number);
            }
        }
        paths.sought.fields = fields.clone();
        paths.sought.wants.push(want);
        number
    }

    /// The tests of a want.
    pub(crate) fn want(&self, number: usize) -> &[Has] {
        self.wants.get(number).map_or(&[], Vec::as_slice)
    }

    /// What a record has of it.
    pub(crate) fn found_in(&self, data: &str, slots: &Slots<'_>) -> Found {
        let mut found = Found::from_elem(false, self.wants.len());
        for look in &self.looks {
            let raw = match look.slot {
                None => Some(data),
                Some(slot) => slots.raw(slot),
            };
            let (Some(raw), Some(field)) = (raw, self.fields.get(look.field)) else { continue };
            if raw.starts_with('"') {
                text(raw).into_iter().for_each(|text| look.note(field, &text, &mut found));
            } else {
                let value: Value = serde_json::from_str(raw).unwrap_or_default();
                let mut note = |text: Cow<'_, str>| look.note(field, &text, &mut found);
                field.texts_in(&self.fields, &value, &mut note);
            }
            if found.iter().all(|found| *found) {
                break;
            }
        }
        found
    }
}

/// What is looked for in one field, each with the number of its want.
#[derive(Debug, Clone, Default)]
struct Look {
    field: usize,
    /// Nothing for the whole of `data`.
    slot: Option<usize>,
    values: Vec<(String, usize)>,
    prefixes: Vec<(String, usize)>,
    /// Sorted by their texts.
    terms: Vec<Term>,
    phrases: Vec<Phrase>,
}

/// A word that is a want by itself, or stands in a phrase.
#[derive(Debug, Clone)]
struct Term {
    text: String,
    /// By which phrases know it.
    number: usize,
    wants: Vec<usize>,
}

/// Terms that stand one behind the other, by their numbers.
#[derive(Debug, Clone)]
struct Phrase {
    terms: Vec<usize>,
    steps: Steps,
    want: usize,
}

impl Look {
    fn add(&mut self, test: &WordTest, want: usize) {
        match test {
            WordTest::Value(value) => self.values.push((value.clone(), want)),
            WordTest::Prefix(prefix) => self.prefixes.push((prefix.clone(), want)),
            WordTest::Word(word) => self.term(word).wants.push(want),
            WordTest::Phrase(phrase) => {
                let terms: Vec<usize> = phrase.iter().map(|word| self.term(word).number).collect();
                let steps = Steps::of(&terms);
                self.phrases.push(Phrase { terms, steps, want });
            }
        }
    }

    fn term(&mut self, word: &str) -> &mut Term {
        let at = match self.terms.binary_search_by(|term| term.text.as_str().cmp(word)) {
            Ok(at) => at,
            Err(at) => {
                let number = self.terms.len();
                self.terms.insert(at, Term { text: word.to_owned(), number, wants: Vec::new() });
                at
            }
        };
        &mut self.terms[at]
    }

    fn note(&self, field: &SearchField, text: &str, found: &mut Found) {
        let language = match field.kind {
            SearchKind::Text(language) => language,
            SearchKind::Keyword if text.len() <= MAX_KEYWORD_BYTES => {
                let equal = self.values.iter().filter(|(value, _)| value == text);
                equal.for_each(|(_, want)| fulfil(found, *want));
                return;
            }
            SearchKind::Keyword | SearchKind::None => return,
        };
        // How many terms of each phrase stand right before a word.
        let mut stands: SmallVec<[usize; 4]> = SmallVec::from_elem(0, self.phrases.len());
        for word in words(text) {
            let word = match language {
                Some(language) => Cow::Owned(language.stem(&word.text)),
                None => word.text,
            };
            let begun =
                self.prefixes.iter().filter(|(prefix, _)| word.starts_with(prefix.as_str()));
            begun.for_each(|(_, want)| fulfil(found, *want));
            let term = self.terms.binary_search_by(|term| term.text.as_str().cmp(&word));
            let term = term.ok().and_then(|at| self.terms.get(at));
            let wants = term.map_or(&[][..], |term| &term.wants);
            wants.iter().for_each(|want| fulfil(found, *want));
            for (phrase, stands) in self.phrases.iter().zip(&mut stands) {
                let number = term.map(|term| term.number);
                *stands = match number {
                    Some(_) => {
                        phrase.steps.step(*stands, |at| phrase.terms.get(at) == number.as_ref())
                    }
                    None => 0,
                };
                if *stands == phrase.terms.len() {
                    fulfil(found, phrase.want);
                }
            }
        }
    }
}

fn fulfil(found: &mut Found, want: usize) {
    if let Some(found) = found.get_mut(want) {
        *found = true;
    }
}

/// Finds a run of words in a text, each word of which is looked at once (Knuth, Morris, Pratt).
#[derive(Debug, Clone)]
pub(super) struct Steps {
    /// How many of the first so many words of the run stand at their end again.
    again: Vec<usize>,
}

impl Steps {
    pub(super) fn of<T: PartialEq>(run: &[T]) -> Steps {
        let (mut steps, mut stands) = (Steps { again: Vec::with_capacity(run.len()) }, 0);
        for (at, word) in run.iter().enumerate() {
            if at > 0 {
                stands = steps.step(stands, |at| run.get(at) == Some(word));
            }
            steps.again.push(stands);
        }
        steps
    }

    /// How many words of the run stand at the end of a text, once another word came; `is` says whether
    /// it is the word of the run at a place.
    pub(super) fn step(&self, mut stands: usize, is: impl Fn(usize) -> bool) -> usize {
        while !is(stands) {
            let Some(before) = stands.checked_sub(1) else { return 0 };
            stands = self.again.get(before).copied().unwrap_or(0);
        }
        stands + 1
    }
}
