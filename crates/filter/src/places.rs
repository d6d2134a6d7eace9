//! Resolves names and members: what of a record, of who asks, or of a variable is meant.

use forebay_model::field::nearest;

use crate::ast::{Expr, Kind as Ast};
use crate::check::{Checked, Checker, plain};
use crate::node::{Kind, Node};
use crate::scope::{AuthPart, Part};
use crate::span::Span;
use crate::types::{Shape, Type};
use crate::value::Const;

/// A chain of members, followed down from its first name.
pub(crate) enum Place<'s> {
    /// Below `data`.
    Data(Vec<String>, Type, Shape<'s>),
    /// Anything else.
    Other(Checked<'s>),
}

impl<'s> Checker<'s> {
    /// Follows `a.b.c` from its first name.
    pub(crate) fn place(&mut self, expr: &Expr) -> Place<'s> {
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
