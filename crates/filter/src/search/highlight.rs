//! The texts around what was found.

use std::borrow::Cow;
use std::ops::Range;

use forebay_model::search::{SearchField, SearchKind};
use forebay_model::text::words;
use serde_json::Value;

use super::Has;
use super::sought::Steps;
use crate::lower::WordTest;

/// About the most bytes of a fragment, and the most fragments of a field.
const FRAGMENT: usize = 160;
const FRAGMENTS: usize = 3;

pub(super) fn marked(
    wanted: &[Has],
    fields: &[SearchField],
    data: &str,
) -> Vec<(String, Vec<String>)> {
    let Ok(data) = serde_json::from_str::<Value>(data) else { return Vec::new() };
    let mut found = Vec::new();
    for (at, field) in fields.iter().enumerate() {
        let tests: Vec<&WordTest> =
            wanted.iter().filter(|has| has.field == at).map(|has| &has.test).collect();
        if tests.is_empty() {
            continue;
        }
        let mut fragments = Vec::new();
        field.texts(fields, &data, &mut |text| {
            if fragments.len() < FRAGMENTS {
                let marks = marks(field, &tests, &text);
                fragments.extend(cut(&text, &marks, FRAGMENTS - fragments.len()));
            }
        });
        if !fragments.is_empty() {
            found.push((field.name(), fragments));
        }
    }
    found
}

/// Which bytes of a text were searched for, in order, apart from each other.
fn marks<'t>(field: &SearchField, tests: &[&WordTest], text: &'t str) -> Vec<Range<usize>> {
    if field.kind == SearchKind::Keyword {
        let is = tests.iter().any(|test| matches!(test, WordTest::Value(value) if value == text));
        return if is { std::iter::once(0..text.len()).collect() } else { Vec::new() };
    }
    let as_compared = |word: Cow<'t, str>| match field.kind {
        SearchKind::Text(Some(language)) => Cow::Owned(language.stem(&word)),
        _ => word,
    };
    let (terms, places): (Vec<Cow<'t, str>>, Vec<Range<usize>>) =
        words(text).map(|word| (as_compared(word.text), word.at)).unzip();
    let mut marked = vec![false; terms.len()];
    for test in tests {
        match test {
            WordTest::Word(wanted) => mark(&terms, &mut marked, |term| term == wanted),
            WordTest::Prefix(prefix) => {
                mark(&terms, &mut marked, |term| term.starts_with(prefix.as_str()));
            }
            WordTest::Phrase(phrase) => mark_phrase(&terms, &mut marked, phrase),
            WordTest::Value(_) => {}
        }
    }
    places.into_iter().zip(marked).filter(|(_, is)| *is).map(|(place, _)| place).collect()
}

fn mark(terms: &[Cow<'_, str>], marked: &mut [bool], is: impl Fn(&str) -> bool) {
    for (term, marked) in terms.iter().zip(marked) {
        *marked = *marked || is(term);
    }
}

fn mark_phrase(terms: &[Cow<'_, str>], marked: &mut [bool], phrase: &[String]) {
    let steps = Steps::of(phrase);
    let (mut stands, mut done) = (0, 0);
    for (at, term) in terms.iter().enumerate() {
        stands = steps.step(stands, |at| phrase.get(at).is_some_and(|word| word == term));
        if stands == phrase.len() {
            let from = (at + 1 - stands).max(done);
            done = at + 1;
            marked[from..done].fill(true);
        }
    }
}

/// The parts of a text around its marks, at most so many.
fn cut(text: &str, marks: &[Range<usize>], most: usize) -> Vec<String> {
    let mut fragments = Vec::new();
    let (mut left, mut told) = (marks, 0);
    while let (Some(first), true) = (left.first(), fragments.len() < most) {
        // A third of it stands before the first mark.
        let start = near(text, first.start.saturating_sub(FRAGMENT / 3), false);
        // What one fragment shows, the next does not.
        let start = start.max(told).min(first.start);
        let end = near(text, (start + FRAGMENT).min(text.len()), true).max(first.end);
        let count = left.iter().take_while(|mark| mark.end <= end).count().max(1);
        let (own, rest) = left.split_at(count);
        fragments.push(write(text, start..end, own));
        (left, told) = (rest, end);
    }
    fragments
}

/// The end of a word near a place.
fn near(text: &str, at: usize, forward: bool) -> usize {
    let at = boundary(text, at);
    if at == 0 || at == text.len() {
        return at;
    }
    // A word that is cut is left out, unless it is as long as a fragment.
    if forward {
        let from = boundary(text, at.saturating_sub(FRAGMENT / 3));
        text[from..at].rfind(char::is_whitespace).map_or(at, |found| from + found)
    } else {
        let to = boundary(text, (at + FRAGMENT / 3).min(text.len()));
        let mut characters = text[at..to].char_indices();
        let blank = characters.find(|(_, c)| c.is_whitespace());
        blank.map_or(at, |(found, blank)| at + found + blank.len_utf8())
    }
}

/// The place itself, or the next before it where a character begins.
fn boundary(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn write(text: &str, part: Range<usize>, marks: &[Range<usize>]) -> String {
    let mut out = String::new();
    if part.start > 0 {
        out.push('…');
    }
    let mut at = part.start;
    for mark in marks {
        escape(&text[at..mark.start], &mut out);
        out.push_str("<mark>");
        escape(&text[mark.clone()], &mut out);
        out.push_str("</mark>");
        at = mark.end;
    }
    escape(&text[at..part.end.max(at)], &mut out);
    if part.end.max(at) < text.len() {
        out.push('…');
    }
    out
}

fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
}
