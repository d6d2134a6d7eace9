//! The names of our indexes and aliases, from a prefix, a stream's number and a generation.
//!
//! `forebay-s17-0197…` is an index; `forebay-s17` is the alias of the live one. Each index has an
//! alias of its own besides, `forebay-s17-0197….w`, by which it is written: a server makes an index
//! that is not there by itself, an alias never.

use uuid::Uuid;

use crate::error::SearchError;

/// What the names begin with.
#[derive(Debug, Clone)]
pub(super) struct Names(String);

const MAX_PREFIX_BYTES: usize = 64;

impl Names {
    pub(super) fn new(prefix: &str) -> Result<Names, SearchError> {
        let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let named = prefix.starts_with(|c: char| c.is_ascii_lowercase());
        if !named || !prefix.chars().all(good) || prefix.len() > MAX_PREFIX_BYTES {
            let what =
                "search.prefix: small letters, digits and -, beginning with a letter; at most 64";
            return Err(SearchError::Unfit(what.to_owned()));
        }
        Ok(Names(prefix.to_owned()))
    }

    /// The alias of a stream's live index.
    pub(super) fn live(&self, stream: i64) -> String {
        format!("{}-s{stream}", self.0)
    }

    /// A new index of a stream; of two, the later one has the greater name.
    pub(super) fn index(&self, stream: i64) -> String {
        format!("{}-s{stream}-{}", self.0, Uuid::now_v7().simple())
    }

    /// All that has a name like ours, and perhaps more.
    pub(super) fn all(&self) -> String {
        format!("{}-s*", self.0)
    }

    /// All of a stream that has a name like ours, and perhaps more.
    pub(super) fn of_stream(&self, stream: i64) -> String {
        format!("{0}-s{stream},{0}-s{stream}-*", self.0)
    }

    /// The stream that an index is of, by its name.
    pub(super) fn stream_of(&self, index: &str) -> Option<i64> {
        let (stream, generation) = self.after_prefix(index)?.split_once('-')?;
        let is_ours = generation.len() == 32
            && generation.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        number(stream).filter(|_| is_ours)
    }

    /// The stream whose live index a name is.
    pub(super) fn stream_of_live(&self, alias: &str) -> Option<i64> {
        number(self.after_prefix(alias)?)
    }

    /// The name of an index that a caller has brought.
    pub(super) fn known<'n>(&self, stream: i64, name: &'n str) -> Result<&'n str, SearchError> {
        match self.stream_of(name) {
            Some(of) if of == stream => Ok(name),
            _ => Err(SearchError::Damaged(format!("{name} is no index of stream {stream}"))),
        }
    }

    fn after_prefix<'n>(&self, name: &'n str) -> Option<&'n str> {
        name.strip_prefix(self.0.as_str())?.strip_prefix("-s")
    }
}

/// The alias by which an index is written.
pub(super) fn door(index: &str) -> String {
    format!("{index}.w")
}

/// A number as it is written here: no sign, no zeros before it.
fn number(text: &str) -> Option<i64> {
    let number: i64 = text.parse().ok()?;
    (number.to_string() == text && number >= 0).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_back() {
        let names = Names::new("forebay").unwrap();
        let index = names.index(17);
        assert_eq!(names.stream_of(&index), Some(17));
        assert_eq!(names.stream_of_live(&names.live(17)), Some(17));
        assert!(names.known(17, &index).is_ok());
        assert!(names.known(18, &index).is_err());
    }

    #[test]
    fn a_name_of_somebody_else_is_none_of_ours() {
        let (names, other) = (Names::new("a").unwrap(), Names::new("a-s1").unwrap());
        assert_eq!(names.stream_of(&other.index(2)), None);
        assert_eq!(names.stream_of_live(&other.live(2)), None);
        for name in ["a-s1", "a-s01-x", "b-s1-0", "a-s1-../x", "a-s1-*", "a-s-1", "a-s1,b"] {
            assert_eq!(names.stream_of(name), None, "{name}");
        }
        assert_eq!(names.stream_of_live("a-s007"), None);
        for prefix in ["", "A", "a_b", "1a", "a/b", "a,b", "a*"] {
            assert!(Names::new(prefix).is_err(), "{prefix}");
        }
    }
}
