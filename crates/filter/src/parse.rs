//! From tokens to a tree; goes on after a mistake, so that several are told at once.

use crate::ast::{Call, Expr, Kind, Literal, Operator};
use crate::lex::{Lexer, Token};
use crate::mistake::{Mistake, Mistakes};
use crate::span::Span;
use crate::{MAX_BYTES, MAX_DEPTH, MAX_LIST, MAX_NODES};

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

    fn complain(&mut self, span: Span, message: impl Into<String>) {
        if !self.gave_up {
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
        if !matches!(self.peek(), Token::Symbol(s) if *s == symbol) {
            return first;
        }
        let mut span = first.span;
        let mut parts = Vec::new();
        let mut push = |expr: Expr| match open(expr.kind) {
            Ok(inner) => parts.extend(inner),
            Err(kind) => parts.push(Expr { kind, span: expr.span }),
        };
        push(first);
        while self.take(symbol) {
            let part = next(self);
            span = span.to(part.span);
            push(part);
        }
        self.node(close(parts), span)
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
        if !self.take("-") {
            return self.postfix();
        }
        let (token, end) = (self.peek().clone(), self.span());
        let literal = match token {
            Token::Int(n) => 0_i64.checked_sub_unsigned(n).map(Literal::Int),
            Token::Double(d) => Some(Literal::Double(-d)),
            _ => {
                let inner = self.deeper(Self::unary);
                let span = start.to(inner.span);
                return self.node(Kind::Negate(Box::new(inner)), span);
            }
        };
        self.at += 1;
        let span = start.to(end);
        let Some(literal) = literal else {
            self.complain(span, "an integer beyond 64 bits");
            return self.node(Kind::Broken, span);
        };
        let number = self.node(Kind::Literal(literal), span);
        self.tail(number)
    }

    fn postfix(&mut self) -> Expr {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn places(source: &str) -> Vec<(u64, String)> {
        let mistakes = parse(source).unwrap_err();
        mistakes.all.iter().map(|m| (mistakes.place(m).0, m.message.clone())).collect()
    }

    #[test]
    fn what_is_printed_is_read_back_as_the_same() {
        for (source, printed) in [
            ("a&&b  &&(c&&d)", "a && b && c && d"),
            ("(a || b) && !c", "(a || b) && !c"),
            ("!(a == 1)", "!(a == 1)"),
            ("a - (b - c) - d", "a - (b - c) - d"),
            ("(a + b) * -c % 2", "(a + b) * -c % 2"),
            ("-9223372036854775808", "-9223372036854775808"),
            ("1 - -1", "1 - -1"),
            ("(-1).f()", "(-1).f()"),
            ("-(-x)", "-(-x)"),
            ("data['a b'].c[0].d", "data[\"a b\"].c[0].d"),
            ("a ? b : c ? d : e", "a ? b : c ? d : e"),
            ("(a ? b : c) ? d : e", "(a ? b : c) ? d : e"),
            ("(a ? b : c) && d", "(a ? b : c) && d"),
            ("x.exists(t, t == 'p\\n\\u00e9\"')", "x.exists(t, t == \"p\\né\\\"\")"),
            ("a in [1, 2.0, 1e300, -0.5]", "a in [1, 2.0, 1e300, -0.5]"),
            ("(a == b) == (c in d)", "a == b == (c in d)"),
            ("r'\\d' // a comment\n", "\"\\\\d\""),
            ("0x10 + .5", "16 + 0.5"),
            ("'\u{85}\u{7}'", "\"\\u0085\\u0007\""),
        ] {
            let read = parse(source).unwrap_or_else(|m| panic!("{source}: {m:?}"));
            assert_eq!(read.to_string(), printed);
            assert_eq!(parse(printed).unwrap(), read, "{source}");
        }
    }

    #[test]
    fn several_mistakes_are_told_at_once() {
        assert_eq!(
            places("data.a = 1 && (data.b >) && data.c == null"),
            [
                (8, "`=` is no operator here; did you mean `==`?".to_owned()),
                (24, "a value is expected before `)`".to_owned()),
                (39, "there is no null; ask `has(data.field)`".to_owned()),
            ]
        );
        for (source, column) in [
            ("", 1),
            ("a b", 3),
            ("a &&", 5),
            ("(a", 3),
            ("a)", 2),
            ("f(a,", 5),
            ("[1, 2", 6),
            ("'abc", 1),
            ("\"é\" + 'x\\q'", 9),
            ("a.", 3),
            ("a ? b", 6),
            ("9223372036854775808", 1),
            ("12ab", 1),
            ("1u", 1),
            ("1e999", 1),
            ("a and b", 3),
            ("'\\u0000'", 1),
            ("{}", 1),
        ] {
            assert_eq!(places(source)[0].0, column, "{source}: {:?}", places(source));
        }
    }

    #[test]
    fn hostile_texts_end_soon() {
        for source in [
            "(".repeat(4096),
            "[".repeat(4096),
            "!".repeat(4096),
            "-".repeat(4096),
            "a?".repeat(2048),
            "a.b".repeat(1000),
            "a+".repeat(2000),
            "a&&".repeat(1300),
            format!("[{}]", "1,".repeat(1500)),
            "f(".repeat(2000),
            "\"\\".repeat(2000),
            "🦀".repeat(1000),
            "x".repeat(5000),
            "é".repeat(5000),
        ] {
            assert!(parse(&source).is_err(), "{}", &source[..20]);
        }
        assert!(parse(&format!("a in [{}1]", "1,".repeat(999))).is_ok());
        assert!(parse(&format!("{}a{}", "(".repeat(31), ")".repeat(31))).is_ok());
    }
}
