//! What is kept of a text: its tree, checked and ready to be evaluated.

use crate::ast::Expr;
use crate::check::Checker;
use crate::eval::{Env, View};
use crate::fields::Paths;
use crate::mistake::{Mistake, Mistakes};
use crate::node::Node;
use crate::parse::parse;
use crate::scope::Scope;
use crate::span::Span;
use crate::types::Type;
use crate::value::Val;

/// An expression of any type.
#[derive(Debug, Clone)]
pub struct Expression {
    pub(crate) source: String,
    pub(crate) root: Node,
    pub(crate) paths: Paths,
    ty: Type,
}

impl Expression {
    /// Reads and checks a text.
    ///
    /// # Errors
    /// Everything that is wrong with it, each with its place.
    pub fn compile(source: &str, scope: Scope<'_>) -> Result<Expression, Mistakes> {
        Self::of(source, &parse(source)?, scope)
    }

    /// Checks a part of a text that was read already.
    ///
    /// # Errors
    /// Everything that is wrong with it, each with its place in the whole text.
    pub fn of(source: &str, expr: &Expr, scope: Scope<'_>) -> Result<Expression, Mistakes> {
        let mut checker = Checker::new(source, scope);
        let (root, ty) = checker.root(expr);
        if !checker.mistakes.is_empty() {
            return Err(Mistakes::new(source, checker.mistakes));
        }
        Ok(Expression { source: source.to_owned(), root, paths: checker.paths, ty })
    }

    /// An expression that was put together elsewhere.
    pub(crate) fn from_parts(source: &str, root: Node, paths: Paths, ty: Type) -> Expression {
        Expression { source: source.to_owned(), root, paths, ty }
    }

    /// The type of its values.
    pub fn ty(&self) -> &Type {
        &self.ty
    }

    /// The text.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The dotted path of the field that it is, where it is nothing but a field of `data`.
    pub fn field(&self) -> Option<&[String]> {
        match &self.root.kind {
            crate::node::Kind::Data(slot) => self.paths.fields().get(*slot).map(|f| &f.path[..]),
            _ => None,
        }
    }

    /// Hands its value on a record to `take`, which may keep what it borrows for so long.
    pub fn with_value<T>(
        &self,
        view: &View<'_>,
        env: &Env<'_>,
        take: impl FnOnce(&Val<'_>) -> T,
    ) -> T {
        crate::eval::with_value(self, view, env, take)
    }
}

/// A condition on a record.
#[derive(Debug, Clone)]
pub struct Filter(pub(crate) Expression);

impl Filter {
    /// Reads and checks a text.
    ///
    /// # Errors
    /// Everything that is wrong with it, each with its place.
    pub fn compile(source: &str, scope: Scope<'_>) -> Result<Filter, Mistakes> {
        let expression = Expression::compile(source, scope)?;
        if !expression.ty.fits(&Type::Bool) {
            let message = format!("a condition is asked for, this is {}", expression.ty);
            let span = Span::new(0, source.len());
            let mistake = Mistake::new("type_mismatch", span, message);
            return Err(Mistakes::new(source, vec![mistake]));
        }
        Ok(Filter(expression))
    }

    /// The text.
    pub fn source(&self) -> &str {
        &self.0.source
    }

    /// Whether a record matches: true, false, or unknown (`None`), which is not a match.
    pub fn verdict(&self, view: &View<'_>, env: &Env<'_>) -> Option<bool> {
        crate::eval::verdict(&self.0, view, env)
    }

    /// Whether a record matches.
    pub fn matches(&self, view: &View<'_>, env: &Env<'_>) -> bool {
        self.verdict(view, env) == Some(true)
    }

    /// Whether its verdict depends on when it is asked.
    pub fn asks_the_time(&self) -> bool {
        self.any(|node| matches!(node.kind, crate::node::Kind::Now))
    }

    /// Whether it speaks of who asks.
    pub fn asks_who(&self) -> bool {
        self.any(|node| matches!(node.kind, crate::node::Kind::Auth(_)))
    }

    /// Whether it asks for words.
    pub fn asks_words(&self) -> bool {
        self.any(|node| matches!(node.kind, crate::node::Kind::Words(_)))
    }

    fn any(&self, is: fn(&Node) -> bool) -> bool {
        fn below(node: &Node, is: fn(&Node) -> bool) -> bool {
            is(node) || node.below().iter().any(|node| below(node, is))
        }
        below(&self.0.root, is)
    }
}
