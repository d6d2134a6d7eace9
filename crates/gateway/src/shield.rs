//! What answers tell browsers not to do.

use http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, REFERRER_POLICY, TRANSFER_ENCODING,
    UPGRADE, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::pattern::{Patterns, Place};

/// What every answer says where neither a service nor a rule says otherwise: it is what it is called,
/// it runs nothing, stands in no frame, and where somebody came from is nobody's business.
static ALWAYS: [(HeaderName, HeaderValue); 3] = [
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    ),
];

/// These say how an answer is sent, which is not for a rule to say.
static FRAMING: [HeaderName; 4] = [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE];

/// Headers for the answers of some routes.
#[derive(Debug, Clone)]
pub struct Rule {
    routes: Patterns,
    set: Vec<(HeaderName, HeaderValue)>,
}

impl Rule {
    /// Reads a rule: an empty value leaves a header out. The error is a message for people, and begins
    /// with the member that is wrong.
    pub fn new(routes: &[String], set: &[(String, String)]) -> Result<Rule, String> {
        let read = |(name, value): &(String, String)| {
            let wrong = || format!("set: `{name}: {value}` is no header that can be set");
            let name = HeaderName::try_from(name).map_err(|_| wrong())?;
            if FRAMING.contains(&name) {
                return Err(wrong());
            }
            Ok((name, HeaderValue::try_from(value).map_err(|_| wrong())?))
        };
        Ok(Rule {
            routes: Patterns::new(routes).map_err(|what| format!("routes: {what}"))?,
            set: set.iter().map(read).collect::<Result<_, _>>()?,
        })
    }
}

/// Completes an answer's head; what is there stays.
/// Of what `theirs` says, users' services, only rules change anything.
pub(crate) fn answer(rules: &[Rule], place: Place<'_>, theirs: bool, headers: &mut HeaderMap) {
    let fits = |rule: &&Rule| rule.routes.find(place).is_some();
    let mut left_out: Vec<&HeaderName> = Vec::new();
    for (name, value) in rules.iter().filter(fits).flat_map(|rule| &rule.set) {
        if headers.contains_key(name) || left_out.contains(&name) {
            continue;
        }
        if value.is_empty() {
            left_out.push(name);
        } else {
            headers.insert(name, value.clone());
        }
    }
    for (name, value) in ALWAYS.iter().filter(|_| !theirs) {
        if !left_out.contains(&name) && !headers.contains_key(name) {
            headers.insert(name, value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;

    #[test]
    fn rules_come_first_and_what_is_there_stays() {
        let rule = |route: &str, set: &[(&str, &str)]| {
            let set: Vec<_> = set.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
            Rule::new(&[route.to_owned()], &set)
        };
        let rules = [
            rule("/ui/*", &[("Content-Security-Policy", "default-src 'self'")]).unwrap(),
            rule("/*", &[("x-a", "1"), ("referrer-policy", ""), ("x-b", "2")]).unwrap(),
        ];
        let mut headers = HeaderMap::new();
        headers.insert("x-b", HeaderValue::from_static("own"));
        let place = Place { method: &Method::GET, path: "/ui/x", route: None };
        answer(&rules, place, false, &mut headers);
        let said = |name: &str| headers.get(name).map(|value| value.to_str().unwrap());
        assert_eq!(said("content-security-policy"), Some("default-src 'self'"));
        assert_eq!((said("x-a"), said("x-b")), (Some("1"), Some("own")));
        assert_eq!(
            (said("referrer-policy"), said("x-content-type-options")),
            (None, Some("nosniff"))
        );
        for bad in [("content-length", "1"), ("a b", "1"), ("x-a", "\n"), ("Upgrade", "h2c")] {
            assert!(rule("/*", &[bad]).unwrap_err().starts_with("set:"), "{bad:?}");
        }
    }
}
