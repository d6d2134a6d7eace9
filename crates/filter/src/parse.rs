//! From tokens to a tree; goes on after a mistake, so that several are told at once.

use crate::ast::{Expr, Kind, Operator};
use crate::lex::{Lexer, Token};
use crate::mistake::{Mistake, Mistakes};
use crate::span::Span;
use crate::{MAX_BYTES, MAX_DEPTH, MAX_NODES};

mod operand;
#[cfg(test)]
mod tests;

/// Reads a text.
///
/// # Errors
/// Everything that is wrong with it, each with its place.
pub fn parse(source: &str) -> Result<Expr, Mistakes> {
    if source.len() > MAX_BYTES {
        let message = format!("the text has {} bytes, at most {MAX_BYTES}", source.len());
        let all = vec![Mistake::new("too_long", Span::new(0, 1), message)];
        return Err(Mistakes::new(&source[..source.floor_char_boundary(80)], all));
    }
    let mut lexer = Lexer::new(source);
    let tokens = lexer.tokens();
    let mut parser =
        Parser { tokens, at: 0, depth: 0, nodes: 0, gave_up: false, mistakes: lexer.mistakes };
    let expr = parser.whole();
    if parser.mistakes.is_empty() { Ok(expr) } else { Err(Mistakes::new(source, parser.mistakes)) }
}

struct Parser {
    tokens: Vec<(Token, Span)>,
    at: usize,
    depth: usize,
    nodes: usize,
    /// A limit was passed: what follows is not looked at.
    gave_up: bool,
    mistakes: Vec<Mistake>,
}

impl Parser {
    fn whole(&mut self) -> Expr {
        if *self.peek() == Token::End {
            self.complain(self.span(), "an expression is expected");
        }
        let expr = self.expr();
        while *self.peek() != Token::End {
            let span = self.span();
            let message = match self.peek() {
                Token::Symbol(close @ (")" | "]" | "}")) => {
                    format!("no bracket is open for `{close}`")
                }
                Token::Symbol("{") => "there are no maps here".to_owned(),
                _ => "an operator is expected here".to_owned(),
            };
            self.complain(span, message);
            if matches!(self.peek(), Token::Symbol(_)) {
                self.at += 1;
            }
            if *self.peek() != Token::End {
                self.expr();
            }
        }
        expr
    }

    fn peek(&self) -> &Token {
        self.tokens.get(self.at).map_or(&Token::End, |(token, _)| token)
    }

    fn span(&self) -> Span {
        self.tokens.get(self.at).or(self.tokens.last()).map_or(Span::default(), |(_, span)| *span)
    }

    fn take(&mut self, symbol: &str) -> bool {
        let found = matches!(self.peek(), Token::Symbol(s) if *s == symbol);
        self.at += usize::from(found);
        found
    }

    /// Says what is wrong, once for each place: what follows from a mistake is none.
    fn complain(&mut self, span: Span, message: impl Into<String>) {
        let told = self.mistakes.last().is_some_and(|last| last.span.start == span.start);
        if !self.gave_up && !told {
            self.mistakes.push(Mistake::new("syntax", span, message));
        }
    }

    fn give_up(&mut self, code: &'static str, message: String) {
        let span = self.span();
        if !std::mem::replace(&mut self.gave_up, true) {
            self.mistakes.push(Mistake::new(code, span, message));
        }
        self.at = self.tokens.len();
    }

