//! The functions of the language: what they take, and what they become.

use forebay_model::field::nearest;
use forebay_model::time::Timestamp;

use crate::ast::{Call, Expr, Kind as Ast, Literal};
use crate::check::{Checked, Checker, plain};
use crate::node::{Kind, TextTest};
use crate::pattern::Pattern;
use crate::scope::Part;
use crate::search::{MAX_LEAVES, Unsearchable, all_words};
use crate::span::Span;
use crate::types::{Shape, Type};
use crate::value::Const;
use crate::zone::{Piece, Zone, read_span};

/// Functions with their arguments in parentheses.
const GLOBAL: [&str; 9] =
    ["has", "size", "lower", "upper", "matches", "duration", "timestamp", "now", "search"];
/// Functions that are asked of a value before the dot.
const METHODS: [&str; 9] =
    ["startsWith", "endsWith", "contains", "matches", "size", "lower", "upper", "exists", "all"];

impl<'s> Checker<'s> {
    pub(crate) fn call(&mut self, call: &Call, span: Span) -> Checked<'s> {
        let name = call.name.as_str();
        let arguments = call.arguments.as_slice();
        let Some(target) = &call.target else {
            return match (name, arguments) {
                ("has", [field]) => self.presence(field, span),
                ("now", []) => plain(Kind::Now, Type::Time, span),
                ("duration", [text]) => self.duration(text, span),
                ("timestamp", [text]) => self.timestamp(text, span),
                ("search", [words]) => self.search(words, span),
                ("matches", [text, pattern]) => self.matches(text, pattern, span),
                ("size" | "lower" | "upper", [value]) => self.of_value(name, value, span),
                _ => self.no_such(call, span),
            };
        };
        match (name, arguments) {
            ("exists" | "all", [variable, body]) => {
                self.quantified(name == "all", target, [variable, body], span)
            }
            ("startsWith", [part]) => self.test(TextTest::StartsWith, target, part, span),
            ("endsWith", [part]) => self.test(TextTest::EndsWith, target, part, span),
            ("contains", [part]) => self.test(TextTest::Contains, target, part, span),
            ("matches", [pattern]) => self.matches(target, pattern, span),
            ("size" | "lower" | "upper", []) => self.of_value(name, target, span),
            (_, []) | (_, [_]) => match Piece::ALL.iter().find(|(known, _)| *known == name) {
                Some((_, piece)) => self.piece(*piece, target, arguments.first(), span),
                None => self.no_such(call, span),
            },
            _ => self.no_such(call, span),
        }
    }

    /// Says that a function does not exist, or not with these arguments.
    fn no_such(&mut self, call: &Call, span: Span) -> Checked<'s> {
        let name = call.name.as_str();
        let pieces = || Piece::ALL.iter().map(|(known, _)| *known);
        let known: Vec<&str> = match &call.target {
            Some(_) => METHODS.into_iter().chain(pieces()).collect(),
            None => GLOBAL.to_vec(),
        };
        let message = if known.contains(&name) {
            format!("`{name}` does not take {} arguments", call.arguments.len())
        } else if call.target.is_none() && (METHODS.contains(&name) || pieces().any(|p| p == name))
        {
            format!("`{name}` is asked of a value: `data.field.{name}(…)`")
        } else if call.target.is_some() && GLOBAL.contains(&name) {
            format!("`{name}` takes its value in the parentheses: `{name}(…)`")
        } else {
            let near = nearest(name, known.iter().copied());
            let hint = near.map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
            format!("there is no function `{name}`{hint}")
        };
        let at = if known.contains(&name) { span } else { call.at };
        self.refuse("unknown_function", at, message)
    }

    fn test(&mut self, test: TextTest, target: &Expr, part: &Expr, span: Span) -> Checked<'s> {
        let sides = [self.text_target(target, part), self.wanted(part, &Type::Text)];
        plain(Kind::Test(test, Box::new(sides)), Type::Bool, span)
    }

    /// A text before the dot; for an array, says what was meant.
    fn text_target(&mut self, target: &Expr, part: &Expr) -> crate::node::Node {
        let checked = self.check(target);
        if !checked.ty.fits(&Type::Text) {
            let what = self.name_of(target, &checked.ty);
            let hint = match checked.ty {
                Type::List(_) => format!("; write `{part} in {target}`"),
                _ => String::new(),
            };
            let message = format!("a string is expected, {what}{hint}");
            self.complain("type_mismatch", target.span, message);
        }
        checked.node
    }

    fn matches(&mut self, text: &Expr, pattern: &Expr, span: Span) -> Checked<'s> {
        let text = self.wanted(text, &Type::Text);
        let Ast::Literal(Literal::Text(pattern_text)) = &pattern.kind else {
            let message = "`matches` takes a constant pattern";
            return self.refuse("type_mismatch", pattern.span, message);
        };
        match Pattern::compile(pattern_text, self.pattern_bytes) {
            Ok(pattern) => {
                self.pattern_bytes = self.pattern_bytes.saturating_sub(pattern.size());
                plain(Kind::Matches(Box::new(text), pattern), Type::Bool, span)
            }
            Err(Some(message)) => {
                self.refuse("pattern_invalid", pattern.span, format!("the pattern: {message}"))
            }
            Err(None) => {
                // What follows is not compiled for nothing.
                self.pattern_bytes = 0;
                let message = "the pattern, with those before it, takes more than 1 MiB compiled";
                self.refuse("pattern_invalid", pattern.span, message)
            }
        }
    }

    fn of_value(&mut self, name: &str, value: &Expr, span: Span) -> Checked<'s> {
        if name != "size" {
            let node = Box::new(self.wanted(value, &Type::Text));
            let kind = if name == "lower" { Kind::Lower(node) } else { Kind::Upper(node) };
            return plain(kind, Type::Text, span);
        }
        let checked = self.check(value);
        match checked.ty {
            Type::Text | Type::List(_) | Type::Object | Type::Any | Type::Broken => {
                plain(Kind::Size(Box::new(checked.node)), Type::Int, span)
            }
            other => {
                let what = self.name_of(value, &other);
                self.refuse("type_mismatch", value.span, format!("{what} and has no size"))
            }
        }
    }

    fn duration(&mut self, text: &Expr, span: Span) -> Checked<'s> {
        let Ast::Literal(Literal::Text(literal)) = &text.kind else {
            let node = self.wanted(text, &Type::Text);
            return plain(Kind::ReadSpan(Box::new(node)), Type::Span, span);
        };
        match read_span(literal) {
            Some(micros) => plain(Kind::Const(Const::Span(micros)), Type::Span, span),
            None => {
                let message = "a duration is written 250ms, 10s, 5m, 1h30m or 7d";
                self.refuse("invalid", text.span, message)
            }
        }
    }

    fn timestamp(&mut self, text: &Expr, span: Span) -> Checked<'s> {
        if let Ast::Literal(Literal::Text(literal)) = &text.kind {
            return match Timestamp::parse(literal) {
                Ok(time) => plain(Kind::Const(Const::Time(time.micros())), Type::Time, span),
                Err(message) => self.refuse("invalid", text.span, message),
            };
        }
        let checked = self.check(text);
        match checked.ty {
            Type::Text | Type::Int | Type::Time | Type::Any | Type::Broken => {
                plain(Kind::ReadTime(Box::new(checked.node)), Type::Time, span)
            }
            other => {
                let what = self.name_of(text, &other);
                self.refuse("type_mismatch", text.span, format!("a string is expected, {what}"))
            }
        }
    }

    fn piece(
        &mut self,
        piece: Piece,
        target: &Expr,
        zone: Option<&Expr>,
        span: Span,
    ) -> Checked<'s> {
        let checked = self.check(target);
        let good = match checked.ty {
            Type::Time | Type::Any | Type::Broken => true,
            Type::Span => piece.of_span() && zone.is_none(),
            _ => false,
        };
        if !good {
            let what = self.name_of(target, &checked.ty);
            return self.refuse(
                "type_mismatch",
                target.span,
                format!("a time is expected, {what}"),
            );
        }
        let zone = match zone.map(|zone| (&zone.kind, zone.span)) {
            None => Zone::UTC,
            Some((Ast::Literal(Literal::Text(name)), at)) => match Zone::find(name) {
                Some(zone) => zone,
                None => {
                    let message = format!("`{name}` is no zone such as Europe/Berlin or +02:00");
                    return self.refuse("zone_invalid", at, message);
                }
            },
            Some((_, at)) => return self.refuse("type_mismatch", at, "a zone is a constant text"),
        };
        plain(Kind::Piece(piece, Box::new(checked.node), zone), Type::Int, span)
    }

    fn search(&mut self, words: &Expr, span: Span) -> Checked<'s> {
        let Ast::Literal(Literal::Text(text)) = &words.kind else {
            return self.refuse("type_mismatch", words.span, "`search` takes a constant text");
        };
        let fields = self.scope.schema.map(forebay_model::search::fields).unwrap_or_default();
        match all_words(text, &fields.into(), &mut self.paths) {
            Ok(wants) => plain(Kind::Words(wants), Type::Bool, span),
            Err(Unsearchable::NoField) => {
                let message =
                    "this stream cannot be searched: no field has `\"x-search\": \"text\"`";
                self.refuse("unsupported", span, message)
            }
            Err(Unsearchable::NoWord) => {
                self.refuse("no_word", words.span, "there is no word in this text")
            }
            Err(Unsearchable::TooMany) => {
                let message = format!("at most {MAX_LEAVES} words are searched for");
                self.refuse("too_long", words.span, message)
            }
        }
    }

    /// `list.exists(x, condition)` and `list.all(x, condition)`.
    fn quantified(
        &mut self,
        every: bool,
        list: &Expr,
        [variable, body]: [&Expr; 2],
        span: Span,
    ) -> Checked<'s> {
        let checked = self.check(list);
        let (element, shape) = match checked.ty {
            Type::List(element) => (*element, checked.shape.items()),
            Type::Any | Type::Broken => (Type::Any, Shape::OPEN),
            other => {
                let what = self.name_of(list, &other);
                return self.refuse(
                    "type_mismatch",
                    list.span,
                    format!("an array is expected, {what}"),
                );
            }
        };
        let Ast::Name(name) = &variable.kind else {
            let message = "a name for the elements is expected: `.exists(x, x == 1)`";
            return self.refuse("type_mismatch", variable.span, message);
        };
        if self.is_taken(name) {
            let message = format!("`{name}` has a meaning already; choose another name");
            return self.refuse("name_taken", variable.span, message);
        }
        self.variables.push((name.clone(), element.clone(), shape));
        let body = self.wanted(body, &Type::Bool);
        self.variables.pop();
        let parts = Box::new([checked.node, body]);
        plain(Kind::Quantified { every, parts, element }, Type::Bool, span)
    }

    fn is_taken(&self, name: &str) -> bool {
        let record = self.scope.schema.is_some()
            && (name == "data" || Part::ALL.iter().any(|(known, _)| *known == name));
        record
            || name == "auth"
            || self.variables.iter().any(|(known, ..)| known == name)
            || self.scope.given.iter().any(|(known, _)| known == name)
    }
}
