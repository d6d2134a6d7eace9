//! A request's path in its one form, which routes are chosen by, rights are asked for and upstreams
//! are sent (RFC 3986, 6.2.2). What a service behind could read as another path is refused.
//!
//! Unreserved characters are written plainly, other escapes in upper case, what may not stand in a path
//! escaped; dot segments are taken out, and slashes that follow a slash. An escaped slash stays escaped.

use std::borrow::Cow;

use forebay_model::{Code, Error};
use http::Uri;
use http::uri::PathAndQuery;

/// Brings the path of a request's target into its one form. What has no path stays what it is
/// (`OPTIONS *`).
pub(crate) fn target(uri: &mut Uri) -> Result<(), Error> {
    let bad = |what| Error::new(Code::BadRequest, what);
    if !uri.path().starts_with('/') {
        return Ok(());
    }
    let Cow::Owned(path) = path(uri.path()).map_err(bad)? else { return Ok(()) };
    let whole = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path,
    };
    let mut parts = std::mem::take(uri).into_parts();
    let written = PathAndQuery::try_from(whole).map_err(|_| bad("the path cannot be read"))?;
    parts.path_and_query = Some(written);
    *uri = Uri::from_parts(parts).map_err(|_| bad("the path cannot be read"))?;
    Ok(())
}

/// A path in its one form; the error is a sentence for people.
pub(crate) fn path(path: &str) -> Result<Cow<'_, str>, &'static str> {
    if is_plain(path) {
        return Ok(Cow::Borrowed(path));
    }
    let written = escapes(path)?;
    let mut out: Vec<&str> = Vec::new();
    let mut open = false;
    for segment in written.split('/').skip(1) {
        open = true;
        match segment {
            // The last one is written as the slash before it.
            "" | "." => {}
            ".." => {
                out.pop().ok_or("the path leads above its root")?;
            }
            _ if hides_dots(segment.as_bytes()) => {
                return Err("the path hides a dot segment");
            }
            _ => {
                out.push(segment);
                open = false;
            }
        }
    }
    let mut text = String::with_capacity(written.len());
    for segment in &out {
        text.push('/');
        text.push_str(segment);
    }
    if open {
        text.push('/');
    }
    Ok(Cow::Owned(text))
}

/// The paths that a service may take this one for which is laxer than the standard: an escaped slash
/// or a backslash for a slash, and without what follows a `;`. None where there is no other reading.
pub(crate) fn read_laxly(text: &str) -> Option<String> {
    if !text.contains(';') && !text.contains("%2F") && !text.contains("%5C") {
        return None;
    }
    let slashes = text.replace("%2F", "/").replace("%5C", "/").replace("%3B", ";");
    let bare = |segment: &str| segment.split(';').next().unwrap_or_default().to_owned();
    let bare: Vec<String> = slashes.split('/').map(bare).collect();
    // What cannot be brought into its form was refused before it came here.
    path(&bare.join("/")).ok().map(Cow::into_owned)
}

/// Whether a path is in its form already, which nearly all are.
fn is_plain(path: &str) -> bool {
    path.bytes().all(|c| c != b'%' && may_stand(c)) && !path.contains("//") && !path.contains("/.")
}

/// RFC 3986, 2.3.
fn is_unreserved(c: u8) -> bool {
    c.is_ascii_alphanumeric() || b"-._~".contains(&c)
}

/// RFC 3986, 3.3: what stands in a path as it is.
fn may_stand(c: u8) -> bool {
    is_unreserved(c) || b"/!$&'()*+,;=:@".contains(&c)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// The octet of an escape, from behind its `%`.
fn octet(bytes: &[u8]) -> Option<u8> {
    Some(hex(*bytes.first()?)? << 4 | hex(*bytes.get(1)?)?)
}

/// Writes each character in its one way, and refuses what no path holds: U+0000, a backslash, what is
/// no escape, and octets that are no UTF-8 (among them the overlong spellings of a slash).
fn escapes(path: &str) -> Result<String, &'static str> {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let bytes = path.as_bytes();
    let (mut out, mut octets) = (String::with_capacity(bytes.len()), Vec::new());
    let mut at = 0;
    while let Some(&c) = bytes.get(at) {
        let (c, escaped) = match c {
            b'%' => {
                let rest = bytes.get(at + 1..).unwrap_or_default();
                (octet(rest).ok_or("the path holds a `%` that is no escape")?, true)
            }
            c => (c, false),
        };
        at += if escaped { 3 } else { 1 };
        octets.push(c);
        match c {
            0 => return Err("the path holds U+0000"),
            b'\\' if !escaped => return Err("the path holds a backslash"),
            c if is_unreserved(c) || (!escaped && may_stand(c)) => out.push(char::from(c)),
            c => {
                out.push('%');
                out.push(char::from(DIGITS[usize::from(c >> 4)]));
                out.push(char::from(DIGITS[usize::from(c & 15)]));
            }
        }
    }
    std::str::from_utf8(&octets).map_err(|_| "the path is not UTF-8")?;
    Ok(out)
}

