//! Paths to a field: dotted from the record's root in definitions, RFC 6901 pointers in errors.

use std::fmt;

use serde_json::Value;

/// A path below `data`, e.g. `data.geo.lat`. Never empty.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FieldPath(Vec<String>);

impl FieldPath {
    /// Builds a path from the member names below `data`; `None` when there are none.
    pub fn new(segments: Vec<String>) -> Option<Self> {
        (!segments.is_empty()).then_some(FieldPath(segments))
    }

    /// Reads the dotted form. The error is a message for people.
    pub fn parse(text: &str) -> Result<Self, String> {
        let Some(rest) = text.strip_prefix("data.") else {
            return Err(format!("a path begins at the record's root; write `data.{text}`"));
        };
        let segments: Vec<String> = rest.split('.').map(str::to_owned).collect();
        if segments.iter().any(String::is_empty) {
            return Err("a path has no empty member between its dots".to_owned());
        }
        if segments.len() > 32 {
            return Err("a path has at most 32 members".to_owned());
        }
        Ok(FieldPath(segments))
    }

    /// The member names below `data`.
    pub fn segments(&self) -> &[String] {
        &self.0
    }

    /// Finds the value in a record's `data`.
    pub fn get<'v>(&self, data: &'v Value) -> Option<&'v Value> {
        self.0.iter().try_fold(data, |at, name| at.as_object()?.get(name))
    }

    /// The RFC 6901 pointer from the record's root, e.g. `/data/geo/lat`.
    pub fn pointer(&self) -> String {
        let mut out = String::from("/data");
        for segment in &self.0 {
            push_pointer(&mut out, segment);
        }
        out
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("data")?;
        self.0.iter().try_for_each(|segment| write!(f, ".{segment}"))
    }
}

/// Appends one reference token to an RFC 6901 pointer, escaped as its section 3 says.
pub fn push_pointer(pointer: &mut String, token: &str) {
    pointer.push('/');
    for c in token.chars() {
        match c {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            c => pointer.push(c),
        }
    }
}

/// The nearest of some known names, where one is near enough to be worth proposing.
pub fn nearest<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    known
        .into_iter()
        .map(|k| (strsim::damerau_levenshtein(name, k), k))
        .filter(|(distance, k)| *distance <= 1 + k.len() / 3)
        // Of two that are as near, the one that begins as the name does.
        .min_by_key(|(distance, k)| (*distance, k.chars().next() != name.chars().next(), *k))
        .map(|(_, k)| k)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dotted_and_pointer_forms() {
        let path = FieldPath::parse("data.a/b.c~d").unwrap();
        assert_eq!(path.pointer(), "/data/a~1b/c~0d");
        assert_eq!(path.to_string(), "data.a/b.c~d");
        assert!(FieldPath::parse("a.b").unwrap_err().contains("data.a.b"));
        assert!(FieldPath::parse("data.").is_err());
    }

    #[test]
    fn the_nearest_name_is_proposed_only_when_near() {
        assert_eq!(nearest("shema", ["kind", "schema"]), Some("schema"));
        assert_eq!(nearest("zzzzzz", ["kind", "schema"]), None);
    }
}
