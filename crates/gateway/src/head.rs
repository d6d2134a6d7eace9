//! What the protocol layer lets pass and a request's head may still not be (RFC 9112): longer than
//! it may be, without one host, or with two ends of its body.

use forebay_model::{Code, Error};
use http::header::{HOST, TRANSFER_ENCODING};
use http::uri::Authority;
use http::{Request, StatusCode, Version};

use crate::answer::by_status;

/// What was seen of a head on the wire.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing that is wrong.
    #[default]
    Good,
    /// It is longer than a head may be.
    TooLong,
    /// It has both `Content-Length` and `Transfer-Encoding`; the protocol layer hides the former.
    TwoEnds,
}

/// What of a line's beginning is kept: no name that matters here is longer.
const BEGINNING: usize = 24;

/// Watches a head on the wire, piece by piece, however it is cut.
#[derive(Debug)]
pub(crate) struct Watch {
    max: usize,
    bytes: usize,
    /// The beginning of the line that has no end yet.
    line: Vec<u8>,
    length: bool,
    coding: bool,
    verdict: Option<Verdict>,
}

impl Watch {
    /// Watches a head of at most `max` bytes.
    pub(crate) fn new(max: usize) -> Watch {
        Watch { max, bytes: 0, line: Vec::new(), length: false, coding: false, verdict: None }
    }

    /// Sees the next piece; what comes after the head's end is not looked at.
    pub(crate) fn see(&mut self, piece: &[u8]) -> Verdict {
        for part in piece.split_inclusive(|c| *c == b'\n') {
            if self.verdict.is_none() {
                self.verdict = self.part_of_line(part);
            }
        }
        self.verdict.unwrap_or_default()
    }

    fn part_of_line(&mut self, part: &[u8]) -> Option<Verdict> {
        if self.bytes == 0 && part.iter().all(|c| b"\r\n".contains(c)) {
            // Empty lines before a head are passed over (RFC 9112, 2.2).
            return None;
        }
        self.bytes += part.len();
        if self.bytes > self.max {
            return Some(Verdict::TooLong);
        }
        let room = BEGINNING.saturating_sub(self.line.len()).min(part.len());
        self.line.extend_from_slice(&part[..room]);
        if !part.ends_with(b"\n") {
            return None;
        }
        if self.line == b"\r\n" || self.line == b"\n" {
            let two = self.length && self.coding;
            return Some(if two { Verdict::TwoEnds } else { Verdict::Good });
        }
        self.length |= is_field(&self.line, "content-length");
        self.coding |= is_field(&self.line, "transfer-encoding");
        self.line.clear();
        None
    }
}

fn is_field(line: &[u8], name: &str) -> bool {
    let colon = line.get(name.len()) == Some(&b':');
    colon && line[..name.len()].eq_ignore_ascii_case(name.as_bytes())
}

/// Refuses a head that breaks a rule. Heads of which the wire showed too little are measured again.
pub(crate) fn check<B>(request: &Request<B>, seen: Verdict, max: usize) -> Result<(), Error> {
    let bad = |detail| Err(Error::new(Code::BadRequest, detail));
    if seen == Verdict::TooLong || length(request) > max {
        return Err(by_status(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE));
    }
    if seen == Verdict::TwoEnds {
        return bad("`Content-Length` and `Transfer-Encoding` exclude each other");
    }
    let mut codings = request.headers().get_all(TRANSFER_ENCODING).iter();
    let chunked = codings.next().is_none_or(|c| c.as_bytes().eq_ignore_ascii_case(b"chunked"));
    if !chunked || codings.next().is_some() {
        return bad("the only `Transfer-Encoding` that is read here is `chunked`");
    }
    // RFC 9112, 3.2.
    let mut hosts = request.headers().get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) if request.version() >= Version::HTTP_11 => bad("the request has no `Host`"),
        (_, Some(_)) => bad("the request has two `Host`s"),
        (Some(host), _) if !is_host(host.as_bytes()) => bad("`Host` is no host"),
        _ => Ok(()),
    }
}

fn is_host(value: &[u8]) -> bool {
    value.is_empty() || (!value.contains(&b'@') && Authority::try_from(value).is_ok())
}

/// A head's length, as it is written without needless spaces.
fn length<B>(request: &Request<B>) -> usize {
    let target = request.uri().path_and_query().map_or(1, |target| target.as_str().len());
    let line = request.method().as_str().len() + target + " HTTP/1.1\r\n ".len();
    let fields = request.headers().iter();
    line + fields.map(|(name, value)| name.as_str().len() + value.len() + 4).sum::<usize>() + 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_judged_the_same_in_any_pieces() {
        let head = |fields: &str| format!("\r\nPOST /x HTTP/1.1\r\nhost: x\r\n{fields}\r\nbody: 1");
        for (text, verdict) in [
            (head(""), Verdict::Good),
            (head("content-length: 1\r\n"), Verdict::Good),
            (head("Transfer-Encoding:chunked\r\n"), Verdict::Good),
            (head("Transfer-Encoding: chunked\r\ncontent-LENGTH: 1\r\n"), Verdict::TwoEnds),
            (head("content-length: 1\ntransfer-encoding: chunked\n"), Verdict::TwoEnds),
            (head(&format!("a: {}\r\n", "x".repeat(200))), Verdict::TooLong),
        ] {
            for size in [1, 2, 7, text.len()] {
                let mut watch = Watch::new(100);
                let last = text.as_bytes().chunks(size).map(|piece| watch.see(piece)).last();
                assert_eq!(last, Some(verdict), "{text}");
            }
        }
    }

    #[test]
    fn hosts() {
        for good in ["", "x", "x:80", "[::1]:8000", "127.0.0.1", "a_b.c"] {
            assert!(is_host(good.as_bytes()), "{good}");
        }
        for bad in ["a b", "u@x", "x/y", "x:80,y:80", "a,b/"] {
            assert!(!is_host(bad.as_bytes()), "{bad}");
        }
    }
}