/// Whether a segment becomes a dot segment for somebody who unescapes it, however often, takes a
/// backslash for a slash, or leaves out what follows a `;`.
fn hides_dots(segment: &[u8]) -> bool {
    /// A name so far: how many dots it is, and no more once it is something else.
    #[derive(Clone, Copy)]
    enum Name {
        Dots(u8),
        Other,
        /// Dots, and what follows a `;`.
        Parameters(u8),
    }
    let ends = |name| matches!(name, Name::Dots(1 | 2) | Name::Parameters(1 | 2));
    let (mut name, mut at) = (Name::Dots(0), 0);
    while at < segment.len() {
        let (c, next) = unescaped(segment, at);
        at = next;
        name = match (c, name) {
            (b'/' | b'\\', name) if ends(name) => return true,
            (b'/' | b'\\', _) => Name::Dots(0),
            (b'.', Name::Dots(dots)) => Name::Dots(dots.saturating_add(1)),
            (b';', Name::Dots(dots)) => Name::Parameters(dots),
            (_, Name::Parameters(dots)) => Name::Parameters(dots),
            _ => Name::Other,
        };
    }
    ends(name)
}

/// The octet at a place, unescaped as often as it is escaped, and where the next one stands.
fn unescaped(bytes: &[u8], at: usize) -> (u8, usize) {
    let c = bytes.get(at).copied().unwrap_or_default();
    if c != b'%' {
        return (c, at + 1);
    }
    let mut digits = at + 1;
    while bytes.get(digits..).is_some_and(|rest| rest.starts_with(b"25")) {
        digits += 2;
    }
    match octet(bytes.get(digits..).unwrap_or_default()) {
        Some(c) => (c, digits + 2),
        None => (c, digits.max(at + 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_form_a_path() {
        for (given, normal) in [
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("/a/b/", "/a/b/"),
            // RFC 3986, 5.2.4 and 6.2.2.
            ("/a/b/c/./../../g", "/a/g"),
            ("/a/.", "/a/"),
            ("/a/..", "/"),
            ("/a/b/..", "/a/"),
            ("/./a", "/a"),
            ("/%7Efoo/%41%2d%2E%5f", "/~foo/A-._"),
            ("/a%2fb%3a", "/a%2Fb%3A"),
            // The dots of an escape are dots.
            ("/a/%2e%2E/b", "/b"),
            ("/a/.%2e/b", "/b"),
            ("/a/%2e/b", "/a/b"),
            ("//a///b//", "/a/b/"),
            ("/a//../b", "/b"),
            ("//", "/"),
            ("/...", "/..."),
            ("/a/..b/c..", "/a/..b/c.."),
            ("/.well-known/x", "/.well-known/x"),
            ("/\u{e4}%C3%A4", "/%C3%A4%C3%A4"),
            ("/a{b}|^\"", "/a%7Bb%7D%7C%5E%22"),
            ("/a;v=1/b", "/a;v=1/b"),
            ("/a+b!$&'()*,=:@", "/a+b!$&'()*,=:@"),
            ("/%2500", "/%2500"),
            ("/100%25", "/100%25"),
            ("/a%20%0A", "/a%20%0A"),
            ("/x%2fy.z", "/x%2Fy.z"),
        ] {
            let once = path(given).unwrap_or_else(|e| panic!("{given}: {e}"));
            assert_eq!(once, normal, "{given}");
            assert_eq!(path(&once).unwrap(), normal, "twice: {given}");
        }
    }

    #[test]
    fn paths_with_two_readings_are_refused() {
        for bad in [
            "/..",
            "/../etc/passwd",
            "/a/../../b",
            "/%2e%2e/%2e%2e/etc/passwd",
            "/a//../../b",
            "/..%2fetc",
            "/%2e%2e%2fetc",
            "/a/..%2f..%2fb",
            "/a%2f..%2fb",
            "/a%2F%2e%2e",
            "/..%5cwindows",
            "/a%5c..%5cb",
            "/a\\..\\b",
            "/a\\b",
            // Escaped twice, and more.
            "/%252e%252e/a",
            "/%252e%252e%252fa",
            "/a/%25252e%25252e/b",
            "/%25%32%65%252e/a",
            "/.%252e",
            "/%252e",
            "/..%255c",
            // Overlong UTF-8, what IIS and old decoders made of it.
            "/%c0%ae%c0%ae/a",
            "/..%c0%afa",
            "/%e0%80%af",
            "/%f0%80%80%af",
            "/a%ff",
            "/%u002e%u002e/a",
            // Path parameters, as servlets read them.
            "/..;/admin",
            "/a/..;x=1/b",
            "/a/.;/b",
            "/a/..%3b/b",
            "/a/%2e%2e;/b",
            "/a/..%253b/b",
            "/a%00",
            "/%00/b",
            "/a%",
            "/a%4",
            "/a%zz",
            "/a%%32e",
        ] {
            assert!(path(bad).is_err(), "{bad} is {:?}", path(bad));
        }
    }

    #[test]
    fn what_a_lax_service_reads() {
        for (given, read) in [
            ("/a/b", None),
            ("/a%2Fb", Some("/a/b")),
            ("/a%5Cb", Some("/a/b")),
            ("/admin;x/b", Some("/admin/b")),
            ("/a;/b;c=%2F;d", Some("/a/b/")),
        ] {
            assert_eq!(read_laxly(given).as_deref(), read, "{given}");
        }
    }

    #[test]
    fn a_target_keeps_its_query() {
        let mut uri: Uri = "http://x:1/a/../b%2fc?q=%2e%2e/&r".parse().unwrap();
        target(&mut uri).unwrap();
        assert_eq!(uri.to_string(), "http://x:1/b%2Fc?q=%2e%2e/&r");
        let mut uri: Uri = "*".parse().unwrap();
        target(&mut uri).unwrap();
        assert_eq!(uri.to_string(), "*");
        let mut uri: Uri = "/%2e%2e/".parse().unwrap();
        assert!(target(&mut uri).is_err());
    }
}
