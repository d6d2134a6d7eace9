//! Resolves names and types: what is left can be evaluated without another question.

use crate::arithmetic;
use crate::ast::{Expr, Kind as Ast, Literal, Operator};
use crate::fields::Paths;
use crate::mistake::Mistake;
use crate::node::{Kind, Node};
use crate::places::Place;
use crate::scope::Scope;
use crate::span::Span;
use crate::types::{Shape, Type};
use crate::value::Const;
use crate::{MAX_LIST, MAX_PATTERNS};

/// A checked part: what it does, its type, and what the schema says below it.
pub(crate) struct Checked<'s> {
    pub(crate) node: Node,
    pub(crate) ty: Type,
    pub(crate) shape: Shape<'s>,
}

pub(crate) struct Checker<'s> {
    pub(crate) source: &'s str,
    pub(crate) scope: Scope<'s>,
    pub(crate) paths: Paths,
    /// Of `exists` and `all`, the innermost last.
    pub(crate) variables: Vec<(String, Type, Shape<'s>)>,
    /// What its patterns may still take.
    pub(crate) pattern_bytes: usize,
    pub(crate) mistakes: Vec<Mistake>,
}

impl<'s> Checker<'s> {
    pub(crate) fn new(source: &'s str, scope: Scope<'s>) -> Self {
        Checker {
            source,
            scope,
            paths: Paths::new(),
            variables: Vec::new(),
            pattern_bytes: MAX_PATTERNS,
            mistakes: Vec::new(),
        }
    }

    pub(crate) fn root(&mut self, expr: &Expr) -> (Node, Type) {
        let checked = self.check(expr);
        (checked.node, checked.ty)
    }

    pub(crate) fn complain(&mut self, code: &'static str, span: Span, message: impl Into<String>) {
        self.mistakes.push(Mistake::new(code, span, message));
    }

