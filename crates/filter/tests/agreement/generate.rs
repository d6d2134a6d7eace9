//! Random filters, as trees, that are mostly of the right types.

use forebay_filter::ast::{Expr, Kind, Literal, Operator};

use super::rng::Rng;
use super::shape::{DOUBLES, Field, INTS, Search, Shape, TEXTS};
use super::trees::{
    below, binary, call, chain, expr, int, is_indexed, members, method, name, text,
};
use super::words::searched;

pub(crate) const PATTERNS: [&str; 12] =
    ["", "a", "^a", "b$", "^$", "(?i)A", r"\d+", r"^\w*$", "[^a]", r"a|é", r"\p{L}{2}", "(?s)x.y"];
pub(crate) const ZONES: [&str; 4] = ["UTC", "+02:00", "-0530", "Europe/Berlin"];
const TIMES: [&str; 8] = [
    "2026-03-29T00:59:59.999999Z",
    "2026-10-25T02:30:00+02:00",
    "1970-01-01T00:00:00Z",
    "1969-12-31T23:59:59.5Z",
    "0001-01-01T00:00:00Z",
    "9999-12-30T22:00:00Z",
    "2024-02-29T12:00:00-05:30",
    "2026-11-25T11:58:00.123456789Z",
];
const SPANS: [&str; 9] = ["0", "1s", "-1s", "1h30m", "7d", "250ms", "1.5s", "999ns", "106751991d"];
const PIECES: [&str; 10] = [
    "getFullYear",
    "getMonth",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getHours",
    "getMinutes",
    "getSeconds",
    "getMilliseconds",
];
/// What parts of times are, at the times above.
const PARTS: [i64; 18] = [0, 1, 2, 3, 4, 11, 23, 24, 27, 28, 29, 58, 59, 87, 297, 364, 999, 2026];
const COMPARISONS: [Operator; 6] = [
    Operator::Equal,
    Operator::NotEqual,
    Operator::Less,
    Operator::LessOrEqual,
    Operator::Greater,
    Operator::GreaterOrEqual,
];
const ARITHMETIC: [Operator; 5] =
    [Operator::Add, Operator::Subtract, Operator::Multiply, Operator::Divide, Operator::Remainder];

/// What filters are made of.
pub(crate) struct Generator<'g> {
    pub(crate) rng: &'g mut Rng,
    fields: &'g [Field],
    variables: Vec<(String, Shape)>,
    /// Whether there is a field with words.
    searches: bool,
}

impl<'g> Generator<'g> {
    pub(crate) fn new(rng: &'g mut Rng, fields: &'g [Field]) -> Self {
        let mut searched = searched(fields).into_iter();
        let searches = searched.any(|(_, s)| matches!(s, Search::Text | Search::English));
        Generator { rng, fields, variables: Vec::new(), searches }
    }

    /// A condition, so many levels deep.
    pub(crate) fn condition(&mut self, depth: usize) -> Expr {
        if depth == 0 {
            return self.comparison(0);
        }
        let below = depth - 1;
        if self.searches && self.rng.chance(15) {
            return self.search();
        }
        match self.rng.below(22) {
            0..=5 => self.comparison(below),
            6 | 7 => self.membership(below),
            8 | 9 => self.text_test(below),
            10 | 11 => self.quantified(below),
            12 => self.presence(),
            13 => self.place(|shape| matches!(shape, Shape::Bool | Shape::Any)),
            14 | 15 => expr(Kind::Not(Box::new(self.condition(below)))),
            16 => self.choice(below, Self::condition),
            17 => expr(Kind::Literal(Literal::Bool(self.rng.chance(50)))),
            _ => {
                let parts = (0..2 + self.rng.below(2)).map(|_| self.condition(below)).collect();
                chain(parts, self.rng.chance(50))
            }
        }
    }

    /// A condition of such leaves as an engine may answer.
    pub(crate) fn narrow(&mut self, depth: usize) -> Expr {
        if self.rng.chance(25) {
            let below = self.narrow(depth.saturating_sub(1));
            return expr(Kind::Not(Box::new(below)));
        }
        if depth == 0 {
            let words = self.searches && self.rng.chance(30);
            return if words { self.search() } else { self.leaf() };
        }
        let parts = (0..2 + self.rng.below(2)).map(|_| self.narrow(depth - 1)).collect();
        chain(parts, self.rng.chance(50))
    }

    fn search(&mut self) -> Expr {
        call("search", vec![text(&super::words::asked(self.rng))])
    }

