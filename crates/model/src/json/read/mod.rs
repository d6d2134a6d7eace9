//! Reads one JSON text (RFC 8259) into a value, or says what is wrong and where.

mod fault;
mod number;
mod string;

use std::borrow::Cow;

use serde_json::{Map, Value};

pub use fault::{Fault, FaultKind};
use fault::{Inner, Read, finish, within};

/// How deep objects and arrays may nest.
pub const MAX_DEPTH: usize = 64;

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
}

/// A name short enough for a message.
fn excerpt(name: &str) -> &str {
    let end = name.char_indices().nth(60).map_or(name.len(), |(at, _)| at);
    &name[..end]
}
