//! Which requests something is for: `POST /v1/streams/{stream}/records`, `/v1/auth/*`.

use http::Method;

/// A list of routes; an empty one is all of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Patterns(Vec<Pattern>);

#[derive(Debug, Clone)]
enum Pattern {
    /// No method is any.
    Asked(Option<Method>, PathPattern),
    /// `routes.shop`: what takes this route of the user's.
    Route(String),
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'r> {
    pub(crate) method: &'r Method,
    pub(crate) path: &'r str,
    /// The user's route that it takes, as far as that is known.
    pub(crate) route: Option<&'r str>,
}

/// A path: `/a/b`, `/a/{id}`, `/a/*`, or `/a` with all that is below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PathPattern {
    /// Between the path's slashes.
    pub(crate) segments: Vec<Segment>,
    pub(crate) rest: Rest,
}

/// What stands between two slashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Segment {
    Is(String),
    /// Any one that is not empty, by its name.
    Named(String),
}

/// What may follow the segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rest {
    Nothing,
    /// At least one segment, if an empty one: `/v1` is not below itself.
    Below,
    /// Nothing, or whatever is below.
    Any,
}

impl Patterns {
    /// Reads them; the error is a message for people.
    pub(crate) fn new(texts: &[String]) -> Result<Patterns, String> {
        texts.iter().map(|text| Pattern::read(text)).collect::<Result<_, _>>().map(Patterns)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The number of the first that fits, 0 where all do.
    pub(crate) fn find(&self, place: Place<'_>) -> Option<usize> {
        if self.0.is_empty() {
            return Some(0);
        }
        self.0.iter().position(|pattern| pattern.fits(place))
    }

    /// Whether one is a user's route by its name.
    pub(crate) fn names_routes(&self) -> bool {
        self.0.iter().any(|pattern| matches!(pattern, Pattern::Route(_)))
    }
}

impl Pattern {
    fn read(text: &str) -> Result<Pattern, String> {
        let wrong = || {
            format!("`{text}` is no route such as `POST /v1/streams/{{stream}}/records` or `/v1/*`")
        };
        if let Some(name) = text.trim().strip_prefix("routes.") {
            return Ok(Pattern::Route(name.to_owned()));
        }
        let (method, path) = match text.trim().split_once(' ') {
            Some((method, path)) => (Some(method), path.trim()),
            None => (None, text.trim()),
        };
        let upper = |method: &str| method.bytes().all(|c| c.is_ascii_uppercase());
        if method.is_some_and(|method| !upper(method)) {
            return Err(wrong());
        }
        let method = method.map(|method| Method::from_bytes(method.as_bytes()));
        let method = method.transpose().map_err(|_| wrong())?;
        Ok(Pattern::Asked(method, PathPattern::read(path).ok_or_else(wrong)?))
    }

    /// Paths are compared as they are written, which is how they are routed.
    fn fits(&self, place: Place<'_>) -> bool {
        match self {
            Pattern::Route(name) => place.route == Some(name),
            Pattern::Asked(method, path) => {
                let head = *place.method == Method::HEAD && *method == Some(Method::GET);
                let asked = head || method.as_ref().is_none_or(|method| method == place.method);
                asked && path.fits(place.path)
            }
        }
    }
}

impl PathPattern {
    /// Reads `/a/b`, `/a/{id}`, `/a/*`.
    pub(crate) fn read(text: &str) -> Option<PathPattern> {
        let path = text.strip_prefix('/').filter(|path| !path.contains(['?', '#', ' ']))?;
        let mut segments: Vec<&str> = path.split('/').collect();
        let rest = if segments.last() == Some(&"*") { Rest::Below } else { Rest::Nothing };
        if rest == Rest::Below {
            segments.pop();
        }
        let read = |segment: &str| match segment.strip_prefix('{') {
            Some(name) => {
                let name = name.strip_suffix('}').filter(|name| !name.is_empty())?;
                Some(Segment::Named(name.to_owned()))
            }
            None if segment.contains(['*', '}']) => None,
            None => Some(Segment::Is(segment.to_owned())),
        };
        let segments = segments.into_iter().map(read).collect::<Option<_>>()?;
        Some(PathPattern { segments, rest })
    }

