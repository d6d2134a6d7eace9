//! What `x-search` says of a field: how it is searched, and in which language its words stand.

use std::borrow::Cow;

use frostem::{Algorithm, Stemmer};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::FieldError;
use crate::field::nearest;

/// The most fields that one stream may search.
pub const MAX_SEARCHED_FIELDS: usize = 32;
/// The most bytes of a value that a `keyword` field is found by; a longer one is found by none.
pub const MAX_KEYWORD_BYTES: usize = 1024;

/// A language whose words are reduced to their stems (Snowball).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub struct Language(usize);

const LANGUAGES: &[(&str, Algorithm)] = &[
    ("arabic", Algorithm::Arabic),
    ("danish", Algorithm::Danish),
    ("dutch", Algorithm::Dutch),
    ("english", Algorithm::English),
    ("finnish", Algorithm::Finnish),
    ("french", Algorithm::French),
    ("german", Algorithm::German),
    ("greek", Algorithm::Greek),
    ("hungarian", Algorithm::Hungarian),
    ("italian", Algorithm::Italian),
    ("norwegian", Algorithm::Norwegian),
    ("portuguese", Algorithm::Portuguese),
    ("romanian", Algorithm::Romanian),
    ("russian", Algorithm::Russian),
    ("spanish", Algorithm::Spanish),
    ("swedish", Algorithm::Swedish),
    ("tamil", Algorithm::Tamil),
    ("turkish", Algorithm::Turkish),
];

impl Language {
    /// Finds a language by its English name, in small letters.
    pub fn from_name(name: &str) -> Option<Language> {
        LANGUAGES.iter().position(|(known, _)| *known == name).map(Language)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        LANGUAGES.get(self.0).map_or("", |(name, _)| name)
    }

    /// The stem of a word as [`crate::text`] gives it.
    pub fn stem(self, word: &str) -> String {
        LANGUAGES.get(self.0).map_or_else(
            || word.to_owned(),
            |(_, algorithm)| Stemmer::new(*algorithm).stem(word).into_owned(),
        )
    }
}

impl From<Language> for &'static str {
    fn from(language: Language) -> &'static str {
        language.name()
    }
}

impl TryFrom<String> for Language {
    type Error = String;

    fn try_from(name: String) -> Result<Language, String> {
        Language::from_name(&name).ok_or_else(|| format!("`{name}` is no language that is known"))
    }
}

/// How a field is searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SearchKind {
    /// By its words; as they are, or by their stems.
    Text(Option<Language>),
    /// By its whole value.
    Keyword,
    /// Not at all: it is left out of what stands above it.
    None,
}

/// A field that is searched.
///
/// A value that is a text, a number, or an array of them is searched. An object with
/// `"x-search": "text"` is searched in all texts and numbers below it that have no `x-search` of
/// their own and stand below no other object that has.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SearchField {
    /// The member names below `data`; none for `data` itself.
    pub path: Vec<String>,
    /// How it is searched.
    pub kind: SearchKind,
}

impl SearchField {
    /// Its dotted path from the record's root: `data.msg`.
    pub fn name(&self) -> String {
        self.path.iter().fold("data".to_owned(), |name, member| name + "." + member)
    }

    /// A word as this field compares it.
    pub fn term(&self, word: &str) -> String {
        match self.kind {
            SearchKind::Text(Some(language)) => language.stem(word),
            _ => word.to_owned(),
        }
    }

    /// Hands each text of the field in a record's `data` to `take`: those whose words count, or the
    /// whole values of a keyword. `fields` are all that the stream searches.
    pub fn texts<'v>(
        &self,
        fields: &[SearchField],
        data: &'v Value,
        take: &mut dyn FnMut(Cow<'v, str>),
    ) {
        let found = self.path.iter().try_fold(data, |at, name| at.as_object()?.get(name));
        if let Some(value) = found {
            self.texts_in(fields, value, take);
        }
    }

    /// The same for the value that stands at the field's path.
    pub fn texts_in<'v>(
        &self,
        fields: &[SearchField],
        value: &'v Value,
        take: &mut dyn FnMut(Cow<'v, str>),
    ) {
        let mut path: Vec<&str> = self.path.iter().map(String::as_str).collect();
        each_text(value, &mut path, &Below { field: self, fields }, take);
    }
}

/// The fields that `x-search` stands on in a JSON Schema that was checked, in the order of their
/// declaration.
pub fn fields(schema: &Value) -> Vec<SearchField> {
    let mut found = Vec::new();
    declared(schema, &mut Vec::new(), &mut found);
    found
}

