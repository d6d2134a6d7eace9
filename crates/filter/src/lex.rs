//! From a text to tokens (CEL's lexical grammar, without bytes, unsigned and `null` literals).

use crate::mistake::Mistake;
use crate::span::Span;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Token {
    Name(String),
    /// Without its sign: 2⁶³ is good only behind a minus.
    Int(u64),
    Double(f64),
    Text(String),
    /// An operator or a bracket.
    Symbol(&'static str),
    End,
}

const SYMBOLS: [&str; 25] = [
    "&&", "||", "==", "!=", "<=", ">=", "<", ">", "!", "+", "-", "*", "/", "%", "?", ":", "(", ")",
    "[", "]", ",", ".", "{", "}", ";",
];

/// What people write from habit, and what it is here.
const FOREIGN: [(&str, &str); 4] =
    [("=", "=="), ("&", "&&"), ("|", "||"), ("~", "x.matches(\"…\")")];

pub(crate) struct Lexer<'s> {
    source: &'s str,
    at: usize,
    pub(crate) mistakes: Vec<Mistake>,
}

impl<'s> Lexer<'s> {
    pub(crate) fn new(source: &'s str) -> Self {
        Lexer { source, at: 0, mistakes: Vec::new() }
    }

    /// All tokens with their places; the last is `End`.
    pub(crate) fn tokens(&mut self) -> Vec<(Token, Span)> {
        let mut out = Vec::new();
        loop {
            self.blanks();
            let start = self.at;
            let Some(c) = self.rest().chars().next() else {
                out.push((Token::End, Span::new(start, start)));
                return out;
            };
            if let Some(token) = self.token(c) {
                out.push((token, Span::new(start, self.at)));
            }
        }
    }

    fn rest(&self) -> &'s str {
        &self.source[self.at..]
    }

    fn blanks(&mut self) {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start();
            self.at += rest.len() - trimmed.len();
            if !trimmed.starts_with("//") {
                return;
            }
            self.at += trimmed.find('\n').unwrap_or(trimmed.len());
        }
    }

    fn token(&mut self, c: char) -> Option<Token> {
        let raw = matches!(c, 'r' | 'R') && self.rest()[1..].starts_with(['"', '\'']);
        match c {
            _ if raw => self.text(true),
            'a'..='z' | 'A'..='Z' | '_' => Some(Token::Name(self.word())),
            '0'..='9' => self.number(),
            '.' if self.rest()[1..].starts_with(|c: char| c.is_ascii_digit()) => self.number(),
            '"' | '\'' => self.text(false),
            _ => self.symbol(c),
        }
    }

    fn word(&mut self) -> String {
        let rest = self.rest();
        let good = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let end = rest.find(|c| !good(c)).unwrap_or(rest.len());
        self.at += end;
        rest[..end].to_owned()
    }

    fn symbol(&mut self, c: char) -> Option<Token> {
        if let Some(symbol) = SYMBOLS.iter().find(|s| self.rest().starts_with(**s)) {
            self.at += symbol.len();
            return Some(Token::Symbol(symbol));
        }
        let start = self.at;
        self.at += c.len_utf8();
        let meant = FOREIGN.iter().find(|(name, _)| name.starts_with(c));
        let hint = meant.map(|(_, ours)| format!("; did you mean `{ours}`?")).unwrap_or_default();
        self.complain(start, format!("`{c}` is no operator here{hint}"));
        // Read as what was meant, so that what follows is looked at too.
        meant.and_then(|(_, ours)| SYMBOLS.iter().find(|s| *s == ours)).map(|s| Token::Symbol(s))
    }

    fn number(&mut self) -> Option<Token> {
        let (start, rest) = (self.at, self.rest());
        if let Some(hex) = rest.strip_prefix("0x").or(rest.strip_prefix("0X")) {
            let end = hex.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(hex.len());
            self.at += 2 + end;
            return match u64::from_str_radix(&hex[..end], 16) {
                Ok(value) => Some(Token::Int(value)),
                Err(_) => self.bad_number(start),
            };
        }
        let digits = |from: usize| {
            let tail = &rest[from..];
            from + tail.find(|c: char| !c.is_ascii_digit()).unwrap_or(tail.len())
        };
        let mut end = digits(0);
        let mut whole = true;
        if rest[end..].starts_with('.') && digits(end + 1) > end + 1 {
            end = digits(end + 1);
            whole = false;
        }
        if rest[end..].starts_with(['e', 'E']) {
            let sign = usize::from(rest[end + 1..].starts_with(['+', '-']));
            if digits(end + 1 + sign) > end + 1 + sign {
                end = digits(end + 1 + sign);
                whole = false;
            }
        }
        let text = &rest[..end];
        let tail = &rest[end..];
        let stuck = tail.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        self.at += end + stuck.unwrap_or(tail.len());
        if self.at > start + end {
            return self.bad_number(start);
        }
        let read = if whole {
            text.parse().ok().map(Token::Int)
        } else {
            text.parse().ok().filter(|d: &f64| d.is_finite()).map(Token::Double)
        };
        read.or_else(|| self.bad_number(start))
    }

    fn bad_number(&mut self, start: usize) -> Option<Token> {
        let text = &self.source[start..self.at];
        let message = match text.strip_suffix(['u', 'U']) {
            Some(bare) => format!("there are no unsigned numbers; write `{bare}`"),
            None => format!("`{text}` is no number of 64 bits"),
        };
        self.complain(start, message);
        Some(Token::Int(0))
    }

    /// Reads a string in either kind of quotes; a raw one has no escapes.
    fn text(&mut self, raw: bool) -> Option<Token> {
        let start = self.at;
        self.at += usize::from(raw);
        let quote = self.rest().chars().next()?;
        self.at += 1;
        let mut out = String::new();
        loop {
            let Some(c) = self.rest().chars().next() else {
                self.complain(start, "the string does not end");
                return Some(Token::Text(out));
            };
            self.at += c.len_utf8();
            match c {
                _ if c == quote => break,
                '\n' | '\r' => {
                    self.complain(start, "a string ends in its line; write `\\n`");
                    break;
                }
                '\\' if !raw => out.extend(self.escape()),
                c => out.push(c),
            }
        }
        if out.contains('\0') {
            self.complain(start, "no value holds the character NUL");
        }
        Some(Token::Text(out))
    }

    fn escape(&mut self) -> Option<char> {
        let start = self.at - 1;
        let c = self.rest().chars().next()?;
        self.at += c.len_utf8();
        let found = match c {
            'a' => Some('\u{7}'),
            'b' => Some('\u{8}'),
            'f' => Some('\u{c}'),
            'n' => Some('\n'),
            'r' => Some('\r'),
            't' => Some('\t'),
            'v' => Some('\u{b}'),
            '\\' | '?' | '"' | '\'' | '`' => Some(c),
            'x' | 'X' => self.code(2, 16),
            'u' => self.code(4, 16),
            'U' => self.code(8, 16),
            '0'..='3' => {
                self.at -= 1;
                self.code(3, 8)
            }
            _ => None,
        };
        if found.is_none() {
            self.complain(start, "this escape does not exist");
        }
        found
    }

    fn code(&mut self, digits: usize, radix: u32) -> Option<char> {
        let text = self.rest().get(..digits)?;
        if !text.chars().all(|c| c.is_digit(radix)) {
            return None;
        }
        let c = char::from_u32(u32::from_str_radix(text, radix).ok()?)?;
        self.at += digits;
        Some(c)
    }

    fn complain(&mut self, start: usize, message: impl Into<String>) {
        self.mistakes.push(Mistake::new("syntax", Span::new(start, self.at), message));
    }
}
