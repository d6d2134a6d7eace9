//! Forebay's own paths: a route without a host does not get them.

use crate::pattern::{PathPattern, Segment};

/// Each with all that is below it. Some of it is not there yet.
const OWN: &[&str] = &[
    "/.well-known",
    "/_bulk",
    "/api/v2/alerts",
    "/api/v2/silences",
    "/api/v2/status",
    "/console",
    "/healthz",
    "/metrics",
    "/oauth2",
    "/openapi.json",
    "/readyz",
    "/v1",
];

/// Whether a path is one of Forebay's own.
pub(crate) fn is_own(path: &str) -> bool {
    OWN.iter().any(|own| {
        path.strip_prefix(own).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

/// Whether nothing but Forebay's own paths fits a pattern.
pub(crate) fn holds(pattern: &PathPattern) -> bool {
    let mut text = String::new();
    for segment in &pattern.segments {
        match segment {
            Segment::Is(literal) => {
                text.push('/');
                text.push_str(literal);
            }
            Segment::Named(_) => break,
        }
    }
    is_own(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_paths_are_known_by_whole_segments() {
        for own in ["/v1", "/v1/streams", "/healthz", "/.well-known/jwks.json", "/oauth2/token"] {
            assert!(is_own(own), "{own}");
        }
        for other in ["/", "/v1x", "/v10/a", "/a/v1", "/api/v20", "/api", "/healthzz"] {
            assert!(!is_own(other), "{other}");
        }
        let own = |text: &str| holds(&PathPattern::read(text).unwrap());
        assert!(own("/v1/*") && own("/v1/{x}") && own("/healthz"));
        assert!(!own("/{x}/y") && !own("/*") && !own("/v2/*"));
        assert!(!holds(&PathPattern::below("/").unwrap()));
    }
}
