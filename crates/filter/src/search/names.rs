//! The fields that a person can name before a colon.

use forebay_model::schema::ScalarType;
use forebay_model::search::{SearchField, SearchKind};
use serde_json::Value;

use crate::types::{Shape, Type};

/// What a name stands for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Named {
    /// A field with words, by its place among those that the stream searches.
    Text(usize),
    /// A field with whole values.
    Keyword(usize),
    /// A declared field, by its path; it equals something.
    Scalar(Vec<String>, ScalarType),
}

/// All names of a stream.
#[derive(Debug)]
pub(super) struct Names(Vec<(Vec<String>, Named)>);

impl Names {
    pub(super) fn of(schema: &Value, fields: &[SearchField]) -> Names {
        let mut names = Vec::new();
        for (at, field) in fields.iter().enumerate() {
            match field.kind {
                SearchKind::Text(_) => names.push((field.path.clone(), Named::Text(at))),
                SearchKind::Keyword => names.push((field.path.clone(), Named::Keyword(at))),
                SearchKind::None => {}
            }
        }
        scalars(schema, &mut Vec::new(), &mut names);
        Names(names)
    }

    /// Finds a field by `data.a.b`, by `a.b`, or by its last name where only one field has it.
    pub(super) fn find(&self, name: &str) -> Option<&Named> {
        let path: Vec<&str> = name.split('.').collect();
        let whole = |wanted: &[&str]| {
            let mut all = self.0.iter();
            all.find(|(path, _)| path.iter().eq(wanted.iter().copied())).map(|(_, named)| named)
        };
        if let ["data", rest @ ..] = path.as_slice()
            && let Some(named) = whole(rest)
        {
            return Some(named);
        }
        if let Some(named) = whole(&path) {
            return Some(named);
        }
        let [last] = path.as_slice() else { return None };
        let mut ends = self.0.iter().filter(|(path, _)| path.last().is_some_and(|n| n == last));
        match (ends.next(), ends.next()) {
            (Some((_, named)), None) => Some(named),
            _ => None,
        }
    }

    /// How the fields are called in full.
    pub(super) fn all(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|(path, _)| path.join("."))
    }
}

/// Declared scalars that no search field stands for.
fn scalars(schema: &Value, path: &mut Vec<String>, names: &mut Vec<(Vec<String>, Named)>) {
    if !path.is_empty() && !names.iter().any(|(known, _)| known == path) {
        let scalar = match Shape::of(schema).ty() {
            Type::Text => Some(ScalarType::String),
            Type::Int => Some(ScalarType::Integer),
            Type::Double => Some(ScalarType::Number),
            Type::Bool => Some(ScalarType::Boolean),
            _ => None,
        };
        names.extend(scalar.map(|scalar| (path.clone(), Named::Scalar(path.clone(), scalar))));
    }
    for (name, below) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        path.push(name.clone());
        scalars(below, path, names);
        path.pop();
    }
}
