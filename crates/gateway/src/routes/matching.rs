//! Whether a request is one that a route is for, and why not.

use std::fmt;

use http::Method;

use super::draft::Is;
use super::request::{Asked, Asker};
use super::route::Route;
use crate::pattern::PathPattern;

/// Why a request is not one of a route's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Miss<'r> {
    Host,
    /// The path is one of Forebay's own, and the route has no host.
    Own,
    Path,
    Method,
    Header(&'r str, &'r Is),
    Parameter(&'r str, &'r Is),
    /// False, or unknown.
    Filter(Option<bool>),
    /// Its filter speaks of who asks, and nobody has looked yet.
    AsksWho,
}

impl Route {
    /// Whether all but host and path is as it is to be.
    pub(crate) fn wants<'r>(&'r self, asked: &Asked<'_>, asker: Asker<'_>) -> Result<(), Miss<'r>> {
        if !self.methods.is_empty() && !self.methods.iter().any(|m| is_method(m, asked.method)) {
            return Err(Miss::Method);
        }
        for (name, is) in &self.headers {
            let mut lines = asked.headers.get_all(name).iter();
            let (first, more) = (lines.next(), lines.next());
            let fits = match is {
                Is::There(there) => first.is_some() == *there,
                // Of two that differ a service might take the other one.
                Is::Text(text) => {
                    more.is_none() && first.is_some_and(|line| line.as_bytes() == text.as_bytes())
                }
            };
            if !fits {
                return Err(Miss::Header(name.as_str(), is));
            }
        }
        for (name, is) in &self.query {
            let mut values = asked.parameters(name);
            let (first, more) = (values.next(), values.next());
            let fits = match is {
                Is::There(there) => first.is_some() == *there,
                Is::Text(text) => more.is_none() && first.is_some_and(|value| value == *text),
            };
            if !fits {
                return Err(Miss::Parameter(name, is));
            }
        }
        let Some(asking) = &self.filter else { return Ok(()) };
        let auth = match asker {
            Asker::Unknown if asking.who => return Err(Miss::AsksWho),
            Asker::Unknown => None,
            Asker::Known(auth) => auth,
        };
        match asked.verdict(&asking.filter, auth) {
            Some(true) => Ok(()),
            verdict => Err(Miss::Filter(verdict)),
        }
    }
}

/// What answers to `GET` answers to `HEAD` (RFC 9110, 9.3.2).
fn is_method(wanted: &Method, asked: &Method) -> bool {
    wanted == asked || (*asked == Method::HEAD && *wanted == Method::GET)
}

/// Whether a pattern's path is a request's.
pub(crate) fn is_path(pattern: &PathPattern, asked: &Asked<'_>) -> bool {
    asked.path.starts_with('/') && pattern.fits(asked.path)
}

impl fmt::Display for Miss<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is = |is: &Is| match is {
            Is::There(true) => "is not there".to_owned(),
            Is::There(false) => "is there".to_owned(),
            Is::Text(text) => format!("is not, once, `{text}`"),
        };
        match self {
            Miss::Host => f.write_str("it is for another host"),
            Miss::Own => f.write_str("the path is Forebay's own, and the route names no host"),
            Miss::Path => f.write_str("it is for another path"),
            Miss::Method => f.write_str("it is for other methods"),
            Miss::Header(name, wanted) => write!(f, "the header `{name}` {}", is(wanted)),
            Miss::Parameter(name, wanted) => write!(f, "the parameter `{name}` {}", is(wanted)),
            Miss::Filter(Some(_)) => f.write_str("its filter says no"),
            Miss::Filter(None) => f.write_str("its filter cannot say: something of it is missing"),
            Miss::AsksWho => f.write_str("its filter asks who it is"),
        }
    }
}