fn declared(schema: &Value, path: &mut Vec<String>, found: &mut Vec<SearchField>) {
    if let Some(kind) = schema.get("x-search").and_then(|search| read(search, "").ok()) {
        found.push(SearchField { path: path.clone(), kind });
    }
    for (name, below) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        path.push(name.clone());
        declared(below, path, found);
        path.pop();
    }
}

struct Below<'f> {
    field: &'f SearchField,
    fields: &'f [SearchField],
}

fn each_text<'v: 'x, 'x>(
    value: &'v Value,
    path: &mut Vec<&'x str>,
    below: &Below<'x>,
    take: &mut dyn FnMut(Cow<'v, str>),
) {
    match value {
        Value::String(text) => take(text.as_str().into()),
        Value::Number(number) => take(number.to_string().into()),
        Value::Bool(is) if below.field.kind == SearchKind::Keyword => {
            take(if *is { "true" } else { "false" }.into());
        }
        Value::Array(items) => {
            for item in items {
                each_text(item, path, below, take);
            }
        }
        Value::Object(members) if below.field.kind != SearchKind::Keyword => {
            for (name, member) in members {
                path.push(name);
                let own = below.fields.iter().any(|field| {
                    field != below.field && field.path.iter().eq(path.iter().copied())
                });
                if !own {
                    each_text(member, path, below, take);
                }
                path.pop();
            }
        }
        _ => {}
    }
}

/// Reads `x-search`; `at` is where it stands.
pub(crate) fn read(search: &Value, at: &str) -> Result<SearchKind, FieldError> {
    let wrong = || {
        let message = "`text`, `keyword`, `none` or {\"as\":\"text\",\"language\":\"english\"}";
        FieldError::new(at, "enum_mismatch", message)
    };
    let members = match search {
        Value::String(kind) => {
            return match kind.as_str() {
                "text" => Ok(SearchKind::Text(None)),
                "keyword" => Ok(SearchKind::Keyword),
                "none" => Ok(SearchKind::None),
                _ => Err(wrong()),
            };
        }
        Value::Object(members) => members,
        _ => return Err(wrong()),
    };
    let is_text = members.get("as").is_some_and(|kind| kind == "text");
    if !is_text || !members.keys().all(|name| name == "as" || name == "language") {
        return Err(wrong());
    }
    let at = format!("{at}/language");
    match members.get("language") {
        None => Ok(SearchKind::Text(None)),
        Some(Value::String(name)) => match Language::from_name(name) {
            Some(language) => Ok(SearchKind::Text(Some(language))),
            None => Err(FieldError::new(at, "enum_mismatch", unknown(name))),
        },
        Some(_) => Err(FieldError::new(at, "type_mismatch", "a language is a string")),
    }
}

fn unknown(language: &str) -> String {
    let names: Vec<&str> = LANGUAGES.iter().map(|(name, _)| *name).collect();
    let hint = nearest(language, names.iter().copied());
    let hint = hint.map(|known| format!("; did you mean `{known}`?")).unwrap_or_default();
    format!("the languages are {}{hint}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn field(path: &[&str], kind: SearchKind) -> SearchField {
        SearchField { path: path.iter().map(|&name| name.to_owned()).collect(), kind }
    }

    fn texts(field: &SearchField, fields: &[SearchField], data: &Value) -> Vec<String> {
        let mut found = Vec::new();
        field.texts(fields, data, &mut |text| found.push(text.into_owned()));
        found
    }

    #[test]
    fn an_object_is_searched_but_for_what_has_its_own_word() {
        let fields = [
            field(&[], SearchKind::Text(None)),
            field(&["msg"], SearchKind::Text(Language::from_name("english"))),
            field(&["geo", "secret"], SearchKind::None),
            field(&["tags"], SearchKind::Keyword),
        ];
        let data = json!({"msg": "a", "x": ["b", 3, true, null], "tags": ["c", false],
            "geo": {"secret": {"d": "e"}, "place": "f"}});
        assert_eq!(texts(&fields[0], &fields, &data), ["b", "3", "f"]);
        assert_eq!(texts(&fields[1], &fields, &data), ["a"]);
        assert_eq!(texts(&fields[3], &fields, &data), ["c", "false"]);
        assert_eq!(fields[2].name(), "data.geo.secret");
    }

    #[test]
    fn words_have_stems() {
        let english = field(&["msg"], SearchKind::Text(Language::from_name("english")));
        assert_eq!(english.term("connections"), english.term("connected"));
        assert_eq!(field(&["msg"], SearchKind::Text(None)).term("connected"), "connected");
    }
}
