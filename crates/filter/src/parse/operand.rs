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
    fn tail(&mut self, mut expr: Expr) -> Expr {
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
        if let Some((literal, span)) = self.constant() {
            return self.node(Kind::Literal(literal), span);
        }
        let (token, span) = (self.peek().clone(), self.span());
        let kind = match token {
            Token::Name(name) => {
                self.at += 1;
                return self.named(name, span);
            }
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
            Token::Symbol(symbol) => {
                self.complain(span, format!("a value is expected before `{symbol}`"));
                // Closing brackets, commas and operators are somebody else's.
                let others = [")", "]", ",", ":", "}", "&&", "||", "?"].contains(&symbol);
                self.at += usize::from(!others && self.operator().is_none());
                Kind::Broken
            }
            // The constants are read already.
            _ => {
                self.complain(span, "the text ends where a value is expected");
                Kind::Broken
            }
        };
        self.node(kind, span)
    }

    fn named(&mut self, name: String, span: Span) -> Expr {
        match name.as_str() {
            "null" => {
                self.complain(span, "there is no null; ask `has(data.field)`");
                return self.node(Kind::Broken, span);
            }
            "in" => {
                self.complain(span, "a value is expected before `in`");
                return self.node(Kind::Broken, span);
            }
            "not" | "NOT" => {
                self.complain(span, "write `!` instead of `not`");
                return self.deeper(Self::unary);
            }
            "and" | "or" | "AND" | "OR" => {
                self.complain(span, format!("a value is expected before `{name}`"));
                return self.node(Kind::Broken, span);
            }
            _ => {}
        }
        if self.take("(") {
            return self.call(None, name, span);
        }
        self.node(Kind::Name(name), span)
    }

    /// Whether a constant stands here, alone or with its sign.
    pub(super) fn is_constant(&self) -> bool {
        self.constant_tokens() > 0
    }

    fn constant_tokens(&self) -> usize {
        match self.peek() {
            Token::Int(_) | Token::Double(_) | Token::Text(_) => 1,
            Token::Name(name) if name == "true" || name == "false" => 1,
            Token::Symbol("-") => match self.tokens.get(self.at + 1) {
                Some((Token::Int(_) | Token::Double(_), _)) => 2,
                _ => 0,
            },
            _ => 0,
        }
    }

    /// The constant that stands here, without counting it.
    fn constant(&mut self) -> Option<(Literal, Span)> {
        let length = self.constant_tokens();
        let (token, end) = self.tokens.get(self.at + length.checked_sub(1)?)?.clone();
        let span = self.span().to(end);
        let literal = match token {
            Token::Int(n) if length == 2 => 0_i64.checked_sub_unsigned(n).map(Literal::Int),
            Token::Int(n) => i64::try_from(n).ok().map(Literal::Int),
            Token::Double(d) => Some(Literal::Double(if length == 2 { -d } else { d })),
            Token::Text(text) => Some(Literal::Text(text)),
            Token::Name(name) => Some(Literal::Bool(name == "true")),
            _ => None,
        };
        self.at += length;
        if literal.is_none() {
            self.complain(span, "an integer beyond 64 bits");
        }
        Some((literal.unwrap_or(Literal::Int(0)), span))
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
        let after = self.tokens.get(self.at + self.constant_tokens()).map(|(token, _)| token);
        let alone = matches!(after, Some(Token::Symbol(s)) if *s == "," || *s == close);
        match if alone { self.constant() } else { None } {
            Some((literal, span)) => Expr { kind: Kind::Literal(literal), span },
            None => self.expr(),
        }
    }

    /// Expects a closing bracket; without it, goes on behind the next one of this level.
    fn close(&mut self, bracket: &'static str) -> Span {
        let span = self.span();
        if self.take(bracket) {
            return span;
        }
        self.complain(span, format!("`{bracket}` is expected here"));
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
