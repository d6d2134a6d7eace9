//! The tree of a parsed text: what was written, not yet what it means.

use crate::span::Span;

/// A part of an expression and where it stands. Two are equal when they say the same.
#[derive(Debug, Clone)]
pub struct Expr {
    /// What it says.
    pub kind: Kind,
    /// Where it stands.
    pub span: Span,
}

impl PartialEq for Expr {
    fn eq(&self, other: &Expr) -> bool {
        self.kind == other.kind
    }
}

/// What a part of an expression says.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// A constant.
    Literal(Literal),
    /// `[a, b]`.
    List(Vec<Expr>),
    /// A bare name: `data`, `time`, a variable of `exists`.
    Name(String),
    /// `a.b`, and `a["b c"]`.
    Member(Box<Expr>, String),
    /// `a[0]`.
    Index(Box<Expr>, Box<Expr>),
    /// `f(x)`, `x.f(y)`.
    Call(Call),
    /// `!a`.
    Not(Box<Expr>),
    /// `-a`.
    Negate(Box<Expr>),
    /// `a + b`, `a < b`, `a in b`.
    Binary(Operator, Box<Expr>, Box<Expr>),
    /// `a && b && c`, flat.
    And(Vec<Expr>),
    /// `a || b || c`, flat.
    Or(Vec<Expr>),
    /// `a ? b : c`.
    Choice(Box<Expr>, Box<Expr>, Box<Expr>),
    /// What could not be read; the mistake is told elsewhere.
    Broken,
}

/// A constant.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    /// `true`.
    Bool(bool),
    /// `-7`.
    Int(i64),
    /// `1.5`.
    Double(f64),
    /// `"text"`.
    Text(String),
}

/// A call of a function, or of a method of its target.
#[derive(Debug, Clone)]
pub struct Call {
    /// Before the dot.
    pub target: Option<Box<Expr>>,
    /// The function's name.
    pub name: String,
    /// Where the name stands.
    pub at: Span,
    /// What stands in the parentheses.
    pub arguments: Vec<Expr>,
}

impl PartialEq for Call {
    fn eq(&self, other: &Call) -> bool {
        (&self.target, &self.name, &self.arguments)
            == (&other.target, &other.name, &other.arguments)
    }
}

/// An operator with two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `%`
    Remainder,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `in`
    In,
}

impl Operator {
    /// As it is written.
    pub const fn symbol(self) -> &'static str {
        match self {
            Operator::Add => "+",
            Operator::Subtract => "-",
            Operator::Multiply => "*",
            Operator::Divide => "/",
            Operator::Remainder => "%",
            Operator::Equal => "==",
            Operator::NotEqual => "!=",
            Operator::Less => "<",
            Operator::LessOrEqual => "<=",
            Operator::Greater => ">",
            Operator::GreaterOrEqual => ">=",
            Operator::In => "in",
        }
    }

    /// How tightly it binds: a higher number binds first.
    pub(crate) const fn binding(self) -> u8 {
        match self {
            Operator::Multiply | Operator::Divide | Operator::Remainder => 5,
            Operator::Add | Operator::Subtract => 4,
            _ => 3,
        }
    }
}
