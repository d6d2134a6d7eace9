//! What `x-search` says of a field: that its words are searched, and in which language they stand.

use serde_json::Value;

use crate::error::FieldError;
use crate::field::nearest;

/// The languages whose words are reduced to their stems.
const LANGUAGES: &[&str] = &[
    "arabic",
    "danish",
    "dutch",
    "english",
    "finnish",
    "french",
    "german",
    "greek",
    "hungarian",
    "italian",
    "norwegian",
    "portuguese",
    "romanian",
    "russian",
    "spanish",
    "swedish",
    "tamil",
    "turkish",
];

/// What is wrong with it; `at` is where it stands.
pub(crate) fn fault(search: &Value, at: &str) -> Option<FieldError> {
    let good = match search {
        Value::String(s) => s == "text" || s == "keyword",
        Value::Object(o) => {
            o.get("as").is_some_and(|a| a == "text")
                && o.keys().all(|k| k == "as" || k == "language")
        }
        _ => false,
    };
    if !good {
        let message = "`text`, `keyword` or {\"as\":\"text\",\"language\":\"english\"}";
        return Some(FieldError::new(at, "enum_mismatch", message));
    }
    let language = search.get("language")?;
    let at = format!("{at}/language");
    let Some(language) = language.as_str() else {
        return Some(FieldError::new(at, "type_mismatch", "a language is a string"));
    };
    if LANGUAGES.contains(&language) {
        return None;
    }
    let hint = nearest(language, LANGUAGES.iter().copied());
    let hint = hint.map(|known| format!("; did you mean `{known}`?")).unwrap_or_default();
    let message = format!("the languages are {}{hint}", LANGUAGES.join(", "));
    Some(FieldError::new(at, "enum_mismatch", message))
}
