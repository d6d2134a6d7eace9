//! Takes what a person typed apart: words, "phrases", prefix*, -without, field:word, OR, ( ).
//!
//! Nothing that is typed is an error by itself: what cannot be meant is read as the words that are in
//! it. Each such place is noted, so that programs can be told.

use crate::mistake::Mistake;
use crate::span::Span;

/// How deep parentheses nest; deeper ones are read as blanks.
const MAX_DEPTH: usize = 16;

/// What was typed.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Clause {
    All(Vec<Clause>),
    Any(Vec<Clause>),
    Not(Box<Clause>),
    /// `name:` before something; the name's place is first.
    In(Span, String, Box<Clause>),
    /// Something between quotes.
    Phrase(Span, String),
    /// Something between blanks; whether a star ends it.
    Word(Span, String, bool),
}

pub(super) struct Parsed {
    pub(super) clause: Option<Clause>,
    /// What was read in another way than it looks.
    pub(super) noted: Vec<Mistake>,
}

pub(super) fn parse(text: &str) -> Parsed {
    let tokens = tokens(text);
    let mut parser = Parser { tokens: &tokens.all, at: 0, depth: 0, noted: tokens.noted };
    let mut clauses = Vec::new();
    while parser.at < parser.tokens.len() {
        clauses.extend(parser.any());
        // What is left is a parenthesis that closes nothing.
        if let Some(token) = parser.tokens.get(parser.at) {
            parser.note(token.span, "this parenthesis closes nothing");
            parser.at += 1;
        }
    }
    Parsed { clause: joined(clauses, Clause::All), noted: parser.noted }
}

fn joined(mut clauses: Vec<Clause>, join: fn(Vec<Clause>) -> Clause) -> Option<Clause> {
    match clauses.len() {
        0 => None,
        1 => clauses.pop(),
        _ => Some(join(clauses)),
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Kind {
    Open,
    Close,
    Or,
    And,
    Not,
    /// `name:`
    Name(String),
    Phrase(String),
    Word(String, bool),
}

struct Token {
    kind: Kind,
    span: Span,
}

struct Tokens {
    all: Vec<Token>,
    noted: Vec<Mistake>,
}

fn note(span: Span, message: &str) -> Mistake {
    Mistake::new("syntax", span, message)
}

fn tokens(text: &str) -> Tokens {
    let mut tokens = Tokens { all: Vec::new(), noted: Vec::new() };
    let (mut at, mut apart, mut named) = (0, true, false);
    while let Some(c) = text[at..].chars().next() {
        let start = at;
        let kind = match c {
            _ if c.is_whitespace() => {
                at += c.len_utf8();
                (apart, named) = (true, false);
                continue;
            }
            '(' => Kind::Open,
            ')' => Kind::Close,
            '"' | '“' | '”' | '„' => {
                let inner = &text[start + c.len_utf8()..];
                let end = inner.find(['"', '“', '”']);
                if end.is_none() {
                    tokens
                        .noted
                        .push(note(Span::new(start, text.len()), "this quote does not end"));
                }
                let phrase = &inner[..end.unwrap_or(inner.len())];
                let close =
                    end.and_then(|end| inner[end..].chars().next()).map_or(0, char::len_utf8);
                at = start + c.len_utf8() + phrase.len() + close;
                Kind::Phrase(phrase.to_owned())
            }
            '-' if apart && stands_before_something(&text[start..]) => Kind::Not,
            _ => {
                let rest = &text[start..];
                let end = rest.find(|c: char| c.is_whitespace() || "()\"“”„".contains(c));
                let (chunk, behind) = rest.split_at(end.unwrap_or(rest.len()));
                // Behind a name stands its value, whatever it looks like: `n:-5`, `url:https://x.y`.
                let (kind, length) = match tokens.all.last().map(|token| &token.kind) {
                    Some(Kind::Name(_)) if named => (plain(chunk), chunk.len()),
                    _ => word(chunk, behind),
                };
                at = start + length;
                kind
            }
        };
        if at == start {
            at += c.len_utf8();
        }
        named = matches!(kind, Kind::Name(_));
        // Behind `(` and `-` another `-` leaves out, too.
        apart = matches!(kind, Kind::Open | Kind::Not);
        tokens.all.push(Token { kind, span: Span::new(start, at) });
    }
    tokens
}

/// The token that a run without blanks begins with, and its length; `behind` is what follows the run.
fn word(chunk: &str, behind: &str) -> (Kind, usize) {
    match chunk {
        "OR" | "|" | "||" => return (Kind::Or, chunk.len()),
        "AND" | "&" | "&&" => return (Kind::And, chunk.len()),
        "NOT" => return (Kind::Not, chunk.len()),
        _ => {}
    }
    if let Some((name, rest)) = chunk.split_once(':')
        && is_name(name)
        && (!rest.is_empty() || behind.starts_with(['"', '“', '„', '(']))
    {
        return (Kind::Name(name.to_owned()), name.len() + 1);
    }
    (plain(chunk), chunk.len())
}

fn plain(chunk: &str) -> Kind {
    let plain = chunk.trim_end_matches('*');
    Kind::Word(plain.to_owned(), plain.len() < chunk.len())
}

/// Whether a dash leaves something out; one between blanks is a dash.
fn stands_before_something(dash: &str) -> bool {
    dash.chars().nth(1).is_some_and(|c| !c.is_whitespace())
}

fn is_name(name: &str) -> bool {
    let mut characters = name.chars();
    characters.next().is_some_and(|c| c.is_alphabetic() || c == '_')
        && characters.all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '-'))
}

