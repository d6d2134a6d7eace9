//! The types of the language, and what a stream's schema says of a field's.

use std::fmt;

use forebay_model::field::nearest;
use forebay_model::schema::ScalarType;
use serde_json::{Map, Value};

/// What kind of value an expression has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Type {
    /// True or false.
    Bool,
    /// A 64-bit integer.
    Int,
    /// A finite double.
    Double,
    /// A text.
    Text,
    /// A point in time.
    Time,
    /// A length of time.
    Span,
    /// An array.
    List(Box<Type>),
    /// An object.
    Object,
    /// Known only when a record is looked at.
    Any,
    /// A mistake was told: nothing more is said of it.
    Broken,
}

impl Type {
    /// Whether values of this type are numbers.
    pub fn is_number(&self) -> bool {
        matches!(self, Type::Int | Type::Double)
    }

    /// Whether a value of this type may be where one of the other is asked for.
    pub(crate) fn fits(&self, wanted: &Type) -> bool {
        match (self, wanted) {
            (Type::Any | Type::Broken, _) | (_, Type::Any | Type::Broken) => true,
            (Type::List(a), Type::List(b)) => a.fits(b),
            (a, b) => a == b || a.is_number() && *b == Type::Double,
        }
    }

    /// Whether values of the two can be equal or ordered.
    pub(crate) fn compares(&self, other: &Type) -> bool {
        let scalar = |t: &Type| !matches!(t, Type::List(_) | Type::Object);
        match (self, other) {
            (Type::Broken, _) | (_, Type::Broken) => true,
            (Type::Any, t) | (t, Type::Any) => scalar(t),
            (a, b) => scalar(a) && (a == b || a.is_number() && b.is_number()),
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Type::Bool => "a boolean",
            Type::Int => "an integer",
            Type::Double => "a number",
            Type::Text => "a string",
            Type::Time => "a time",
            Type::Span => "a duration",
            Type::List(_) => "an array",
            Type::Object => "an object",
            Type::Any | Type::Broken => "a value",
        })
    }
}

impl From<ScalarType> for Type {
    fn from(scalar: ScalarType) -> Type {
        match scalar {
            ScalarType::String => Type::Text,
            ScalarType::Integer => Type::Int,
            ScalarType::Number => Type::Double,
            ScalarType::Boolean => Type::Bool,
        }
    }
}

/// What a JSON Schema says of one place; `None` where it says nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape<'s>(Option<&'s Map<String, Value>>);

/// Keywords by which a schema takes members that `properties` does not list.
const OPENING: [&str; 9] = [
    "$ref",
    "$dynamicRef",
    "allOf",
    "anyOf",
    "oneOf",
    "if",
    "patternProperties",
    "not",
    "dependentSchemas",
];

impl<'s> Shape<'s> {
    pub(crate) const OPEN: Shape<'static> = Shape(None);

    pub(crate) fn of(schema: &'s Value) -> Shape<'s> {
        Shape(schema.as_object())
    }

    /// The type of the values at this place.
    pub(crate) fn ty(self) -> Type {
        let Some(schema) = self.0 else { return Type::Any };
        let name = match schema.get("type") {
            Some(Value::String(name)) => name.as_str(),
            Some(Value::Array(names)) => {
                let mut names = names.iter().filter_map(Value::as_str).filter(|n| *n != "null");
                match (names.next(), names.next()) {
                    (Some(name), None) => name,
                    _ => return Type::Any,
                }
            }
            _ if schema.contains_key("properties") => return Type::Object,
            _ => return Type::Any,
        };
        match name {
            "array" => Type::List(Box::new(self.items().ty())),
            "object" => Type::Object,
            scalar => ScalarType::from_name(scalar).map_or(Type::Any, Type::from),
        }
    }

    /// What the elements of an array are.
    pub(crate) fn items(self) -> Shape<'s> {
        match self.0.and_then(|schema| schema.get("items")) {
            Some(items) if !self.has("prefixItems") => Shape::of(items),
            _ => Shape(None),
        }
    }

    fn has(self, keyword: &str) -> bool {
        self.0.is_some_and(|schema| schema.contains_key(keyword))
    }

    fn properties(self) -> Option<&'s Map<String, Value>> {
        self.0?.get("properties")?.as_object()
    }

    /// Whether members may be there that are not declared.
    fn is_open(self) -> bool {
        let Some(schema) = self.0 else { return true };
        let others = || OPENING.iter().any(|name| self.has(name));
        match (schema.get("additionalProperties"), schema.get("unevaluatedProperties")) {
            // Other keywords than the patterns beside it only take more away.
            (Some(Value::Bool(false)), _) => self.has("patternProperties"),
            (Some(_), _) => true,
            (None, Some(more)) => *more != Value::Bool(false) || others(),
            (None, None) => self.properties().is_none() || others(),
        }
    }

    /// Steps to a member; an error proposes the nearest declared name, where one is near.
    pub(crate) fn member(self, name: &str) -> Result<Shape<'s>, Option<&'s str>> {
        match self.properties().and_then(|properties| properties.get(name)) {
            Some(schema) => Ok(Shape::of(schema)),
            None if self.is_open() => Ok(Shape(None)),
            None => {
                let known = self.properties().into_iter().flat_map(Map::keys);
                Err(nearest(name, known.map(String::as_str)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_schema_is_read_where_it_speaks() {
        let schema = json!({"type": "object", "properties": {
            "n": {"type": ["integer", "null"]}, "any": {"type": ["integer", "string"]},
            "tags": {"type": "array", "items": {"type": "string"}},
            "geo": {"type": "object", "properties": {"lat": {"type": "number"}},
                    "additionalProperties": true},
            "bag": {"type": "object"}}});
        let root = Shape::of(&schema);
        let ty =
            |path: &[&str]| path.iter().try_fold(root, |at, name| at.member(name)).map(Shape::ty);
        assert_eq!(ty(&["n"]), Ok(Type::Int));
        assert_eq!(ty(&["any"]), Ok(Type::Any));
        assert_eq!(ty(&["tags"]), Ok(Type::List(Box::new(Type::Text))));
        assert_eq!(ty(&["geo", "lat"]), Ok(Type::Double));
        assert_eq!(ty(&["geo", "lon"]), Ok(Type::Any));
        assert_eq!(ty(&["bag", "x", "y"]), Ok(Type::Any));
        assert_eq!(ty(&["tag"]), Err(Some("tags")));
        assert_eq!(ty(&["zzzzzz"]), Err(None));
    }

    #[test]
    fn members_that_are_not_declared_are_taken_where_the_schema_takes_them() {
        let takes = |mut schema: Value| {
            schema["properties"] = json!({"known": {}});
            Shape::of(&schema).member("zzzzzz").is_ok()
        };
        for closed in [
            json!({}),
            json!({"additionalProperties": false}),
            json!({"additionalProperties": false, "allOf": [{"properties": {"zzzzzz": {}}}]}),
            json!({"unevaluatedProperties": false}),
        ] {
            assert!(!takes(closed.clone()), "{closed}");
        }
        for open in [
            json!({"additionalProperties": true}),
            json!({"additionalProperties": {"type": "string"}}),
            json!({"additionalProperties": false, "patternProperties": {"^z": {}}}),
            json!({"unevaluatedProperties": false, "allOf": [{"properties": {"zzzzzz": {}}}]}),
            json!({"unevaluatedProperties": true}),
            json!({"$ref": "#/$defs/more"}),
        ] {
            assert!(takes(open.clone()), "{open}");
        }
    }
}