    /// Reads `/a`, for itself and all that is below it; `/` is everything.
    pub(crate) fn below(text: &str) -> Option<PathPattern> {
        if text == "/" {
            return Some(PathPattern { segments: Vec::new(), rest: Rest::Any });
        }
        let read = PathPattern::read(text).filter(|path| path.rest == Rest::Nothing)?;
        let slash = read.segments.last() == Some(&Segment::Is(String::new()));
        (!slash).then_some(PathPattern { rest: Rest::Any, ..read })
    }

    pub(crate) fn fits(&self, path: &str) -> bool {
        let mut given = path.strip_prefix('/').unwrap_or(path).split('/');
        let fit = self.segments.iter().all(|wanted| match (wanted, given.next()) {
            (Segment::Is(wanted), Some(segment)) => wanted == segment,
            (Segment::Named(_), Some(segment)) => !segment.is_empty(),
            (_, None) => false,
        });
        fit && match self.rest {
            Rest::Nothing => given.next().is_none(),
            Rest::Below => given.next().is_some(),
            Rest::Any => true,
        }
    }

    /// What a path that fits has behind the segments: without the slash before it, `None` where it
    /// ends with them.
    pub(crate) fn rest_of<'p>(&self, path: &'p str) -> Option<&'p str> {
        let mut rest = path.strip_prefix('/');
        for _ in &self.segments {
            rest = rest?.split_once('/').map(|(_, rest)| rest);
        }
        rest
    }
}

/// The stream that a path is about. Names are plain, so one that is written in another way is none.
pub(crate) fn stream_of(path: &str) -> Option<&str> {
    let name = path.strip_prefix("/v1/streams/")?.split('/').next()?;
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_fit_by_segment() {
        let fits = |route: &str, method: Method, path: &str| {
            let place = Place { method: &method, path, route: Some("shop") };
            Patterns::new(&[route.to_owned()]).unwrap().find(place).is_some()
        };
        assert!(fits("routes.shop", Method::GET, "/x") && !fits("routes.sho", Method::GET, "/x"));
        let records = "POST /v1/streams/{stream}/records";
        assert!(fits(records, Method::POST, "/v1/streams/a/records"));
        for (method, path) in [
            (Method::GET, "/v1/streams/a/records"),
            (Method::POST, "/v1/streams/a/records/"),
            (Method::POST, "/v1/streams/a/records/b"),
            (Method::POST, "/v1/streams//records"),
            (Method::POST, "/v1/streams/records"),
        ] {
            assert!(!fits(records, method, path), "{path}");
        }
        assert!(fits("GET /v1/me", Method::HEAD, "/v1/me"));
        assert!(fits("/v1/*", Method::GET, "/v1/a/b") && fits("/*", Method::GET, "/"));
        assert!(fits("/v1/*", Method::GET, "/v1/") && !fits("/v1/*", Method::GET, "/v10/a"));
        assert!(!fits("/v1/*", Method::GET, "/v1"));
        assert_eq!(
            Patterns::default().find(Place { method: &Method::GET, path: "/x", route: None }),
            Some(0)
        );
        for bad in ["", "v1", "GET", "get /v1", "/a*", "/a/*/b", "/{}", "/{a", "/a?b", "GET  "] {
            assert!(Patterns::new(&[bad.to_owned()]).is_err(), "{bad}");
        }
        assert_eq!(stream_of("/v1/streams/orders/records"), Some("orders"));
        assert_eq!(stream_of("/v1/streams/orders"), Some("orders"));
        assert_eq!(stream_of("/v1/streams/"), None);
    }
}
