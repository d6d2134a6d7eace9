//! What words are, once more and naively: by patterns over whole texts, with nothing short-cut.

use std::cell::OnceCell;
use std::sync::LazyLock;

use forebay_filter::lower::WordTest;
use forebay_model::search::Language;
use regex::Regex;
use serde_json::Value;
use unicode_normalization::UnicodeNormalization as _;

use super::rng::Rng;
use super::shape::{Field, Search, Shape};

static RUN: LazyLock<Regex> = LazyLock::new(|| {
    let letter = r"\p{Alphabetic}\p{N}";
    let unseen = r"\u{AD}\u{200C}\u{200D}\u{2060}\u{FE00}-\u{FE0F}\u{FEFF}";
    Regex::new(&format!(r"[{letter}][{letter}\p{{M}}{unseen}]*")).unwrap()
});
static LOST: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"[^\p{Alphabetic}\p{N}\p{M}]|[\u{FE00}-\u{FE0F}]").unwrap());

pub(crate) fn words(text: &str) -> Vec<String> {
    let runs = RUN.find_iter(text).map(|run| {
        let normal: String = run.as_str().nfkc().collect();
        let small: String = normal.to_lowercase().replace('ς', "σ").nfkc().collect();
        LOST.replace_all(&small, "").chars().take(100).collect()
    });
    runs.filter(|word: &String| !word.is_empty()).collect()
}

/// A word as a field with stems compares it.
fn stem(word: &str) -> String {
    Language::from_name("english").unwrap().stem(word)
}

/// The fields with `x-search`, in the order of their declaration.
pub(crate) fn searched(fields: &[Field]) -> Vec<(Vec<String>, Search)> {
    let mut found = Vec::new();
    for field in fields {
        found.extend(field.search.map(|search| (vec![field.name.clone()], search)));
        if let Shape::Object(below) = &field.shape {
            let below = searched(below).into_iter();
            found.extend(
                below.map(|(path, search)| ([vec![field.name.clone()], path].concat(), search)),
            );
        }
    }
    found
}

/// What a record says: each text or value with the field that it counts for.
pub(crate) struct Said {
    fields: Vec<(Vec<String>, Search)>,
    texts: Vec<(usize, String)>,
    /// One a field: see [`Said::terms`].
    terms: OnceCell<Vec<Vec<Vec<String>>>>,
}

impl Said {
    pub(crate) fn of(fields: &[Field], data: &Value) -> Said {
        let mut said = Said { fields: searched(fields), texts: Vec::new(), terms: OnceCell::new() };
        said.hear(data, &mut Vec::new(), None, false);
        said
    }

    /// Goes down a record; what stands in arrays counts for the field above, but for members that
    /// are declared to be searched in another way.
    fn hear(&mut self, value: &Value, path: &mut Vec<String>, of: Option<usize>, in_list: bool) {
        let declared = self.fields.iter().position(|(known, _)| known == path);
        let of = match (declared, of) {
            (Some(own), Some(above)) if own == above => of,
            (Some(_), _) if in_list => None,
            (Some(own), _) => Some(own),
            (None, above) => above,
        };
        let keyword = of.is_some_and(|of| self.fields[of].1 == Search::Keyword);
        match value {
            Value::String(text) => self.texts.extend(of.map(|of| (of, text.clone()))),
            Value::Number(n) => self.texts.extend(of.map(|of| (of, n.to_string()))),
            Value::Bool(b) if keyword => self.texts.extend(of.map(|of| (of, b.to_string()))),
            Value::Array(items) => items.iter().for_each(|item| self.hear(item, path, of, true)),
            Value::Object(members) => {
                for (name, member) in members {
                    path.push(name.clone());
                    self.hear(member, path, of.filter(|_| !keyword), in_list);
                    path.pop();
                }
            }
            _ => {}
        }
    }

    /// The texts of a field, each as the words by which it is found.
    fn terms(&self, field: usize) -> &[Vec<String>] {
        let all = || (0..self.fields.len()).map(|field| self.terms_of(field)).collect();
        &self.terms.get_or_init(all)[field]
    }

