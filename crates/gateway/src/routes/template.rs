//! Texts with places for what a request has: `/v2/items/{id}`, `https://www.example.com/{rest}`.

use crate::pattern::{PathPattern, Rest, Segment};

/// A text, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// The segment of the route's pattern with this number.
    Segment(usize),
    /// What stands behind the pattern's segments.
    Rest,
    /// The whole path.
    Path,
    Host,
}

/// What a template's places are filled with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Filling<'r> {
    pub(crate) pattern: &'r PathPattern,
    pub(crate) path: &'r str,
    pub(crate) host: &'r str,
}

impl Template {
    /// Reads a text whose places name what `pattern` does; the error is a message for people.
    pub(crate) fn new(text: &str, pattern: &PathPattern) -> Result<Template, String> {
        let mut pieces = Vec::new();
        let mut left = text;
        while let Some((before, from)) = left.split_once('{') {
            let (name, after) = from.split_once('}').ok_or("a `{` has no `}`")?;
            if before.contains('}') {
                return Err("a `}` has no `{`".to_owned());
            }
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_owned()));
            }
            pieces.push(place(name, pattern)?);
            left = after;
        }
        if left.contains('}') {
            return Err("a `}` has no `{`".to_owned());
        }
        if !left.is_empty() {
            pieces.push(Piece::Text(left.to_owned()));
        }
        Ok(Template(pieces))
    }

    /// The text for a request, whose path fits the pattern.
    pub(crate) fn fill(&self, filling: Filling<'_>) -> String {
        let path = filling.path.strip_prefix('/').unwrap_or(filling.path);
        let mut text = String::with_capacity(filling.path.len() + 16);
        for piece in &self.0 {
            text.push_str(match piece {
                Piece::Text(text) => text,
                Piece::Segment(at) => path.split('/').nth(*at).unwrap_or_default(),
                Piece::Rest => filling.pattern.rest_of(filling.path).unwrap_or_default(),
                Piece::Path => filling.path,
                Piece::Host => filling.host,
            });
        }
        text
    }
}

fn place(name: &str, pattern: &PathPattern) -> Result<Piece, String> {
    let named = |segment: &Segment| matches!(segment, Segment::Named(known) if known == name);
    match name {
        "path" => return Ok(Piece::Path),
        "host" => return Ok(Piece::Host),
        "rest" if pattern.rest != Rest::Nothing => return Ok(Piece::Rest),
        _ => {}
    }
    pattern.segments.iter().position(named).map(Piece::Segment).ok_or_else(|| {
        format!("there is no `{{{name}}}`: the names of the route's path, rest, path and host")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_filled_with_what_the_request_has() {
        let pattern = PathPattern::read("/shops/{shop}/items/{id}/*").unwrap();
        let filling =
            Filling { pattern: &pattern, path: "/shops/a%2Fb/items/7/x/y", host: "example.com" };
        for (text, filled) in [
            ("/v2/{id}", "/v2/7"),
            ("/{id}-{shop}/{rest}", "/7-a%2Fb/x/y"),
            ("https://{host}{path}", "https://example.com/shops/a%2Fb/items/7/x/y"),
            ("/", "/"),
        ] {
            assert_eq!(Template::new(text, &pattern).unwrap().fill(filling), filled, "{text}");
        }
        for bad in ["/{ident}", "/{", "/}", "/{}", "/a}{id}", "/{{id}}"] {
            assert!(Template::new(bad, &pattern).is_err(), "{bad}");
        }
        let closed = PathPattern::read("/a/{id}").unwrap();
        assert!(Template::new("/{rest}", &closed).is_err());
        let below = PathPattern::below("/a").unwrap();
        let rest = Template::new("/{rest}", &below).unwrap();
        for (path, filled) in [("/a", "/"), ("/a/", "/"), ("/a/b/", "/b/")] {
            assert_eq!(rest.fill(Filling { pattern: &below, path, host: "" }), filled, "{path}");
        }
    }
}
