//! Changes of a head, and which fields are not for a route to change.

use http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::draft;

/// How a message is sent, and to whom (RFC 9110, 7.6.1): that is between two neighbours.
const HOPS: [HeaderName; 9] = [
    CONNECTION,
    CONTENT_LENGTH,
    HOST,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Changes that were checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Edits {
    set: Vec<(HeaderName, HeaderValue)>,
    add: Vec<(HeaderName, HeaderValue)>,
    remove: Vec<HeaderName>,
}

impl Edits {
    /// Reads them; the error is a message for people, and begins with the member that is wrong.
    pub(crate) fn new(draft: &draft::Edits) -> Result<Edits, String> {
        let fields = |member: &str, fields: &[(String, String)]| {
            let field = |(name, value): &(String, String)| {
                let wrong = || format!("{member}.{name}: no value that a header can have");
                let name = changeable(member, name)?;
                Ok((name, HeaderValue::try_from(value).map_err(|_| wrong())?))
            };
            fields.iter().map(field).collect::<Result<Vec<_>, String>>()
        };
        Ok(Edits {
            set: fields("set", &draft.set)?,
            add: fields("add", &draft.add)?,
            remove: draft
                .remove
                .iter()
                .map(|name| changeable("remove", name))
                .collect::<Result<_, _>>()?,
        })
    }

    /// Changes a head.
    pub(crate) fn apply(&self, headers: &mut HeaderMap) {
        for name in &self.remove {
            headers.remove(name);
        }
        for (name, value) in &self.set {
            headers.insert(name, value.clone());
        }
        for (name, value) in &self.add {
            headers.append(name, value.clone());
        }
    }

    /// The fields that are set, added and removed. Their values may be secrets.
    pub(crate) fn names(&self) -> [Vec<&str>; 3] {
        [
            self.set.iter().map(|(name, _)| name.as_str()).collect(),
            self.add.iter().map(|(name, _)| name.as_str()).collect(),
            self.remove.iter().map(HeaderName::as_str).collect(),
        ]
    }
}

/// Whether a field says who asks, to a service that believes it.
pub(crate) fn is_identity(name: &HeaderName) -> bool {
    let name = name.as_str();
    name.starts_with("forebay-") || name.starts_with("x-forebay-")
}

/// Whether a field says where a request comes from, and how.
fn is_introduction(name: &HeaderName) -> bool {
    let name = name.as_str();
    name.starts_with("x-forwarded-") || ["expect", "forwarded", "via", "x-real-ip"].contains(&name)
}

fn changeable(member: &str, name: &str) -> Result<HeaderName, String> {
    let read = HeaderName::try_from(name);
    let read = read.map_err(|_| format!("{member}: `{name}` is no header's name"))?;
    let hop = HOPS.contains(&read) || ["keep-alive", "proxy-connection"].contains(&read.as_str());
    if hop {
        return Err(format!(
            "{member}: `{name}` says how a message is sent, which no route changes"
        ));
    }
    if is_introduction(&read) {
        return Err(format!("{member}: `{name}` is written by the gateway, whatever a route says"));
    }
    if is_identity(&read) {
        return Err(format!("{member}: `{name}` is Forebay's own, which no route changes"));
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn fields_are_removed_set_and_added() {
        let edits = Edits::new(&draft::Edits {
            set: pairs(&[("x-a", "new"), ("x-b", "only")]),
            add: pairs(&[("x-a", "more"), ("x-c", "1")]),
            remove: vec!["X-C".to_owned(), "x-d".to_owned()],
        });
        let mut headers = HeaderMap::new();
        for (name, value) in [("x-a", "1"), ("x-a", "2"), ("x-c", "old"), ("x-d", "d")] {
            headers.append(name, HeaderValue::from_static(value));
        }
        edits.unwrap().apply(&mut headers);
        let all = |name: &str| -> Vec<&str> {
            headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
        };
        assert_eq!((all("x-a"), all("x-b")), (vec!["new", "more"], vec!["only"]));
        assert_eq!((all("x-c"), all("x-d")), (vec!["1"], Vec::new()));
    }

    #[test]
    fn what_says_who_or_how_is_not_changed() {
        for name in [
            "Connection",
            "keep-alive",
            "Proxy-Connection",
            "TE",
            "trailer",
            "Transfer-Encoding",
            "upgrade",
            "Host",
            "content-length",
            "Forebay-User",
            "x-forebay-view-as",
            "Via",
            "X-Forwarded-For",
            "a b",
            "",
        ] {
            let set = draft::Edits { set: pairs(&[(name, "x")]), ..draft::Edits::default() };
            assert!(Edits::new(&set).unwrap_err().starts_with("set"), "{name}");
            let add = draft::Edits { add: pairs(&[(name, "x")]), ..draft::Edits::default() };
            assert!(Edits::new(&add).unwrap_err().starts_with("add"), "{name}");
            let remove = draft::Edits { remove: vec![name.to_owned()], ..draft::Edits::default() };
            assert!(Edits::new(&remove).unwrap_err().starts_with("remove"), "{name}");
        }
        let broken =
            draft::Edits { set: pairs(&[("x-a", "a\r\nb: c")]), ..draft::Edits::default() };
        assert!(Edits::new(&broken).unwrap_err().starts_with("set.x-a:"));
    }
}
