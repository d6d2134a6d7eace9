//! Strings and their escapes.

use super::fault::Read;
use super::{FaultKind, Reader};

impl Reader<'_> {
    pub(super) fn string(&mut self) -> Read<String> {
        self.at += 1;
        let mut run = self.at;
        let mut out: Option<String> = None;
        loop {
            match self.peek() {
                Some(b'"') => {
                    let tail = &self.text[run..self.at];
                    self.at += 1;
                    return Ok(match out {
                        None => tail.to_owned(),
                        Some(mut text) => {
                            text.push_str(tail);
                            text
                        }
                    });
                }
                Some(b'\\') => {
                    let text = out.get_or_insert_default();
                    text.push_str(&self.text[run..self.at]);
                    let c = self.escape()?;
                    out.get_or_insert_default().push(c);
                    run = self.at;
                }
                Some(0..=0x1f) => return Err(self.syntax("a control character is not escaped")),
                Some(_) => self.at += 1,
                None => return Err(self.syntax("the text ends inside a string")),
            }
        }
    }

    fn escape(&mut self) -> Read<char> {
        let start = self.at;
        self.at += 1;
        let Some(kind) = self.peek() else {
            return Err(self.syntax("the text ends inside a string"));
        };
        self.at += 1;
        Ok(match kind {
            b'"' | b'\\' | b'/' => char::from(kind),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode_escape(start),
            _ => {
                self.at = start;
                return Err(self.syntax("this escape does not exist"));
            }
        })
    }

    fn unicode_escape(&mut self, start: usize) -> Read<char> {
        let first = self.hex4()?;
        if first == 0 {
            self.rule(FaultKind::NulCharacter, "a string holds U+0000")?;
        }
        if let Some(c) = char::from_u32(first) {
            return Ok(c);
        }
        if first < 0xDC00 && self.bytes[self.at..].starts_with(b"\\u") {
            let after_first = self.at;
            self.at += 2;
            let second = self.hex4()?;
            if (0xDC00..0xE000).contains(&second) {
                let joined = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
                return Ok(char::from_u32(joined).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            self.at = after_first;
        }
        self.rule(FaultKind::LoneSurrogate, "a \\u escape is half of a surrogate pair").map_err(
            |mut inner| {
                inner.offset = start;
                inner
            },
        )?;
        Ok(char::REPLACEMENT_CHARACTER)
    }

    fn hex4(&mut self) -> Read<u32> {
        let digits = self.bytes.get(self.at..self.at + 4);
        let read = digits
            .filter(|d| d.iter().all(u8::is_ascii_hexdigit))
            .and_then(|d| std::str::from_utf8(d).ok())
            .and_then(|d| u32::from_str_radix(d, 16).ok());
        let Some(unit) = read else {
            return Err(self.syntax("\\u takes four hexadecimal digits"));
        };
        self.at += 4;
        Ok(unit)
    }
}
