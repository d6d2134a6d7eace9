//! Reads one JSON text (RFC 8259) into a value, or says what is wrong and where.

use std::borrow::Cow;

use serde_json::{Map, Number, Value};

use crate::field::push_pointer;

/// How deep objects and arrays may nest.
pub const MAX_DEPTH: usize = 64;

/// Why a text was refused. All but `Syntax` and `TooDeep` are well-formed JSON that breaks a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// Not JSON.
    Syntax,
    /// Nested deeper than [`MAX_DEPTH`].
    TooDeep,
    /// A member name stands twice in one object.
    DuplicateMember,
    /// A string holds U+0000.
    NulCharacter,
    /// A `\u` escape is half of a surrogate pair.
    LoneSurrogate,
    /// An integer beyond 64 bits, or a number beyond the finite doubles.
    NumberOutOfRange,
}

impl FaultKind {
    /// The wire name, used as a record's rejection code.
    pub const fn code(self) -> &'static str {
        match self {
            FaultKind::Syntax => "invalid_json",
            FaultKind::TooDeep => "too_deep",
            FaultKind::DuplicateMember => "duplicate_member",
            FaultKind::NulCharacter => "nul_character",
            FaultKind::LoneSurrogate => "lone_surrogate",
            FaultKind::NumberOutOfRange => "number_out_of_range",
        }
    }

    /// Whether the text around it can still be read.
    pub const fn is_rule(self) -> bool {
        !matches!(self, FaultKind::Syntax | FaultKind::TooDeep)
    }
}

/// What is wrong with a text, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Why it was refused.
    pub kind: FaultKind,
    /// Byte offset into the text.
    pub offset: usize,
    /// RFC 6901 pointer to the value it stands in, from the text's root; empty for the root.
    pub pointer: String,
    /// The same for people.
    pub message: Cow<'static, str>,
}

/// Reads a whole text: one value with nothing but blanks around it.
pub fn read(text: &str) -> Result<Value, Fault> {
    let mut reader = Reader::new(text);
    let value = reader.value()?;
    reader.end()?;
    Ok(value)
}

/// Reads values out of a text, one after the other.
pub struct Reader<'t> {
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
    depth: usize,
    lenient: bool,
}

/// A fault while its pointer is still being put together, innermost token first.
struct Inner {
    kind: FaultKind,
    offset: usize,
    message: Cow<'static, str>,
    tokens: Vec<String>,
}

type Read<T> = Result<T, Box<Inner>>;

impl<'t> Reader<'t> {
    /// Begins at the start of a text.
    pub fn new(text: &'t str) -> Self {
        Reader { text, bytes: text.as_bytes(), at: 0, depth: 0, lenient: false }
    }

    /// Byte offset of what is read next.
    pub fn offset(&self) -> usize {
        self.at
    }

    /// Reads one value, with the blanks before it.
    pub fn value(&mut self) -> Result<Value, Fault> {
        let depth = self.depth;
        self.any().map_err(|inner| {
            self.depth = depth;
            finish(*inner)
        })
    }

    /// Passes over one value that breaks a rule; only its syntax is looked at.
    pub fn skip_value(&mut self, start: usize) -> Result<(), Fault> {
        self.at = start;
        self.lenient = true;
        let skipped = self.value();
        self.lenient = false;
        skipped.map(|_| ())
    }

    /// Steps into an array; true when it has a first element.
    pub fn begin_array(&mut self) -> Result<bool, Fault> {
        self.blanks();
        self.expect(b'[', "an array").map_err(|i| finish(*i))?;
        self.depth += 1;
        self.blanks();
        if self.peek() == Some(b']') {
            self.at += 1;
            self.depth -= 1;
            return Ok(false);
        }
        Ok(true)
    }

