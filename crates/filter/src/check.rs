//! Resolves names and types: what is left can be evaluated without another question.

use forebay_model::field::nearest;

use crate::MAX_LIST;
use crate::ast::{Expr, Kind as Ast, Literal, Operator};
use crate::fields::Paths;
use crate::mistake::Mistake;
use crate::node::{Kind, Node};
use crate::scope::{AuthPart, Part, Scope};
use crate::span::Span;
use crate::types::{Shape, Type};
use crate::value::Const;

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
    pub(crate) mistakes: Vec<Mistake>,
}

/// A chain of members, followed down from its first name.
enum Place<'s> {
    /// Below `data`.
    Data(Vec<String>, Type, Shape<'s>),
    /// Anything else.
    Other(Checked<'s>),
}

impl<'s> Checker<'s> {
    pub(crate) fn new(source: &'s str, scope: Scope<'s>) -> Self {
        Checker { source, scope, paths: Paths::new(), variables: Vec::new(), mistakes: Vec::new() }
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

    /// Follows `a.b.c` from its first name.
    fn place(&mut self, expr: &Expr) -> Place<'s> {
        match &expr.kind {
            Ast::Name(name) if name == "data" && self.scope.schema.is_some() => {
                let shape = self.scope.schema.map_or(Shape::OPEN, Shape::of);
                Place::Data(Vec::new(), Type::Object, shape)
            }
            Ast::Name(name) => Place::Other(self.name(name, expr.span)),
            Ast::Member(target, name) => {
                if let Ast::Name(root) = &target.kind
                    && root == "auth"
                {
                    return Place::Other(self.auth(name, expr.span));
                }
                match self.place(target) {
                    Place::Data(mut path, ty, shape) => {
                        let Some((ty, shape)) = self.step(expr, name, &ty, shape) else {
                            return Place::Other(self.broken(expr.span));
                        };
                        path.push(name.clone());
                        Place::Data(path, ty, shape)
                    }
                    Place::Other(target) => Place::Other(self.member(expr, name, target)),
                }
            }
            _ => Place::Other(self.check(expr)),
        }
    }

    /// A member of a value that is no field of `data`: of a variable, or of an element.
    fn member(&mut self, expr: &Expr, name: &str, target: Checked<'s>) -> Checked<'s> {
        if target.ty == Type::Broken {
            return self.broken(expr.span);
        }
        let Some((ty, shape)) = self.step(expr, name, &target.ty, target.shape) else {
            return self.broken(expr.span);
        };
        let kind = Kind::Member(Box::new(target.node), name.to_owned(), ty.clone());
        Checked { node: Node::new(kind, expr.span), ty, shape }
    }

    /// Steps to a member by the schema, or complains.
    fn step(
        &mut self,
        expr: &Expr,
        name: &str,
        ty: &Type,
        shape: Shape<'s>,
    ) -> Option<(Type, Shape<'s>)> {
        let end = expr.span.end;
        let dotted = Span::new(end.saturating_sub(name.len()), end);
        let at = if dotted.of(self.source) == name { dotted } else { expr.span };
        if !matches!(ty, Type::Object | Type::Any) {
            let hint = match ty {
                Type::List(_) => "; ask for its elements: `….exists(x, x == 1)`",
                _ => "",
            };
            self.complain("type_mismatch", at, format!("{ty} has no members{hint}"));
            return None;
        }
        match shape.member(name) {
            Ok(shape) => Some((shape.ty(), shape)),
            Err(near) => {
                let hint = near.map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
                self.complain(
                    "unknown_field",
                    at,
                    format!("there is no field `{name}` here{hint}"),
                );
                None
            }
        }
    }

    fn name(&mut self, name: &str, span: Span) -> Checked<'s> {
        let variable = self.variables.iter().rposition(|(known, ..)| known == name);
        if let Some(at) = variable {
            let (_, ty, shape) = self.variables[at].clone();
            let node = Node::new(Kind::Variable(at), span);
            return Checked { node, ty, shape };
        }
        let part = Part::ALL.iter().find(|(known, _)| *known == name);
        if let (Some((_, part)), Some(_)) = (part, self.scope.schema) {
            return plain(Kind::Part(*part), part.ty(), span);
        }
        if let Some(at) = self.scope.given.iter().position(|(known, _)| known == name) {
            return plain(Kind::Given(at), self.scope.given[at].1.clone(), span);
        }
        let message = match name {
            "auth" => "name a part of who asks: `auth.user_id`, `auth.roles`".to_owned(),
            _ => format!("there is no `{name}` here{}", self.meant(name)),
        };
        self.refuse("unknown_name", span, message)
    }

    /// What was meant by a bare name that does not exist.
    fn meant(&self, name: &str) -> String {
        let mine = self.scope.given.iter().map(|(known, _)| known.as_str());
        let Some(schema) = self.scope.schema else {
            let near = nearest(name, mine);
            return near.map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
        };
        let fields = schema.get("properties").and_then(|p| p.as_object());
        let field = match fields {
            Some(fields) if fields.contains_key(name) => Some(name),
            Some(fields) => nearest(name, fields.keys().map(String::as_str)),
            None => None,
        };
        let parts = Part::ALL.iter().map(|(known, _)| *known);
        let own = nearest(name, parts.chain(["data", "auth"]).chain(mine));
        match (field, own) {
            (Some(field), _) => format!("; did you mean `data.{field}`?"),
            (None, Some(own)) => format!("; did you mean `{own}`?"),
            (None, None) if fields.is_none() => format!("; did you mean `data.{name}`?"),
            (None, None) => "; a field of the record is written `data.name`".to_owned(),
        }
    }

    fn auth(&mut self, name: &str, span: Span) -> Checked<'s> {
        if let Some((_, part)) = AuthPart::ALL.iter().find(|(known, _)| *known == name) {
            return plain(Kind::Auth(*part), part.ty(), span);
        }
        let near = nearest(name, AuthPart::ALL.iter().map(|(known, _)| *known));
        let hint = near.map(|n| format!("; did you mean `auth.{n}`?")).unwrap_or_default();
        self.refuse("unknown_field", span, format!("there is no `auth.{name}`{hint}"))
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
        match arithmetic(operator, &a.ty, &b.ty) {
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
        let mut constants = Vec::with_capacity(items.len());
        let mut asked = Vec::new();
        for item in items {
            let checked = self.check(item);
            if !value.ty.compares(&checked.ty) {
                let message = self.incomparable((left, &value.ty), (item, &checked.ty));
                self.complain("type_mismatch", item.span, message);
            }
            match checked.node.kind {
                Kind::Const(constant) => constants.push(constant),
                _ => {
                    let sides = Box::new([value.node.clone(), checked.node]);
                    asked.push(Node::new(Kind::Compare(Operator::Equal, sides), item.span));
                }
            }
        }
        let node = Node::new(Kind::Among(Box::new(value.node), constants), span);
        if asked.is_empty() {
            return Checked { node, ty: Type::Bool, shape: Shape::OPEN };
        }
        asked.push(node);
        plain(Kind::Or(asked), Type::Bool, span)
    }

    /// Finds the field that `has` asks for.
    pub(crate) fn presence(&mut self, argument: &Expr, span: Span) -> Checked<'s> {
        if !matches!(argument.kind, Ast::Name(_) | Ast::Member(..)) {
            let message = "`has` takes a field: `has(data.name)`";
            return self.refuse("type_mismatch", argument.span, message);
        }
        let kind = match self.place(argument) {
            Place::Data(path, ty, _) if !path.is_empty() => Kind::Has(self.paths.slot(&path, ty)),
            Place::Other(Checked {
                node: Node { kind: Kind::Member(target, name, _), .. },
                ..
            }) => Kind::HasMember(target, name),
            Place::Other(checked) if matches!(checked.node.kind, Kind::Part(_)) => {
                Kind::Const(Const::Bool(true))
            }
            Place::Other(checked) if checked.ty == Type::Broken => return checked,
            _ => {
                let message = "`has` takes a field: `has(data.name)`";
                return self.refuse("type_mismatch", argument.span, message);
            }
        };
        plain(kind, Type::Bool, span)
    }
}

