//! A checked expression: every name is resolved, every constant read, every pattern compiled.

use crate::ast::Operator;
use crate::pattern::Pattern;
use crate::scope::{AuthPart, Part};
use crate::span::Span;
use crate::types::Type;
use crate::value::Const;
use crate::zone::{Piece, Zone};

/// A part of a checked expression and where it stood.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    pub(crate) span: Span,
}

#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Const(Const),
    /// A field of `data`, by its slot.
    Data(usize),
    Part(Part),
    Auth(AuthPart),
    /// A value that is given by name.
    Given(usize),
    /// A variable of `exists` or `all`, counted from the outermost.
    Variable(usize),
    Member(Box<Node>, String, Type),
    Index(Box<[Node; 2]>, Type),
    Not(Box<Node>),
    And(Vec<Node>),
    Or(Vec<Node>),
    Choice(Box<[Node; 3]>),
    Compare(Operator, Box<[Node; 2]>),
    Arithmetic(Operator, Box<[Node; 2]>),
    Negate(Box<Node>),
    /// Whether a value is one of some constants.
    Among(Box<Node>, Vec<Const>),
    /// Whether the first is one of the others.
    OneOf(Vec<Node>),
    /// Whether a value is an element of an array.
    In(Box<[Node; 2]>, Type),
    /// Whether a field of `data` is there and not null.
    Has(usize),
    /// The same of a member of a variable.
    HasMember(Box<Node>, String),
    /// `exists`, or `all` when `every`: list, body, the elements' type.
    Quantified {
        every: bool,
        parts: Box<[Node; 2]>,
        element: Type,
    },
    Test(TextTest, Box<[Node; 2]>),
    Matches(Box<Node>, Pattern),
    Lower(Box<Node>),
    Upper(Box<Node>),
    Size(Box<Node>),
    Now,
    ReadSpan(Box<Node>),
    ReadTime(Box<Node>),
    Piece(Piece, Box<Node>, Zone),
    /// What the stream's search fields have: all of some wants, by their numbers.
    Words(Vec<usize>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextTest {
    StartsWith,
    EndsWith,
    Contains,
}

impl Node {
    pub(crate) fn new(kind: Kind, span: Span) -> Node {
        Node { kind, span }
    }

    /// What stands directly below.
    pub(crate) fn below(&self) -> &[Node] {
        match &self.kind {
            Kind::And(parts) | Kind::Or(parts) | Kind::OneOf(parts) => parts,
            Kind::Choice(parts) => parts.as_slice(),
            Kind::Compare(_, parts)
            | Kind::Arithmetic(_, parts)
            | Kind::In(parts, _)
            | Kind::Index(parts, _)
            | Kind::Quantified { parts, .. }
            | Kind::Test(_, parts) => parts.as_slice(),
            Kind::Member(node, ..)
            | Kind::Not(node)
            | Kind::Negate(node)
            | Kind::Among(node, _)
            | Kind::HasMember(node, _)
            | Kind::Matches(node, _)
            | Kind::Lower(node)
            | Kind::Upper(node)
            | Kind::Size(node)
            | Kind::ReadSpan(node)
            | Kind::ReadTime(node)
            | Kind::Piece(_, node, _) => std::slice::from_ref(node),
            _ => &[],
        }
    }
}