    fn node(&mut self, kind: Kind, span: Span) -> Expr {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            self.give_up("too_long", format!("the expression has more than {MAX_NODES} parts"));
        }
        Expr { kind, span }
    }

    fn deeper(&mut self, read: impl FnOnce(&mut Self) -> Expr) -> Expr {
        if self.depth >= MAX_DEPTH {
            self.give_up("too_deep", format!("nested deeper than {MAX_DEPTH} levels"));
            return Expr { kind: Kind::Broken, span: self.span() };
        }
        self.depth += 1;
        let expr = read(self);
        self.depth -= 1;
        expr
    }

    fn expr(&mut self) -> Expr {
        self.deeper(Self::choice)
    }

    fn choice(&mut self) -> Expr {
        let condition = self.or();
        if !self.take("?") {
            return condition;
        }
        let then = self.expr();
        if !self.take(":") {
            self.complain(self.span(), "`:` is expected after the first choice");
            return condition;
        }
        let other = self.expr();
        let span = condition.span.to(other.span);
        self.node(Kind::Choice(Box::new(condition), Box::new(then), Box::new(other)), span)
    }

    fn or(&mut self) -> Expr {
        self.chain(
            "||",
            Self::and,
            |parts| match parts {
                Kind::Or(parts) => Ok(parts),
                other => Err(other),
            },
            Kind::Or,
        )
    }

    fn and(&mut self) -> Expr {
        self.chain(
            "&&",
            |p| p.binary(3),
            |parts| match parts {
                Kind::And(parts) => Ok(parts),
                other => Err(other),
            },
            Kind::And,
        )
    }

    /// Reads `a && b && c` into one flat node, whatever the parentheses.
    fn chain(
        &mut self,
        symbol: &str,
        next: impl Fn(&mut Self) -> Expr,
        open: impl Fn(Kind) -> Result<Vec<Expr>, Kind>,
        close: fn(Vec<Expr>) -> Kind,
    ) -> Expr {
        let first = next(self);
        if !self.joins(symbol) {
            return first;
        }
        let mut span = first.span;
        let mut parts = Vec::new();
        let mut push = |expr: Expr| match open(expr.kind) {
            Ok(inner) => parts.extend(inner),
            Err(kind) => parts.push(Expr { kind, span: expr.span }),
        };
        push(first);
        loop {
            let part = next(self);
            span = span.to(part.span);
            push(part);
            if !self.joins(symbol) {
                return self.node(close(parts), span);
            }
        }
    }

    /// Takes `&&`, or `||`; a word in its stead is told and read as what was meant.
    fn joins(&mut self, symbol: &str) -> bool {
        if self.take(symbol) {
            return true;
        }
        let Token::Name(word) = self.peek() else { return false };
        if !word.eq_ignore_ascii_case(if symbol == "&&" { "and" } else { "or" }) {
            return false;
        }
        self.complain(self.span(), format!("write `{symbol}` instead of `{word}`"));
        self.at += 1;
        true
    }

    /// Operators that bind at least so tightly, by precedence climbing.
    fn binary(&mut self, least: u8) -> Expr {
        let mut left = self.unary();
        while let Some(operator) = self.operator().filter(|o| o.binding() >= least) {
            self.at += 1;
            let right = self.binary(operator.binding() + 1);
            let span = left.span.to(right.span);
            left = self.node(Kind::Binary(operator, Box::new(left), Box::new(right)), span);
        }
        left
    }

    fn operator(&self) -> Option<Operator> {
        Some(match self.peek() {
            Token::Name(name) if name == "in" => Operator::In,
            Token::Symbol("+") => Operator::Add,
            Token::Symbol("-") => Operator::Subtract,
            Token::Symbol("*") => Operator::Multiply,
            Token::Symbol("/") => Operator::Divide,
            Token::Symbol("%") => Operator::Remainder,
            Token::Symbol("==") => Operator::Equal,
            Token::Symbol("!=") => Operator::NotEqual,
            Token::Symbol("<") => Operator::Less,
            Token::Symbol("<=") => Operator::LessOrEqual,
            Token::Symbol(">") => Operator::Greater,
            Token::Symbol(">=") => Operator::GreaterOrEqual,
            _ => return None,
        })
    }

    fn unary(&mut self) -> Expr {
        let start = self.span();
        if self.take("!") {
            let inner = self.deeper(Self::unary);
            let span = start.to(inner.span);
            return self.node(Kind::Not(Box::new(inner)), span);
        }
        // `-1` is a constant.
        if self.peek() != &Token::Symbol("-") || self.is_constant() {
            return self.postfix();
        }
        self.at += 1;
        let inner = self.deeper(Self::unary);
        let span = start.to(inner.span);
        self.node(Kind::Negate(Box::new(inner)), span)
    }
}