    /// What is left of a part that is wrong.
    pub(crate) fn broken(&self, span: Span) -> Checked<'s> {
        plain(Kind::Const(Const::Bool(false)), Type::Broken, span)
    }

    /// Complains, and leaves a broken part.
    pub(crate) fn refuse(
        &mut self,
        code: &'static str,
        span: Span,
        message: impl Into<String>,
    ) -> Checked<'s> {
        self.complain(code, span, message);
        self.broken(span)
    }

    pub(crate) fn check(&mut self, expr: &Expr) -> Checked<'s> {
        let span = expr.span;
        match &expr.kind {
            Ast::Literal(literal) => {
                let constant = constant(literal);
                let ty = constant.ty();
                plain(Kind::Const(constant), ty, span)
            }
            Ast::Name(_) | Ast::Member(..) => match self.place(expr) {
                Place::Other(checked) => checked,
                Place::Data(path, ..) if path.is_empty() => {
                    let message = "`data` is all that was sent: name a field, e.g. `data.name`";
                    self.refuse("type_mismatch", span, message)
                }
                Place::Data(path, ty, shape) => {
                    let slot = self.paths.slot(&path, ty.clone());
                    Checked { node: Node::new(Kind::Data(slot), span), ty, shape }
                }
            },
            Ast::Index(target, index) => self.index(target, index, span),
            Ast::Call(call) => self.call(call, span),
            Ast::Not(inner) => {
                let node = self.wanted(inner, &Type::Bool);
                plain(Kind::Not(Box::new(node)), Type::Bool, span)
            }
            Ast::Negate(inner) => self.negate(inner, span),
            Ast::And(parts) => plain(Kind::And(self.conditions(parts)), Type::Bool, span),
            Ast::Or(parts) => plain(Kind::Or(self.conditions(parts)), Type::Bool, span),
            Ast::Choice(condition, then, other) => self.choice(condition, [then, other], span),
            Ast::Binary(Operator::In, left, right) => self.membership(left, right, span),
            Ast::Binary(operator, left, right) => self.binary(*operator, left, right, span),
            Ast::List(_) => {
                let message = "a list stands behind `in` only: `data.region in [\"eu\", \"us\"]`";
                self.refuse("type_mismatch", span, message)
            }
            Ast::Broken => self.broken(span),
        }
    }

    /// Checks a part that must be of a type.
    pub(crate) fn wanted(&mut self, expr: &Expr, wanted: &Type) -> Node {
        let checked = self.check(expr);
        if !checked.ty.fits(wanted) {
            let what = self.name_of(expr, &checked.ty);
            self.complain("type_mismatch", expr.span, format!("{wanted} is expected, {what}"));
        }
        checked.node
    }

    fn conditions(&mut self, parts: &[Expr]) -> Vec<Node> {
        parts.iter().map(|part| self.wanted(part, &Type::Bool)).collect()
    }

    /// `` `data.n` is an integer ``.
    pub(crate) fn name_of(&self, expr: &Expr, ty: &Type) -> String {
        let text = expr.span.of(self.source);
        let short = text.char_indices().nth(60).map_or(text, |(end, _)| &text[..end]);
        format!("`{short}` is {ty}")
    }

    fn index(&mut self, target: &Expr, index: &Expr, span: Span) -> Checked<'s> {
        let target = self.check(target);
        let at = self.wanted(index, &Type::Int);
        let (ty, shape) = match target.ty {
            Type::List(element) => (*element, target.shape.items()),
            Type::Any => (Type::Any, Shape::OPEN),
            Type::Broken => return self.broken(span),
            other => {
                return self.refuse("type_mismatch", span, format!("{other} has no elements"));
            }
        };
        let kind = Kind::Index(Box::new([target.node, at]), ty.clone());
        Checked { node: Node::new(kind, span), ty, shape }
    }

    fn negate(&mut self, inner: &Expr, span: Span) -> Checked<'s> {
        let checked = self.check(inner);
        match checked.ty {
            Type::Int | Type::Double | Type::Span | Type::Any | Type::Broken => {
                plain(Kind::Negate(Box::new(checked.node)), checked.ty, span)
            }
            other => {
                let what = self.name_of(inner, &other);
                self.refuse("type_mismatch", inner.span, format!("a number is expected, {what}"))
            }
        }
    }

    fn choice(&mut self, condition: &Expr, branches: [&Expr; 2], span: Span) -> Checked<'s> {
        let condition = self.wanted(condition, &Type::Bool);
        let [then, other] = branches.map(|branch| self.check(branch));
        let ty = match (&then.ty, &other.ty) {
            (a, b) if a == b => a.clone(),
            (Type::Broken, _) | (_, Type::Broken) => Type::Broken,
            (Type::Any, _) | (_, Type::Any) => Type::Any,
            (a, b) if a.is_number() && b.is_number() => Type::Double,
            (a, b) => {
                let message = format!("both choices are of one type, these are {a} and {b}");
                return self.refuse("type_mismatch", span, message);
            }
        };
        plain(Kind::Choice(Box::new([condition, then.node, other.node])), ty, span)
    }

    fn binary(&mut self, operator: Operator, left: &Expr, right: &Expr, span: Span) -> Checked<'s> {
        let (a, b) = (self.check(left), self.check(right));
        let sides = Box::new([a.node, b.node]);
        if operator.binding() == 3 {
            if !a.ty.compares(&b.ty) {
                let message = self.incomparable((left, &a.ty), (right, &b.ty));
                return self.refuse("type_mismatch", span, message);
            }
            return plain(Kind::Compare(operator, sides), Type::Bool, span);
        }
        match arithmetic::ty(operator, &a.ty, &b.ty) {
            Some(ty) => plain(Kind::Arithmetic(operator, sides), ty, span),
            None => {
                let (a, b) = (self.name_of(left, &a.ty), self.name_of(right, &b.ty));
                let message = format!("`{}` does not take these: {a}, {b}", operator.symbol());
                self.refuse("type_mismatch", span, message)
            }
        }
    }

    fn incomparable(&self, left: (&Expr, &Type), right: (&Expr, &Type)) -> String {
        let said = format!("{}, {}", self.name_of(left.0, left.1), self.name_of(right.0, right.1));
        let is_list = |t: &Type| matches!(t, Type::List(_));
        let hint = match (left.1, right.1) {
            (Type::Time, Type::Text) => format!("; write `timestamp({})`", right.0),
            (Type::Text, Type::Time) => format!("; write `timestamp({})`", left.0),
            (Type::Span, Type::Text) => format!("; write `duration({})`", right.0),
            (Type::Text, Type::Span) => format!("; write `duration({})`", left.0),
            (list, _) if is_list(list) => format!("; write `{} in {}`", right.0, left.0),
            (_, list) if is_list(list) => format!("; write `{} in {}`", left.0, right.0),
            _ => String::new(),
        };
        format!("these do not compare: {said}{hint}")
    }

    /// `x in [1, 2]`, `x in data.tags`.
    fn membership(&mut self, left: &Expr, right: &Expr, span: Span) -> Checked<'s> {
        if let Ast::List(items) = &right.kind {
            return self.among(left, items, span);
        }
        let (value, list) = (self.check(left), self.check(right));
        let element = match &list.ty {
            Type::List(element) => (**element).clone(),
            Type::Any => Type::Any,
            Type::Broken => return self.broken(span),
            other => {
                let hint = match other {
                    Type::Text => format!("; write `{right}.contains({left})`"),
                    Type::Object => format!("; write `has({right}[…])`"),
                    _ => String::new(),
                };
                let what = self.name_of(right, other);
                let message = format!("a list is expected behind `in`, {what}{hint}");
                return self.refuse("type_mismatch", right.span, message);
            }
        };
        if !value.ty.compares(&element) {
            let what = self.name_of(left, &value.ty);
            let message = format!("{what}, the elements of `{right}` are not: each is {element}");
            return self.refuse("type_mismatch", span, message);
        }
        plain(Kind::In(Box::new([value.node, list.node]), element), Type::Bool, span)
    }

    fn among(&mut self, left: &Expr, items: &[Expr], span: Span) -> Checked<'s> {
        let value = self.check(left);
        if items.len() > MAX_LIST {
            return self.refuse(
                "too_long",
                span,
                format!("a list has at most {MAX_LIST} elements"),
            );
        }
        let mut nodes = Vec::with_capacity(items.len());
        for item in items {
            let checked = self.check(item);
            if !value.ty.compares(&checked.ty) {
                let message = self.incomparable((left, &value.ty), (item, &checked.ty));
                self.complain("type_mismatch", item.span, message);
            }
            nodes.push(checked.node);
        }
        let constants: Option<Vec<Const>> = nodes.iter().map(as_constant).collect();
        let kind = match constants {
            Some(constants) => Kind::Among(Box::new(value.node), constants),
            None => Kind::OneOf(std::iter::once(value.node).chain(nodes).collect()),
        };
        plain(kind, Type::Bool, span)
    }
}

pub(crate) fn plain<'s>(kind: Kind, ty: Type, span: Span) -> Checked<'s> {
    Checked { node: Node::new(kind, span), ty, shape: Shape::OPEN }
}

fn as_constant(node: &Node) -> Option<Const> {
    match &node.kind {
        Kind::Const(constant) => Some(constant.clone()),
        _ => None,
    }
}

fn constant(literal: &Literal) -> Const {
    match literal {
        Literal::Bool(b) => Const::Bool(*b),
        Literal::Int(n) => Const::Int(*n),
        // −0 is 0.
        Literal::Double(d) => Const::Double(*d + 0.0),
        Literal::Text(text) => Const::Text(text.clone()),
    }
}
