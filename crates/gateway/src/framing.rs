//! Where each message on a connection begins and ends (RFC 9112), watched before the protocol layer
//! sees a byte. That layer takes more than the grammar allows; whatever stands before or behind this
//! process may take it in another way, and then one request is two.

use http::StatusCode;

/// Longest number of a piece, in digits: it fits 64 bits.
const MOST_DIGITS: usize = 16;

/// What is wrong with a message: its status, and a sentence for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault(pub(crate) StatusCode, pub(crate) &'static str);

const fn bad(what: &'static str) -> Fault {
    Fault(StatusCode::BAD_REQUEST, what)
}

const TOO_LONG: Fault =
    Fault(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "the request's head is too large");
const LINE_END: Fault = bad("a line does not end with CR LF");

/// What is being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// Lines of a head, or the empty ones before it.
    Head,
    /// So many bytes of a body.
    Body(u64),
    /// The line with a piece's size.
    Size,
    /// So many bytes of a piece.
    Piece(u64),
    /// The line's end behind a piece.
    PieceEnd,
    /// The fields behind the last piece.
    Trailer,
    /// A fault was found: nothing that follows has a meaning.
    Over,
}

/// Watches what comes, however it is cut.
#[derive(Debug)]
pub(crate) struct Framing {
    max: usize,
    at: At,
    /// What came of a line that has no end yet.
    line: Vec<u8>,
    /// Bytes of the head, the trailer or the size so far.
    bytes: usize,
    head: Head,
}

/// What a head has said so far.
#[derive(Debug, Default)]
struct Head {
    begun: bool,
    /// HTTP/1.0.
    old: bool,
    length: Option<u64>,
    chunked: bool,
}

impl Framing {
    /// Watches heads of at most `max` bytes.
    pub(crate) fn new(max: usize) -> Framing {
        Framing { max, at: At::Head, line: Vec::new(), bytes: 0, head: Head::default() }
    }

    /// Sees the next bytes; where the first of them stands that must not be read as it is.
    pub(crate) fn see(&mut self, piece: &[u8]) -> Option<(usize, Fault)> {
        let mut from = 0;
        while from < piece.len() {
            let rest = &piece[from..];
            from += match self.at {
                At::Over => return None,
                At::Body(left) => {
                    let (taken, left) = take(rest.len(), left);
                    self.at = if left == 0 { self.next_head() } else { At::Body(left) };
                    taken
                }
                At::Piece(left) => {
                    let (taken, left) = take(rest.len(), left);
                    self.at = if left == 0 { At::PieceEnd } else { At::Piece(left) };
                    taken
                }
                At::Head | At::Size | At::PieceEnd | At::Trailer => match self.part(rest) {
                    Ok(taken) => taken,
                    Err((taken, fault)) => {
                        self.at = At::Over;
                        self.line = Vec::new();
                        // Without its last byte no line of these is whole.
                        return Some((from + taken - 1, fault));
                    }
                },
            };
        }
        None
    }

    /// Takes a line, or what there is of it; how many bytes that is.
    fn part(&mut self, rest: &[u8]) -> Result<usize, (usize, Fault)> {
        let end = memchr::memchr(b'\n', rest);
        let taken = end.map_or(rest.len(), |end| end + 1);
        self.bytes += taken;
        if self.bytes > self.max {
            return Err((taken, TOO_LONG));
        }
        if end.is_none() || !self.line.is_empty() {
            self.line.extend_from_slice(&rest[..taken]);
        }
        if end.is_none() {
            // A piece's end has two bytes, and waits for no more.
            let late = self.at == At::PieceEnd && self.line != b"\r";
            return if late { Err((taken, LINE_END)) } else { Ok(taken) };
        }
        let kept = std::mem::take(&mut self.line);
        let line = if kept.is_empty() { &rest[..taken] } else { &kept[..] };
        self.at = self.line(line).map_err(|fault| (taken, fault))?;
        Ok(taken)
    }

    /// Reads a whole line; what comes after it.
    fn line(&mut self, line: &[u8]) -> Result<At, Fault> {
        let line = line.strip_suffix(b"\r\n").ok_or(LINE_END)?;
        let control = |c: &u8| (*c < b' ' && *c != b'\t') || *c == 0x7f;
        if line.iter().any(control) {
            return Err(bad("a line holds a control character"));
        }
        match self.at {
            At::Head if self.head.begun && line.is_empty() => self.body(),
            At::Head if self.head.begun => self.field(line).map(|()| At::Head),
            At::Head if line.is_empty() => Ok(At::Head),
            At::Head => self.begin(line).map(|()| At::Head),
            At::Size => {
                self.bytes = 0;
                Ok(match size(line)? {
                    0 => At::Trailer,
                    size => At::Piece(size),
                })
            }
            At::PieceEnd if line.is_empty() => {
                self.bytes = 0;
                Ok(At::Size)
            }
            At::PieceEnd => Err(bad("a piece of the body is not as long as it says")),
            At::Trailer if line.is_empty() => Ok(self.next_head()),
            At::Trailer => name_and_value(line).map(|_| At::Trailer),
            other => Ok(other),
        }
    }

    fn next_head(&mut self) -> At {
        self.bytes = 0;
        self.head = Head::default();
        At::Head
    }