    fn terms_of(&self, field: usize) -> Vec<Vec<String>> {
        let own = self.texts.iter().filter(|(of, _)| *of == field);
        own.map(|(_, text)| match self.fields[field].1 {
            Search::Text => words(text),
            Search::English => words(text).iter().map(|word| stem(word)).collect(),
            Search::Keyword if text.len() <= 1024 => vec![text.clone()],
            Search::Keyword | Search::None => Vec::new(),
        })
        .collect()
    }

    /// Whether a field has something, as it is given to an engine.
    pub(crate) fn has(&self, field: usize, test: &WordTest) -> bool {
        let texts = self.terms(field);
        let keyword = self.fields[field].1 == Search::Keyword;
        match test {
            WordTest::Value(value) => keyword && texts.concat().contains(value),
            _ if keyword => panic!("{test:?} of a field with values"),
            WordTest::Word(word) => texts.concat().contains(word),
            WordTest::Prefix(prefix) => texts.concat().iter().any(|term| term.starts_with(prefix)),
            WordTest::Phrase(phrase) => {
                texts.iter().any(|text| (0..text.len()).any(|at| text[at..].starts_with(phrase)))
            }
        }
    }

    pub(crate) fn fields(&self) -> &[(Vec<String>, Search)] {
        &self.fields
    }

    /// The words of a text as a field compares them.
    pub(crate) fn as_in(&self, field: usize, text: &str) -> Vec<String> {
        let english = self.fields[field].1 == Search::English;
        words(text).iter().map(|word| if english { stem(word) } else { word.clone() }).collect()
    }

    /// The fields with words.
    pub(crate) fn texts(&self) -> Vec<usize> {
        let is_text = |at: &usize| matches!(self.fields[*at].1, Search::Text | Search::English);
        (0..self.fields.len()).filter(is_text).collect()
    }

    /// `search("…")`.
    pub(crate) fn has_all(&self, text: &str) -> bool {
        let anywhere = |at: usize| {
            let in_field = |field: usize| {
                self.has(field, &WordTest::Word(self.as_in(field, text)[at].clone()))
            };
            self.texts().into_iter().any(in_field)
        };
        (0..words(text).len()).all(anywhere)
    }
}

/// What people write.
const PROSE: [&str; 26] = [
    "Disk FULL on dev-01",
    "connections were reset",
    "Connection reset by peer",
    "full disk, full disk full",
    "a a a b a a b",
    "café CAFE\u{301} ca\u{ad}fé",
    "ﬁne ΟΔΟΣ οδος",
    "93.5% of 1e300",
    "running runs ran run",
    "x² Ⅷ ½",
    "İstanbul ISTANBUL istanbul",
    "Straße STRASSE",
    "pass\u{200b}word pass\u{200d}word",
    "שלום עולם",
    "日本語 日本",
    "true 7 -7",
    "the THE and not or",
    "dev 01",
    "disk",
    "reset",
    "b a",
    "e\u{301}\u{323} é\u{323}",
    "👨\u{200d}👩\u{200d}👧 full 🦀",
    "snake_case/path?x=y",
    "\u{202e}disk\u{202c}",
    "…",
];

pub(crate) fn prose(rng: &mut Rng) -> String {
    match rng.below(20) {
        0 => "long ".repeat(300),
        1 => "ä".repeat(90 + rng.below(20)),
        2..=5 => format!("{} {}", rng.pick(&PROSE), rng.pick(&PROSE)),
        _ => rng.pick(&PROSE).to_owned(),
    }
}

/// A word or a few that somebody may ask for.
pub(crate) const ASKED: [&str; 34] = [
    "disk",
    "DISK",
    "full",
    "dev-01",
    "01",
    "connection",
    "connecting",
    "reset",
    "peer",
    "a",
    "b",
    "café",
    "cafe\u{301}",
    "fine",
    "ﬁne",
    "οδοσ",
    "93.5",
    "1e300",
    "runs",
    "running",
    "x2",
    "8",
    "istanbul",
    "İstanbul",
    "straße",
    "password",
    "שלום",
    "日本",
    "true",
    "the",
    "7",
    "absent",
    "snake_case",
    "long",
];

pub(crate) fn asked(rng: &mut Rng) -> String {
    let count = if rng.chance(60) { 1 } else { 2 + rng.below(2) };
    let each: Vec<&str> = (0..count).map(|_| rng.pick(&ASKED)).collect();
    each.join(rng.pick(&[" ", ", ", " - ", "\t"]))
}
