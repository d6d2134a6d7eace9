//! Equalities with texts over fields that are searched by their values (`"x-search": "keyword"`).
//!
//! Whatever equals a text has it among its values; but a number that reads alike has it too, and so has
//! an array within the array. So the engine narrows by it, and each candidate is evaluated.

use forebay_model::search::{MAX_KEYWORD_BYTES, SearchKind};

use super::{Condition, Lowering, WordTest, Words};
use crate::ast::Operator;
use crate::node::{Kind, Node};
use crate::value::Const;

impl Lowering<'_> {
    /// A superset of the records of which a node, or its negation, is true.
    pub(super) fn valued(&self, node: &Node, positive: bool) -> Option<Condition> {
        match (&node.kind, positive) {
            (Kind::Compare(Operator::Equal, sides), true)
            | (Kind::Compare(Operator::NotEqual, sides), false) => match sides.as_ref() {
                [Node { kind: Kind::Const(value), .. }, field]
                | [field, Node { kind: Kind::Const(value), .. }] => self.value(field, value),
                _ => None,
            },
            (Kind::Among(field, list), true) => {
                let each = list.iter().map(|value| self.value(field, value));
                Some(Condition::or(each.collect::<Option<_>>()?))
            }
            // `"x" in data.tags`
            (Kind::In(sides, _), true) => match sides.as_ref() {
                [Node { kind: Kind::Const(value), .. }, list] => self.value(list, value),
                _ => None,
            },
            // `data.tags.exists(t, t == "x")`
            (Kind::Quantified { every: false, parts, .. }, true) => {
                let [list, Node { kind: Kind::Compare(Operator::Equal, sides), .. }] =
                    parts.as_ref()
                else {
                    return None;
                };
                match sides.as_ref() {
                    [
                        Node { kind: Kind::Const(value), .. },
                        Node { kind: Kind::Variable(_), .. },
                    ]
                    | [
                        Node { kind: Kind::Variable(_), .. },
                        Node { kind: Kind::Const(value), .. },
                    ] => self.value(list, value),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// A text among the values of a field; what is longer than values are is not there.
    fn value(&self, field: &Node, value: &Const) -> Option<Condition> {
        let (Kind::Data(slot), Const::Text(value)) = (&field.kind, value) else { return None };
        let path = &self.filter.0.paths.fields().get(*slot)?.path;
        let mut searched = self.holds.words?.iter();
        let field = searched.position(|f| f.path == *path && f.kind == SearchKind::Keyword)?;
        let test = WordTest::Value(value.clone());
        (value.len() <= MAX_KEYWORD_BYTES).then_some(Condition::Words(Words {
            field,
            test,
            positive: true,
        }))
    }
}
