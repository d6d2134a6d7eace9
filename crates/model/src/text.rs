//! Words: how a text is taken apart for search, everywhere the same.
//!
//! A word is a run of letters, digits and the marks on them, as Unicode says; it is compared in its
//! compatibility form (NFKC) in lower case, and by its first hundred characters. Evaluator, indexes
//! and queries all read words here, and engines are given what comes out.

use std::borrow::Cow;
use std::ops::Range;

use unicode_normalization::char::is_combining_mark;
use unicode_normalization::{IsNormalized, UnicodeNormalization as _, is_nfkc_quick};

/// Changes whenever another word may come out of some text: an index remembers with which it was
/// written. The tables of Unicode are part of it.
pub const VERSION: (u32, (u8, u8, u8)) = (1, char::UNICODE_VERSION);

/// By how many of its characters a word is told from others.
pub const MAX_WORD_CHARS: usize = 100;

/// A word of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word<'t> {
    /// As it is compared, before any stemming.
    pub text: Cow<'t, str>,
    /// The bytes that it takes in the text.
    pub at: Range<usize>,
}

/// The words of a text, in order.
pub fn words(text: &str) -> Words<'_> {
    Words { text, at: 0 }
}

/// See [`words`].
#[derive(Debug, Clone)]
pub struct Words<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Iterator for Words<'t> {
    type Item = Word<'t>;

    fn next(&mut self) -> Option<Word<'t>> {
        loop {
            let rest = self.text.get(self.at..)?;
            let begin = self.at + rest.find(char::is_alphanumeric)?;
            let run = self.text.get(begin..)?;
            let (length, kind) = extent(run);
            self.at = begin + length;
            let word = spelt(self.text.get(begin..self.at)?, kind);
            if !word.is_empty() {
                return Some(Word { text: word, at: begin..self.at });
            }
        }
    }
}

/// What a word's characters are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Spelling {
    /// Small letters a-z and digits: it stands as it is compared.
    Plain,
    /// ASCII with capitals.
    Ascii,
    Other,
}

/// How many bytes the word takes that a text begins with.
fn extent(text: &str) -> (usize, Spelling) {
    let mut kind = Spelling::Plain;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' => {}
            b'A'..=b'Z' => kind = Spelling::Ascii,
            128.. => return (extent_of_any(text), Spelling::Other),
            _ => return (at, kind),
        }
    }
    (text.len(), kind)
}

fn extent_of_any(text: &str) -> usize {
    let inside = |c: char| c.is_alphanumeric() || is_combining_mark(c) || is_invisible(c);
    text.find(|c| !inside(c)).unwrap_or(text.len())
}

/// Joins letters, or says where a word may be broken, and is not seen: it counts for nothing.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{AD}' | '\u{200C}' | '\u{200D}' | '\u{2060}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}'
    )
}

/// A word as it is compared.
fn spelt(word: &str, kind: Spelling) -> Cow<'_, str> {
    let spelt = match kind {
        Spelling::Plain => Cow::Borrowed(word),
        Spelling::Ascii => Cow::Owned(word.to_ascii_lowercase()),
        Spelling::Other => Cow::Owned(folded(word)),
    };
    match spelt.char_indices().nth(MAX_WORD_CHARS) {
        None => spelt,
        Some((end, _)) => match spelt {
            Cow::Borrowed(text) => Cow::Borrowed(&text[..end]),
            Cow::Owned(mut text) => {
                text.truncate(end);
                Cow::Owned(text)
            }
        },
    }
}

fn folded(word: &str) -> String {
    let normal = match is_nfkc_quick(word.chars()) {
        IsNormalized::Yes => Cow::Borrowed(word),
        _ => Cow::Owned(word.nfkc().collect()),
    };
    // A sigma at the end of a word is the same letter; small letters may be composed once more.
    let lower = normal.to_lowercase().replace('ς', "σ");
    let kept = |c: &char| c.is_alphanumeric() || is_combining_mark(*c) && !is_invisible(*c);
    lower.nfkc().filter(kept).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<String> {
        words(text).map(|word| word.text.into_owned()).collect()
    }

    #[test]
    fn words_are_runs_of_letters_and_digits() {
        assert_eq!(
            read("Disk FULL on dev-01, 93.5%"),
            ["disk", "full", "on", "dev", "01", "93", "5"]
        );
        assert_eq!(read("  ,;\u{200b} "), Vec::<String>::new());
        assert_eq!(read("snake_case/path"), ["snake", "case", "path"]);
        assert_eq!(read("Ünïcode ÉCOLE Straße"), ["ünïcode", "école", "straße"]);
        assert_eq!(read("שלום עולם"), ["שלום", "עולם"]);
        assert_eq!(read("𝐁old 🦀 x²"), ["bold", "x2"]);
    }

    #[test]
    fn spellings_of_one_word_are_one() {
        for same in ["Café", "cafe\u{301}", "CAFE\u{301}", "ca\u{ad}fé", "caf\u{200d}é"] {
            assert_eq!(read(same), ["café"], "{same:?}");
        }
        assert_eq!(read("ΟΔΟΣ"), read("οδοσ"));
        assert_eq!(read("ﬁne"), ["fine"]);
        assert_eq!(read("pass\u{200b}word"), ["pass", "word"]);
    }

    #[test]
    fn a_word_says_where_it_stands() {
        let text = "ein Tag, 2 Nächte";
        let found: Vec<&str> = words(text).map(|word| &text[word.at]).collect();
        assert_eq!(found, ["ein", "Tag", "2", "Nächte"]);
    }

    #[test]
    fn a_long_word_counts_by_its_beginning() {
        let long = "ä".repeat(5_000);
        let found = read(&long);
        assert_eq!(found, ["ä".repeat(MAX_WORD_CHARS)]);
        assert_eq!(words(&long).next().map(|word| word.at), Some(0..10_000));
    }

    #[test]
    fn what_is_compared_is_read_as_itself() {
        for text in ["İstanbul", "ǅ", "ﬀ½", "Ⅷ", "ẞ", "ﬃx\u{345}", "e\u{301}\u{323}"] {
            let once = read(text);
            assert_eq!(read(&once.join(" ")), once, "{text}");
        }
    }
}