    /// A test of an indexed field, or of what each record has.
    fn leaf(&mut self) -> Expr {
        let mut indexed = Vec::new();
        members(&name("data"), self.fields, &mut indexed);
        indexed.retain(|(place, _)| is_indexed(place, self.fields));
        if indexed.is_empty() || self.rng.chance(15) {
            return self.comparison(0);
        }
        let (place, shape) = indexed.swap_remove(self.rng.below(indexed.len()));
        let text = shape == Shape::Text;
        let mut constant = || match shape {
            Shape::Text => self.constant_text(),
            Shape::Bool => expr(Kind::Literal(Literal::Bool(self.rng.chance(50)))),
            _ => self.constant_number(),
        };
        let (one, few) = (constant(), (0..4).map(|_| constant()).collect());
        match self.rng.below(10) {
            0 => call("has", vec![place]),
            1 | 2 => binary(Operator::In, place, expr(Kind::List(few))),
            3 | 4 if text => method(place, "startsWith", vec![one]),
            5 if shape == Shape::Bool => place,
            6 => binary(self.rng.pick(&COMPARISONS), one, place),
            7 if text => binary(self.rng.pick(&COMPARISONS), place, self.text(0)),
            7 if shape != Shape::Bool => binary(self.rng.pick(&COMPARISONS), place, self.number(0)),
            _ => binary(self.rng.pick(&COMPARISONS), place, one),
        }
    }

    fn comparison(&mut self, depth: usize) -> Expr {
        let operator = self.rng.pick(&COMPARISONS);
        let (left, right) = match self.rng.below(13) {
            12 => (self.piece(depth), int(self.rng.pick(&PARTS))),
            0..=4 => (self.number(depth), self.number(depth)),
            5..=7 => (self.text(depth), self.text(depth)),
            8 | 9 => (self.time(depth), self.time(depth)),
            10 => (self.span(depth), self.span(depth)),
            _ => (self.boolean(depth), self.boolean(depth)),
        };
        binary(operator, left, right)
    }

    fn boolean(&mut self, depth: usize) -> Expr {
        match self.rng.below(3) {
            0 => expr(Kind::Literal(Literal::Bool(self.rng.chance(50)))),
            1 if depth > 0 => self.condition(depth - 1),
            _ => self.place(|shape| matches!(shape, Shape::Bool | Shape::Any)),
        }
    }

    fn membership(&mut self, depth: usize) -> Expr {
        if self.rng.chance(30) {
            let list = self.place(|shape| matches!(shape, Shape::List(_)));
            let value = if self.rng.chance(50) { self.number(depth) } else { self.text(depth) };
            return binary(Operator::In, value, list);
        }
        let texts = self.rng.chance(40);
        let one = |constant: bool, g: &mut Self| match (texts, constant) {
            (true, true) => g.constant_text(),
            (true, false) => g.text(depth),
            (false, true) => g.constant_number(),
            (false, false) => g.number(depth),
        };
        let value = one(false, self);
        let count = self.rng.below(5);
        let all_constant = self.rng.chance(70);
        let items = (0..count).map(|_| {
            let constant = all_constant || self.rng.chance(50);
            one(constant, self)
        });
        let list = expr(Kind::List(items.collect()));
        binary(Operator::In, value, list)
    }

    fn text_test(&mut self, depth: usize) -> Expr {
        let target = self.text(depth);
        match self.rng.below(5) {
            0 | 1 => method(target, "startsWith", vec![self.text(0)]),
            2 => method(target, "endsWith", vec![self.text(0)]),
            3 => method(target, "contains", vec![self.text(0)]),
            _ => {
                let pattern = text(self.rng.pick(&PATTERNS));
                if self.rng.chance(50) {
                    return call("matches", vec![target, pattern]);
                }
                method(target, "matches", vec![pattern])
            }
        }
    }

    fn quantified(&mut self, depth: usize) -> Expr {
        let mut shape = Shape::Any;
        let list = self.place(|found| match found {
            Shape::List(element) => {
                shape = (**element).clone();
                true
            }
            _ => false,
        });
        let variable = format!("v{}", self.variables.len());
        self.variables.push((variable.clone(), shape));
        let body = self.condition(depth);
        self.variables.pop();
        let quantifier = if self.rng.chance(50) { "exists" } else { "all" };
        method(list, quantifier, vec![name(&variable), body])
    }

    fn presence(&mut self) -> Expr {
        call("has", vec![self.member(|_| true)])
    }

    fn choice(&mut self, depth: usize, of: fn(&mut Self, usize) -> Expr) -> Expr {
        let condition = Box::new(self.condition(depth));
        let (then, other) = (Box::new(of(self, depth)), Box::new(of(self, depth)));
        expr(Kind::Choice(condition, then, other))
    }

    fn constant_number(&mut self) -> Expr {
        if self.rng.chance(60) {
            return int(self.rng.pick(&INTS));
        }
        expr(Kind::Literal(Literal::Double(self.rng.pick(&DOUBLES))))
    }