    /// Reads the request line (RFC 9112, 3).
    fn begin(&mut self, line: &[u8]) -> Result<(), Fault> {
        let mut parts = line.split(|c| *c == b' ');
        let parts = (parts.next(), parts.next(), parts.next(), parts.next());
        let (Some(_), Some(target), Some(version), None) = parts else {
            return Err(bad("the request line is not `method target version`"));
        };
        if target.is_empty() || target.iter().any(|c| !c.is_ascii_graphic() || *c == b'#') {
            return Err(bad("the request's target is no target"));
        }
        self.head.old = match version {
            b"HTTP/1.1" => false,
            b"HTTP/1.0" => true,
            _ => return Err(bad("versions 1.1 and 1.0 of HTTP are spoken here")),
        };
        self.head.begun = true;
        Ok(())
    }

    /// Reads a field, and what it says of the body.
    fn field(&mut self, line: &[u8]) -> Result<(), Fault> {
        let (name, value) = name_and_value(line)?;
        if name.eq_ignore_ascii_case(b"content-length") {
            if self.head.length.is_some() {
                return Err(bad("`Content-Length` stands twice"));
            }
            let length = number(value, 10).ok_or(bad("`Content-Length` is no length"))?;
            self.head.length = Some(length);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if self.head.chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(bad("the only `Transfer-Encoding` that is read here is `chunked`"));
            }
            self.head.chunked = true;
        }
        Ok(())
    }

    /// What follows the head (RFC 9112, 6.3).
    fn body(&mut self) -> Result<At, Fault> {
        self.bytes = 0;
        match (self.head.chunked, self.head.length) {
            (true, Some(_)) => {
                Err(bad("`Content-Length` and `Transfer-Encoding` exclude each other"))
            }
            (true, None) if self.head.old => Err(bad("HTTP/1.0 has no `Transfer-Encoding`")),
            (true, None) => Ok(At::Size),
            (false, Some(length)) if length > 0 => Ok(At::Body(length)),
            (false, _) => Ok(self.next_head()),
        }
    }
}

/// How many of `there` bytes belong to what `left` are missing of, and how many still are.
fn take(there: usize, left: u64) -> (usize, u64) {
    let taken = usize::try_from(left).map_or(there, |left| left.min(there));
    (taken, left - taken as u64)
}

/// Parts a field's line (RFC 9112, 5): no space before the colon, and none before the name, where it
/// would continue the line before.
fn name_and_value(line: &[u8]) -> Result<(&[u8], &[u8]), Fault> {
    let colon = memchr::memchr(b':', line).ok_or(bad("a field has no colon"))?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    let token = |c: &u8| c.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(c);
    if name.is_empty() || !name.iter().all(token) {
        return Err(bad("a field's name is none, or continues the line before"));
    }
    let blank = |c: &&u8| matches!(**c, b' ' | b'\t');
    let start = value.iter().take_while(blank).count();
    let end = value.len() - value[start..].iter().rev().take_while(blank).count();
    Ok((name, &value[start..end]))
}

/// Reads a piece's size (RFC 9112, 7.1); its extensions mean nothing here.
fn size(line: &[u8]) -> Result<u64, Fault> {
    let digits = line.split(|c| *c == b';').next().unwrap_or_default();
    let size = Some(digits).filter(|digits| digits.len() <= MOST_DIGITS);
    size.and_then(|digits| number(digits, 16)).ok_or(bad("the size of a piece is no size"))
}

/// Reads a number that is digits and nothing else.
fn number(digits: &[u8], radix: u32) -> Option<u64> {
    let text = std::str::from_utf8(digits).ok()?;
    let plain = text.bytes().all(|c| char::from(c).is_digit(radix));
    if plain { u64::from_str_radix(text, radix).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the fault of a text stands when it comes in pieces of this size.
    fn fault(text: &str, size: usize) -> Option<(usize, Fault)> {
        let mut framing = Framing::new(100);
        let mut at = 0;
        text.as_bytes().chunks(size).find_map(|piece| {
            let found = framing.see(piece).map(|(n, fault)| (at + n, fault));
            at += piece.len();
            found
        })
    }

    #[test]
    fn messages_end_where_they_say_in_any_pieces() {
        let good = "\r\nPOST /x HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\na\n\0b\
                    POST /x HTTP/1.1\r\nTransfer-Encoding:\tChunked \r\n\r\n\
                    3;a=b\r\n\n\n\n\r\n0a\r\n0123456789\r\n0\r\nx: y\r\n\r\n\
                    GET / HTTP/1.0\r\n\r\nGET / HTTP/1.1\r\n";
        for size in [1, 2, 3, 7, good.len()] {
            assert_eq!(fault(good, size), None, "{size}");
            let wrong = format!("{good}host: x\n");
            assert_eq!(fault(&wrong, size), Some((wrong.len() - 1, LINE_END)), "{size}");
            let long = format!("{good}a: {}\r\n\r\n", "x".repeat(100));
            let (at, what) = fault(&long, size).unwrap();
            assert!(at >= good.len() && what == TOO_LONG, "{size} {at}");
        }
    }

    #[test]
    fn a_fault_stands_before_what_it_would_complete() {
        for text in [
            "GET / HTTP/1.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n-1\r\n",
            "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx\r\n",
            "GET / HTTP/2.0\r\n",
        ] {
            let more = format!("{text}0\r\n\r\nGET /");
            for size in [1, 5, more.len()] {
                let (at, what) = fault(&more, size).unwrap();
                assert_eq!(
                    (at, what.0),
                    (text.len() - 1, StatusCode::BAD_REQUEST),
                    "{text} {size}"
                );
            }
        }
        // Of a piece's end already the first wrong byte.
        let text = "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2\r\nabX";
        assert_eq!(fault(text, 1), Some((text.len() - 1, LINE_END)));
    }
}
