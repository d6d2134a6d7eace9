//! What is wrong with a text, where, and what was meant.

use forebay_model::{Code, Error, FieldError};

use crate::span::Span;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// What, in a word: `syntax`, `unknown_field`, `type_mismatch`, …
    pub code: &'static str,
    /// The same for people, with a proposal where there is one.
    pub message: String,
    /// Where.
    pub span: Span,
}

impl Mistake {
    pub(crate) fn new(code: &'static str, span: Span, message: impl Into<String>) -> Mistake {
        Mistake { code, message: message.into(), span }
    }
}

/// Everything that is wrong with one text; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistakes {
    /// The text.
    pub source: String,
    /// In the order of their place.
    pub all: Vec<Mistake>,
}

/// More are not shown: the first ones are what helps.
const MOST: usize = 10;

impl Mistakes {
    pub(crate) fn new(source: &str, mut all: Vec<Mistake>) -> Mistakes {
        all.sort_by_key(|mistake| mistake.span.start);
        all.truncate(MOST);
        Mistakes { source: source.to_owned(), all }
    }

    /// The 1-based column and the length of a mistake, in characters.
    pub fn place(&self, mistake: &Mistake) -> (u64, u64) {
        let characters = |text: &str| u64::try_from(text.chars().count()).unwrap_or(u64::MAX);
        let before = self.source.get(..mistake.span.start).unwrap_or(&self.source);
        (characters(before) + 1, characters(mistake.span.of(&self.source)).max(1))
    }

    /// The error that a client gets; `path` is where the text came from: `?filter`, `/filter`.
    pub fn into_error(self, path: &str) -> Error {
        let errors = self.all.iter().map(|mistake| {
            let (column, length) = self.place(mistake);
            let mut error = FieldError::new(path, mistake.code, mistake.message.clone());
            error.column = Some(column);
            error.length = Some(length);
            error
        });
        let errors: Vec<FieldError> = errors.collect();
        let detail = match errors.as_slice() {
            [one] => format!("column {}: {}", one.column.unwrap_or(1), one.message),
            many => format!("{} places are not valid", many.len()),
        };
        Error { errors, ..Error::new(Code::FilterInvalid, detail) }
    }
}