    fn number(&mut self, depth: usize) -> Expr {
        let is_number = |shape: &Shape| matches!(shape, Shape::Int | Shape::Double | Shape::Any);
        if depth == 0 {
            let constant = self.rng.chance(45);
            return if constant { self.constant_number() } else { self.place(is_number) };
        }
        let below = depth - 1;
        match self.rng.below(14) {
            0..=2 => self.constant_number(),
            3..=6 => self.place(is_number),
            7 | 8 => {
                let operator = self.rng.pick(&ARITHMETIC);
                binary(operator, self.number(below), self.number(below))
            }
            9 => {
                let number = self.number(below);
                expr(Kind::Negate(Box::new(number)))
            }
            10 => {
                let sized = match self.rng.below(3) {
                    0 => self.text(below),
                    _ => self.place(|shape| matches!(shape, Shape::List(_) | Shape::Object(_))),
                };
                call("size", vec![sized])
            }
            11 => self.piece(below),
            12 => name(if self.rng.chance(50) { "seq" } else { "version" }),
            _ => self.choice(below, Self::number),
        }
    }

    fn piece(&mut self, depth: usize) -> Expr {
        if self.rng.chance(20) {
            let piece = self.rng.pick(&PIECES[6..]);
            return method(self.span(depth), piece, Vec::new());
        }
        let zone = self.rng.chance(60).then(|| text(self.rng.pick(&ZONES)));
        let piece = self.rng.pick(&PIECES);
        method(self.time(depth), piece, zone.into_iter().collect())
    }

    fn constant_text(&mut self) -> Expr {
        text(self.rng.pick(&TEXTS))
    }

    fn text(&mut self, depth: usize) -> Expr {
        let is_text = |shape: &Shape| matches!(shape, Shape::Text | Shape::Any);
        if depth == 0 {
            let constant = self.rng.chance(40);
            return if constant { self.constant_text() } else { self.place(is_text) };
        }
        let below = depth - 1;
        match self.rng.below(12) {
            0 | 1 => self.constant_text(),
            2..=6 => self.place(is_text),
            7 => binary(Operator::Add, self.text(below), self.text(below)),
            8 => call("lower", vec![self.text(below)]),
            9 => method(self.text(below), "upper", Vec::new()),
            10 => match self.rng.below(3) {
                0 => name("id"),
                1 => expr(Kind::Member(Box::new(name("auth")), "user_id".to_owned())),
                _ => expr(Kind::Member(Box::new(name("auth")), "email".to_owned())),
            },
            _ => self.choice(below, Self::text),
        }
    }

    fn time(&mut self, depth: usize) -> Expr {
        let simple = self.rng.below(if depth == 0 { 6 } else { 9 });
        match simple {
            0 | 1 => name("time"),
            2 => name("received_at"),
            3 => call("now", Vec::new()),
            4 | 5 => call("timestamp", vec![text(self.rng.pick(&TIMES))]),
            6 => call("timestamp", vec![self.text(depth - 1)]),
            7 => call("timestamp", vec![int(self.rng.pick(&INTS))]),
            _ => {
                let plus = self.rng.chance(50);
                let operator = if plus { Operator::Add } else { Operator::Subtract };
                binary(operator, self.time(depth - 1), self.span(depth - 1))
            }
        }
    }

    fn span(&mut self, depth: usize) -> Expr {
        match self.rng.below(if depth == 0 { 3 } else { 7 }) {
            0..=2 => call("duration", vec![text(self.rng.pick(&SPANS))]),
            3 => call("duration", vec![self.text(depth - 1)]),
            4 => binary(Operator::Subtract, self.time(depth - 1), self.time(depth - 1)),
            5 => binary(Operator::Add, self.span(depth - 1), self.span(depth - 1)),
            _ => {
                let span = self.span(depth - 1);
                expr(Kind::Negate(Box::new(span)))
            }
        }
    }

    /// A field, a variable, a member or an element of the shape that is asked for; where there is
    /// none, any. The last shape that was found good is that of the place.
    fn place(&mut self, mut good: impl FnMut(&Shape) -> bool) -> Expr {
        let places = self.places();
        let fitting: Vec<usize> = (0..places.len()).filter(|at| good(&places[*at].1)).collect();
        if fitting.is_empty() {
            return places[self.rng.below(places.len())].0.clone();
        }
        let (place, shape) = &places[self.rng.pick(&fitting)];
        good(shape);
        place.clone()
    }

    /// The same, but a member.
    fn member(&mut self, good: impl Fn(&Shape) -> bool) -> Expr {
        loop {
            let place = self.place(&good);
            if matches!(place.kind, Kind::Member(..)) {
                return place;
            }
        }
    }

    /// All that can be named here, with its shape.
    fn places(&mut self) -> Vec<(Expr, Shape)> {
        let mut found = Vec::new();
        members(&name("data"), self.fields, &mut found);
        for (variable, shape) in &self.variables {
            below(name(variable), shape, &mut found);
        }
        let index = i64::try_from(self.rng.below(3)).unwrap();
        for at in 0..found.len() {
            let (list, shape) = &found[at];
            if let Shape::List(element) = shape {
                let element = (**element).clone();
                let item = Kind::Index(Box::new(list.clone()), Box::new(int(index)));
                below(expr(item), &element, &mut found);
            }
        }
        found
    }
}