struct Parser<'t> {
    tokens: &'t [Token],
    at: usize,
    depth: usize,
    noted: Vec<Mistake>,
}

impl Parser<'_> {
    fn note(&mut self, span: Span, message: &str) {
        self.noted.push(note(span, message));
    }

    fn peek(&self) -> Option<&Kind> {
        self.tokens.get(self.at).map(|token| &token.kind)
    }

    /// `a b OR c`: what stands side by side binds closer.
    fn any(&mut self) -> Option<Clause> {
        let mut clauses = Vec::new();
        loop {
            let begin = self.at;
            let side = self.all();
            let is_empty = side.is_none();
            clauses.extend(side);
            let is_or = self.peek() == Some(&Kind::Or);
            if is_empty && (is_or || !clauses.is_empty() || begin != self.at) {
                let near = self.tokens.get(self.at).or_else(|| self.tokens.last());
                if let Some(span) = near.map(|token| token.span) {
                    self.note(span, "something is missing beside an operator");
                }
            }
            if !is_or {
                return joined(clauses, Clause::Any);
            }
            self.at += 1;
        }
    }

    fn all(&mut self) -> Option<Clause> {
        let mut clauses = Vec::new();
        while let Some(kind) = self.peek() {
            match kind {
                Kind::Or | Kind::Close => break,
                Kind::And => {
                    let span = self.tokens[self.at].span;
                    if clauses.is_empty() {
                        self.note(span, "something is missing before AND");
                    }
                    self.at += 1;
                    if matches!(self.peek(), None | Some(Kind::Or | Kind::And | Kind::Close)) {
                        self.note(span, "something is missing behind AND");
                    }
                }
                _ => clauses.extend(self.one()),
            }
        }
        joined(clauses, Clause::All)
    }

    fn one(&mut self) -> Option<Clause> {
        let token = self.tokens.get(self.at)?;
        let span = token.span;
        self.at += 1;
        match &token.kind {
            Kind::Not => {
                let mut odd = true;
                while self.peek() == Some(&Kind::Not) {
                    self.at += 1;
                    odd = !odd;
                }
                let clause = match self.peek() {
                    None | Some(Kind::Or | Kind::And | Kind::Close) => {
                        self.note(span, "what is to be left out is missing");
                        return None;
                    }
                    _ => self.one()?,
                };
                Some(if odd { Clause::Not(Box::new(clause)) } else { clause })
            }
            Kind::Name(name) => {
                let follows =
                    matches!(self.peek(), Some(Kind::Word(..) | Kind::Phrase(_) | Kind::Open));
                if !follows {
                    self.note(span, "what is to be found there is missing");
                    return Some(Clause::Word(span, name.clone(), false));
                }
                let clause = self.one()?;
                Some(Clause::In(span, name.clone(), Box::new(clause)))
            }
            Kind::Open => self.parenthesis(span),
            Kind::Phrase(text) => Some(Clause::Phrase(span, text.clone())),
            Kind::Word(text, star) => {
                if text.contains('*') || text.is_empty() {
                    self.note(span, "a star stands at the end of a word");
                }
                Some(Clause::Word(span, text.clone(), *star && !text.is_empty()))
            }
            // The caller looked.
            Kind::Or | Kind::And | Kind::Close => None,
        }
    }

    fn parenthesis(&mut self, span: Span) -> Option<Clause> {
        if self.depth == MAX_DEPTH {
            self.note(span, "parentheses nest at most 16 deep");
            return None;
        }
        self.depth += 1;
        let clause = self.any();
        self.depth -= 1;
        match self.peek() {
            Some(Kind::Close) => self.at += 1,
            _ => self.note(span, "this parenthesis is not closed"),
        }
        if clause.is_none() {
            self.note(span, "there is nothing in these parentheses");
        }
        clause
    }
}
