//! A plain reading of texts and queries, to hold answers against: words are what stands between
//! what is no letter and no digit, in small letters.

use serde_json::Value;

/// The texts of a record by the short names of their fields, each as its words.
pub(crate) type Doc = Vec<(String, Vec<Vec<String>>)>;

pub(crate) fn words(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect()
}

/// Reads the texts and numbers at and below a value.
pub(crate) fn texts(value: &Value, out: &mut Vec<Vec<String>>) {
    match value {
        Value::String(text) => out.push(words(text)),
        Value::Number(number) => out.push(words(&number.to_string())),
        Value::Array(items) => items.iter().for_each(|item| texts(item, out)),
        Value::Object(members) => members.values().for_each(|member| texts(member, out)),
        Value::Null | Value::Bool(_) => {}
    }
}

/// A query with what it means.
#[derive(Debug, Clone)]
pub(crate) enum Ask {
    Word(String),
    Prefix(String),
    Phrase(Vec<String>),
    Not(Box<Ask>),
    Any(Vec<Ask>),
    All(Vec<Ask>),
    In(String, Box<Ask>),
}

impl Ask {
    pub(crate) fn text(&self) -> String {
        let each = |asks: &[Ask], by: &str| asks.iter().map(Ask::text).collect::<Vec<_>>().join(by);
        match self {
            Ask::Word(word) => word.clone(),
            Ask::Prefix(prefix) => format!("{prefix}*"),
            Ask::Phrase(words) => format!("\"{}\"", words.join(" ")),
            Ask::Not(inner) => format!("-{}", inner.text()),
            Ask::Any(asks) => format!("({})", each(asks, " OR ")),
            Ask::All(asks) => each(asks, " "),
            Ask::In(field, inner) => format!("{field}:{}", inner.text()),
        }
    }

    pub(crate) fn matches(&self, doc: &Doc, only: Option<&str>) -> bool {
        let has = |test: &dyn Fn(&[String]) -> bool| {
            let fields = doc.iter().filter(|(name, _)| only.is_none_or(|only| only == name));
            fields.flat_map(|(_, texts)| texts).any(|text| test(text))
        };
        match self {
            Ask::Word(word) => has(&|text| text.contains(word)),
            Ask::Prefix(prefix) => has(&|text| text.iter().any(|word| word.starts_with(prefix))),
            Ask::Phrase(words) => {
                has(&|text| text.windows(words.len()).any(|window| window == &words[..]))
            }
            Ask::Not(inner) => !inner.matches(doc, only),
            Ask::Any(asks) => asks.iter().any(|ask| ask.matches(doc, only)),
            Ask::All(asks) => asks.iter().all(|ask| ask.matches(doc, only)),
            Ask::In(field, inner) => inner.matches(doc, Some(field)),
        }
    }
}