    /// After an element: true when another follows, false when the array is closed.
    pub fn next_element(&mut self) -> Result<bool, Fault> {
        self.blanks();
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                Ok(true)
            }
            Some(b']') => {
                self.at += 1;
                self.depth -= 1;
                Ok(false)
            }
            _ => Err(finish(*self.syntax("expected `,` or `]`"))),
        }
    }

    /// The next byte that is not blank, not consumed.
    pub fn peek_token(&mut self) -> Option<u8> {
        self.blanks();
        self.peek()
    }

    /// Checks that only blanks are left.
    pub fn end(&mut self) -> Result<(), Fault> {
        self.blanks();
        if self.at < self.bytes.len() {
            return Err(finish(*self.syntax("nothing may follow the value")));
        }
        Ok(())
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn fault(&self, kind: FaultKind, message: impl Into<Cow<'static, str>>) -> Box<Inner> {
        Box::new(Inner { kind, offset: self.at, message: message.into(), tokens: Vec::new() })
    }

    fn syntax(&self, message: impl Into<Cow<'static, str>>) -> Box<Inner> {
        self.fault(FaultKind::Syntax, message)
    }

    /// Reports a broken rule, unless this value is only being passed over.
    fn rule(&self, kind: FaultKind, message: impl Into<Cow<'static, str>>) -> Read<()> {
        if self.lenient { Ok(()) } else { Err(self.fault(kind, message)) }
    }

    fn expect(&mut self, byte: u8, what: &str) -> Read<()> {
        if self.peek() != Some(byte) {
            return Err(self.syntax(format!("expected {what}")));
        }
        self.at += 1;
        Ok(())
    }

    fn any(&mut self) -> Read<Value> {
        self.blanks();
        match self.peek() {
            Some(b'{') => self.object(),
            Some(b'[') => self.array(),
            Some(b'"') => self.string().map(Value::String),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            Some(_) => Err(self.syntax("expected a value")),
            None => Err(self.syntax("the text ends where a value is expected")),
        }
    }

    fn word(&mut self, word: &str, value: Value) -> Read<Value> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return Err(self.syntax("expected a value"));
        }
        self.at += word.len();
        Ok(value)
    }

    fn deeper(&mut self) -> Read<()> {
        if self.depth >= MAX_DEPTH {
            return Err(
                self.fault(FaultKind::TooDeep, format!("nested deeper than {MAX_DEPTH} levels"))
            );
        }
        self.depth += 1;
        self.at += 1;
        self.blanks();
        Ok(())
    }

    fn object(&mut self) -> Read<Value> {
        self.deeper()?;
        let mut members = Map::new();
        if self.peek() != Some(b'}') {
            loop {
                self.member(&mut members)?;
                self.blanks();
                match self.peek() {
                    Some(b',') => self.at += 1,
                    Some(b'}') => break,
                    _ => return Err(self.syntax("expected `,` or `}`")),
                }
                self.blanks();
            }
        }
        self.at += 1;
        self.depth -= 1;
        Ok(Value::Object(members))
    }

    fn member(&mut self, members: &mut Map<String, Value>) -> Read<()> {
        let start = self.at;
        if self.peek() != Some(b'"') {
            return Err(self.syntax("expected a member name in double quotes"));
        }
        let name = self.string()?;
        self.blanks();
        self.expect(b':', "`:` after a member name")?;
        let value = self.any().map_err(|inner| within(inner, || name.clone()))?;
        match members.entry(name) {
            serde_json::map::Entry::Vacant(free) => {
                free.insert(value);
            }
            serde_json::map::Entry::Occupied(taken) => {
                let name = taken.key().clone();
                let message = format!("the member `{}` stands twice", excerpt(&name));
                self.rule(FaultKind::DuplicateMember, message).map_err(|mut inner| {
                    inner.offset = start;
                    within(inner, || name)
                })?;
            }
        }
        Ok(())
    }

    fn array(&mut self) -> Read<Value> {
        self.deeper()?;
        let mut items = Vec::new();
        if self.peek() != Some(b']') {
            loop {
                let item = self.any().map_err(|inner| within(inner, || items.len().to_string()))?;
                items.push(item);
                self.blanks();
                match self.peek() {
                    Some(b',') => self.at += 1,
                    Some(b']') => break,
                    _ => return Err(self.syntax("expected `,` or `]`")),
                }
            }
        }
        self.at += 1;
        self.depth -= 1;
        Ok(Value::Array(items))
    }

    fn string(&mut self) -> Read<String> {
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

    fn digits(&mut self, what: &'static str) -> Read<()> {
        if !matches!(self.peek(), Some(b'0'..=b'9')) {
            return Err(self.syntax(what));
        }
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Read<Value> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
            if matches!(self.peek(), Some(b'0'..=b'9')) {
                return Err(self.syntax("a number has no leading zero"));
            }
        } else {
            self.digits("expected a digit")?;
        }
        let mut integer = true;
        if self.peek() == Some(b'.') {
            integer = false;
            self.at += 1;
            self.digits("expected a digit after the point")?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            integer = false;
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits("expected a digit in the exponent")?;
        }
        let text = &self.text[start..self.at];
        let number = if integer { integer_of(text) } else { double_of(text) };
        match number {
            Some(number) => Ok(Value::Number(number)),
            None => {
                let message = if integer {
                    "an integer beyond 64 bits"
                } else {
                    "a number beyond the range of a double"
                };
                self.rule(FaultKind::NumberOutOfRange, message).map_err(|mut inner| {
                    inner.offset = start;
                    inner
                })?;
                Ok(Value::Null)
            }
        }
    }
}

fn integer_of(text: &str) -> Option<Number> {
    text.parse::<i64>().ok().map(Number::from)
}

/// The nearest double; −0 is 0.
fn double_of(text: &str) -> Option<Number> {
    let value: f64 = text.parse().ok()?;
    Number::from_f64(if value == 0.0 { 0.0 } else { value })
}

fn within(mut inner: Box<Inner>, token: impl FnOnce() -> String) -> Box<Inner> {
    inner.tokens.push(token());
    inner
}

fn finish(inner: Inner) -> Fault {
    let mut pointer = String::new();
    for token in inner.tokens.iter().rev() {
        push_pointer(&mut pointer, token);
    }
    Fault { kind: inner.kind, offset: inner.offset, pointer, message: inner.message }
}

/// A name short enough for a message.
fn excerpt(name: &str) -> &str {
    let end = name.char_indices().nth(60).map_or(name.len(), |(at, _)| at);
    &name[..end]
}