pub(crate) fn plain<'s>(kind: Kind, ty: Type, span: Span) -> Checked<'s> {
    Checked { node: Node::new(kind, span), ty, shape: Shape::OPEN }
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

/// The type of a result; `None` when the operator does not take these.
fn arithmetic(operator: Operator, left: &Type, right: &Type) -> Option<Type> {
    use Operator::{Add, Remainder, Subtract};
    use Type::{Any, Broken, Double, Int, Span, Text, Time};
    Some(match (operator, left, right) {
        (_, Broken, _) | (_, _, Broken) => Broken,
        (_, Int, Int) => Int,
        (Remainder, Int | Any, Int | Any) => Int,
        (Remainder, ..) => return None,
        (_, a, b) if a.is_number() && b.is_number() => Double,
        (Add, Text, Text) => Text,
        (Add, Time, Span) | (Add, Span, Time) | (Subtract, Time, Span) => Time,
        (Add | Subtract, Span, Span) | (Subtract, Time, Time) => Span,
        (Add, Any, Text | Time | Span) | (Add, Text | Time | Span, Any) => Any,
        (Subtract, Any, Time | Span) | (Subtract, Time | Span, Any) => Any,
        (_, Any, b) if b.is_number() => Any,
        (_, a, Any) if a.is_number() => Any,
        (_, Any, Any) => Any,
        _ => return None,
    })
}
