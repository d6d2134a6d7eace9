//! What pages of other sites may have a browser ask (Fetch, 3.2). Without a rule: nothing.
//!
//! Cookies never go along: no answer allows credentials, so a page needs a key or token of its own.

use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use forebay_model::{Code, Error};
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN,
    VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use crate::pattern::{Patterns, Place};

/// A rule as somebody has written it.
#[derive(Debug, Clone, Default)]
pub struct Draft {
    /// `https://app.example.com`; `*` for any.
    pub origins: Vec<String>,
    /// The routes that it is for; all when there are none.
    pub routes: Vec<String>,
    /// What a page may send.
    pub methods: Vec<String>,
    /// What it may put into the head.
    pub headers: Vec<String>,
    /// What it may read of an answer's head.
    pub expose: Vec<String>,
    /// How long a browser may remember all of that.
    pub max_age: Duration,
}

/// Which origins may ask what.
#[derive(Debug, Clone)]
pub struct Rule {
    /// None for any.
    origins: Option<Vec<String>>,
    routes: Patterns,
    methods: HeaderValue,
    headers: HeaderValue,
    expose: HeaderValue,
    max_age: HeaderValue,
}

impl Rule {
    /// Reads a rule; the error is a message for people, and begins with the member that is wrong.
    pub fn new(draft: &Draft) -> Result<Rule, String> {
        let any = draft.origins.iter().any(|origin| origin == "*");
        let origin = |origin: &String| {
            let rest = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
            let host = rest.is_some_and(|host| !host.is_empty() && !host.contains(['/', '*', ' ']));
            let error =
                || format!("origins: `{origin}` is not `*`, nor such as https://app.example.com");
            if host { Ok(origin.to_ascii_lowercase()) } else { Err(error()) }
        };
        if draft.origins.is_empty() || any && draft.origins.len() > 1 {
            return Err("origins: `*` alone, or each by its name".to_owned());
        }
        let origins = if any {
            None
        } else {
            Some(draft.origins.iter().map(origin).collect::<Result<_, _>>()?)
        };
        Ok(Rule {
            origins,
            routes: Patterns::new(&draft.routes).map_err(|what| format!("routes: {what}"))?,
            methods: list::<Method>("methods", &draft.methods)?,
            headers: list::<HeaderName>("headers", &draft.headers)?,
            expose: list::<HeaderName>("expose", &draft.expose)?,
            max_age: HeaderValue::from(draft.max_age.as_secs()),
        })
    }

    fn allows(&self, origin: &HeaderValue) -> bool {
        self.origins.as_ref().is_none_or(|origins| {
            origins.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(origin.as_bytes()))
        })
    }

    /// What the answer says of the origin.
    fn allowed(&self, origin: &HeaderValue) -> HeaderValue {
        let any = || HeaderValue::from_static("*");
        if self.origins.is_none() { any() } else { origin.clone() }
    }
}

fn list<T: std::str::FromStr>(member: &str, words: &[String]) -> Result<HeaderValue, String> {
    if let Some(bad) = words.iter().find(|word| word.parse::<T>().is_err()) {
        return Err(format!("{member}: `{bad}` is none"));
    }
    HeaderValue::try_from(words.join(", ")).map_err(|error| format!("{member}: {error}"))
}

/// The rules for a request, where one is for its route.
fn rules<'r>(rules: &'r [Rule], place: Place<'r>) -> impl Iterator<Item = &'r Rule> {
    rules.iter().filter(move |rule| rule.routes.find(place).is_some())
}

/// The method of which a browser asks whether a page may use it; none where it asks nothing.
pub(crate) fn wanted(method: &Method, headers: &HeaderMap) -> Option<Method> {
    let wanted =
        headers.get(ACCESS_CONTROL_REQUEST_METHOD).filter(|_| *method == Method::OPTIONS)?;
    headers.get(ORIGIN).and_then(|_| Method::from_bytes(wanted.as_bytes()).ok())
}

/// Answers a browser's question whether a page may ask; `None` when it is none. It is asked without
/// a key, and what it allows still needs one.
pub(crate) fn preflight(
    all: &[Rule],
    place: Place<'_>,
    headers: &HeaderMap,
) -> Option<Result<Response, Error>> {
    let origin = headers.get(ORIGIN)?;
    let wanted = wanted(place.method, headers)?;
    let place = Place { method: &wanted, ..place };
    let Some(rule) = rules(all, place).find(|rule| rule.allows(origin)) else {
        let detail = "pages of this origin may not ask here: see gateway.cors";
        return Some(Err(Error::new(Code::OriginRefused, detail)));
    };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let out = response.headers_mut();
    out.insert(ACCESS_CONTROL_ALLOW_ORIGIN, rule.allowed(origin));
    out.insert(ACCESS_CONTROL_ALLOW_METHODS, rule.methods.clone());
    out.insert(ACCESS_CONTROL_ALLOW_HEADERS, rule.headers.clone());
    out.insert(ACCESS_CONTROL_MAX_AGE, rule.max_age.clone());
    let vary = "origin, access-control-request-method, access-control-request-headers";
    out.insert(VARY, HeaderValue::from_static(vary));
    Some(Ok(response))
}

/// Says in an answer, an error too, which page may read it.
pub(crate) fn answer(
    all: &[Rule],
    (place, origin): (Place<'_>, Option<&HeaderValue>),
    headers: &mut HeaderMap,
) {
    if headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
        return;
    }
    let mut some = rules(all, place).peekable();
    if some.peek().is_none() {
        return;
    }
    // What is kept of this answer is for this origin.
    headers.append(VARY, HeaderValue::from_static("origin"));
    let Some(origin) = origin else { return };
    if let Some(rule) = some.find(|rule| rule.allows(origin)) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, rule.allowed(origin));
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, rule.expose.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(origins: &[&str]) -> Result<Rule, String> {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let (origins, headers) = (words(origins), words(&["authorization"]));
        Rule::new(&Draft { origins, headers, methods: words(&["GET"]), ..Draft::default() })
    }

    #[test]
    fn origins_are_named() {
        for bad in [&[][..], &["*", "https://a"], &["a.example"], &["https://a/"], &["https://*.a"]]
        {
            assert!(rule(bad).is_err(), "{bad:?}");
        }
        let one = rule(&["https://App.example.com"]).unwrap();
        let allows = |origin| one.allows(&HeaderValue::from_static(origin));
        assert!(allows("https://app.example.com"));
        for other in ["http://app.example.com", "https://app.example.com.evil", "null", ""] {
            assert!(!allows(other), "{other}");
        }
        assert!(rule(&["*"]).unwrap().allows(&HeaderValue::from_static("null")));
    }
}
