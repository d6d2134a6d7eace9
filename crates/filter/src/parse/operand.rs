//! What stands between operators: constants, names, lists, members and calls.

use crate::MAX_LIST;
use crate::ast::{Call, Expr, Kind, Literal};
use crate::lex::Token;
use crate::parse::Parser;
use crate::span::Span;

impl Parser {
    pub(super) fn postfix(&mut self) -> Expr {
        let first = self.primary();
        self.tail(first)
    }

    /// Members, indexes and calls behind a value.
    pub(super) fn tail(&mut self, mut expr: Expr) -> Expr {
        loop {
            if self.take(".") {
                expr = self.member(expr);
            } else if self.take("[") {
                expr = self.index(expr);
            } else {
                return expr;
            }
        }
    }

    fn member(&mut self, target: Expr) -> Expr {
        let at = self.span();
        let Token::Name(name) = self.peek().clone() else {
            self.complain(at, "a name is expected after the dot");
            return self.node(Kind::Broken, at);
        };
        self.at += 1;
        if self.take("(") {
            return self.call(Some(target), name, at);
        }
        let span = target.span.to(at);
        self.node(Kind::Member(Box::new(target), name), span)
    }

    fn index(&mut self, target: Expr) -> Expr {
        let index = self.expr();
        let end = self.close("]");
        let span = target.span.to(end);
        let kind = match index.kind {
            Kind::Literal(Literal::Text(name)) => Kind::Member(Box::new(target), name),
            kind => {
                let index = Expr { kind, span: index.span };
                Kind::Index(Box::new(target), Box::new(index))
            }
        };
        self.node(kind, span)
    }

    fn call(&mut self, target: Option<Expr>, name: String, at: Span) -> Expr {
        let arguments = self.items(")");
        let end = self.close(")");
        let start = target.as_ref().map_or(at, |t| t.span);
        let target = target.map(Box::new);
        self.node(Kind::Call(Call { target, name, at, arguments }), start.to(end))
    }

    fn primary(&mut self) -> Expr {
        let (token, span) = (self.peek().clone(), self.span());
        let kind = match token {
            Token::Name(name) => {
                self.at += 1;
                return self.named(name, span);
            }
            Token::Int(_) | Token::Double(_) | Token::Text(_) => match self.constant() {
                Some(literal) => Kind::Literal(literal),
                None => Kind::Broken,
            },
            Token::Symbol("(") => {
                self.at += 1;
                let inner = self.expr();
                let end = self.close(")");
                return Expr { kind: inner.kind, span: span.to(end) };
            }
            Token::Symbol("[") => {
                self.at += 1;
                let items = self.items("]");
                let end = self.close("]");
                return self.node(Kind::List(items), span.to(end));
            }
            Token::End => {
                self.complain(span, "the text ends where a value is expected");
                Kind::Broken
            }
            Token::Symbol(symbol) => {
                self.complain(span, format!("a value is expected before `{symbol}`"));
                // Closing brackets and commas are somebody else's.
                if !matches!(symbol, ")" | "]" | "," | ":" | "}") && self.operator().is_none() {
                    self.at += 1;
                }
                Kind::Broken
            }
        };
        self.node(kind, span)
    }

    fn named(&mut self, name: String, span: Span) -> Expr {
        match name.as_str() {
            "true" => return self.node(Kind::Literal(Literal::Bool(true)), span),
            "false" => return self.node(Kind::Literal(Literal::Bool(false)), span),
            "null" => {
                self.complain(span, "there is no null; ask `has(data.field)`");
                return self.node(Kind::Broken, span);
            }
            "in" => {
                self.complain(span, "a value is expected before `in`");
                return self.node(Kind::Broken, span);
            }
            "and" | "or" | "not" | "AND" | "OR" | "NOT" => {
                let meant = match name.to_ascii_lowercase().as_str() {
                    "and" => "&&",
                    "or" => "||",
                    _ => "!",
                };
                self.complain(span, format!("write `{meant}` instead of `{name}`"));
                return self.node(Kind::Broken, span);
            }
            _ => {}
        }
        if self.take("(") {
            return self.call(None, name, span);
        }
        self.node(Kind::Name(name), span)
    }

    /// The constant that stands here, without counting it.
    fn constant(&mut self) -> Option<Literal> {
        let span = self.span();
        let literal = match self.peek() {
            Token::Int(n) => match i64::try_from(*n) {
                Ok(n) => Literal::Int(n),
                Err(_) => {
                    self.complain(span, "an integer beyond 64 bits");
                    Literal::Int(0)
                }
            },
            Token::Double(d) => Literal::Double(*d),
            Token::Text(text) => Literal::Text(text.clone()),
            _ => return None,
        };
        self.at += 1;
        Some(literal)
    }

    /// The items up to a closing bracket, which stays.
    fn items(&mut self, close: &'static str) -> Vec<Expr> {
        let mut items = Vec::new();
        while !matches!(self.peek(), Token::Symbol(s) if *s == close) {
            if items.len() == MAX_LIST {
                self.give_up("too_long", format!("a list has at most {MAX_LIST} elements"));
                break;
            }
            let item = self.item(close);
            items.push(item);
            if !self.take(",") {
                break;
            }
        }
        items
    }

    /// One item; a bare constant is not counted among the parts.
    fn item(&mut self, close: &'static str) -> Expr {
        let span = self.span();
        let after = self.tokens.get(self.at + 1).map(|(token, _)| token);
        let alone = matches!(after, Some(Token::Symbol(s)) if *s == "," || *s == close);
        match self.constant_if(alone) {
            Some(literal) => Expr { kind: Kind::Literal(literal), span },
            None => self.expr(),
        }
    }

    fn constant_if(&mut self, alone: bool) -> Option<Literal> {
        if alone { self.constant() } else { None }
    }

    /// Expects a closing bracket; without it, goes on behind the next one of this level.
    fn close(&mut self, bracket: &'static str) -> Span {
        let span = self.span();
        if self.take(bracket) {
            return span;
        }
        let told = self.mistakes.last().is_some_and(|m| m.span == span);
        if !told {
            self.complain(span, format!("`{bracket}` is expected here"));
        }
        let mut open = 0_usize;
        while *self.peek() != Token::End {
            match self.peek() {
                Token::Symbol("(" | "[") => open += 1,
                Token::Symbol(s) if *s == bracket && open == 0 => {
                    self.at += 1;
                    break;
                }
                Token::Symbol(")" | "]") if open == 0 => break,
                Token::Symbol(")" | "]") => open -= 1,
                Token::Symbol("&&" | "||") if open == 0 => break,
                _ => {}
            }
            self.at += 1;
        }
        span
    }
}
