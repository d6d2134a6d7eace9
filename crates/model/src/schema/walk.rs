//! The walk through a schema: what its fields declare, and where our own keywords may stand.

use serde_json::{Map, Value};

use super::{Declared, MAX_FIELDS, MAX_INDEXED_FIELDS, ScalarType};
use crate::error::FieldError;
use crate::field::{FieldPath, push_pointer};
use crate::search::MAX_SEARCHED_FIELDS;

/// Keywords that hold one schema, a list of schemas, or schemas by name.
const ONE: &[&str] = &[
    "additionalProperties",
    "contains",
    "contentSchema",
    "else",
    "if",
    "items",
    "not",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
];
const LIST: &[&str] = &["allOf", "anyOf", "oneOf", "prefixItems"];
const NAMED: &[&str] = &["$defs", "definitions", "dependentSchemas", "patternProperties"];

#[derive(Default)]
pub(super) struct Walk {
    pub(super) declared: Vec<Declared>,
    searched: usize,
    pub(super) errors: Vec<FieldError>,
}

impl Walk {
    /// Walks a schema that stands on a chain of `properties` from the root.
    pub(super) fn object(
        &mut self,
        schema: &Map<String, Value>,
        names: &mut Vec<String>,
        at: &str,
    ) {
        match FieldPath::new(names.clone()) {
            Some(path) => self.declare(schema, path, at),
            None => self.refuse(schema, "x-index", at),
        }
        self.search(schema, at);
        for (name, below) in schema {
            let here = child(at, name);
            match below {
                Value::Object(properties) if name == "properties" => {
                    for (property, below) in properties {
                        let at = child(&here, property);
                        if let Some(below) = below.as_object() {
                            names.push(property.clone());
                            self.object(below, names, &at);
                            names.pop();
                        }
                    }
                }
                below => self.keyword(name, below, &here),
            }
        }
    }

    fn keyword(&mut self, name: &str, below: &Value, here: &str) {
        match below {
            Value::Object(schema) if ONE.contains(&name) => self.elsewhere(schema, here),
            Value::Object(named) if NAMED.contains(&name) || name == "properties" => {
                for (key, schema) in named {
                    if let Some(schema) = schema.as_object() {
                        self.elsewhere(schema, &child(here, key));
                    }
                }
            }
            Value::Array(list) if LIST.contains(&name) => {
                for (key, schema) in list.iter().enumerate() {
                    if let Some(schema) = schema.as_object() {
                        self.elsewhere(schema, &child(here, &key.to_string()));
                    }
                }
            }
            _ => {}
        }
    }

    /// Walks a schema that does not stand for one place of a record.
    fn elsewhere(&mut self, schema: &Map<String, Value>, at: &str) {
        self.refuse_extensions(schema, at);
        for (name, below) in schema {
            self.keyword(name, below, &child(at, name));
        }
    }

    fn refuse_extensions(&mut self, schema: &Map<String, Value>, at: &str) {
        for name in ["x-index", "x-search"] {
            self.refuse(schema, name, at);
        }
    }

    fn refuse(&mut self, schema: &Map<String, Value>, name: &str, at: &str) {
        if schema.contains_key(name) {
            let message = "stands only on a field reached through `properties`";
            self.errors.push(FieldError::new(child(at, name), "misplaced", message));
        }
    }

    fn search(&mut self, schema: &Map<String, Value>, at: &str) {
        let Some(search) = schema.get("x-search") else { return };
        let at = child(at, "x-search");
        if let Err(error) = crate::search::read(search, &at) {
            self.errors.push(error);
        }
        self.searched += 1;
        if self.searched == MAX_SEARCHED_FIELDS + 1 {
            self.errors.push(FieldError::new(at, "too_long", "a stream searches ≤ 32 fields"));
        }
    }

    fn declare(&mut self, schema: &Map<String, Value>, path: FieldPath, at: &str) {
        let scalar = scalar_of(schema.get("type"));
        let indexed = match schema.get("x-index") {
            None => false,
            Some(Value::Bool(asked)) => *asked,
            Some(_) => {
                let at = child(at, "x-index");
                self.errors.push(FieldError::new(at, "type_mismatch", "true or false"));
                false
            }
        };
        if indexed && scalar.is_none() {
            let message = "an index needs one scalar type, or that and null";
            self.errors.push(FieldError::new(child(at, "type"), "type_mismatch", message));
        }
        if indexed && path.segments().iter().any(|name| name.contains('.')) {
            let message = "the name of an indexed field has no dot";
            self.errors.push(FieldError::new(at, "path_invalid", message));
        }
        self.declared.push(Declared { path, scalar, indexed });
        let indexed = self.declared.iter().filter(|d| d.indexed).count();
        if self.declared.len() == MAX_FIELDS + 1 {
            self.errors.push(FieldError::new(at, "too_long", "a schema declares ≤ 1000 fields"));
        }
        if indexed == MAX_INDEXED_FIELDS + 1 {
            self.errors.push(FieldError::new(at, "too_long", "a stream indexes ≤ 32 fields"));
        }
    }
}

fn child(at: &str, name: &str) -> String {
    let mut path = at.to_owned();
    push_pointer(&mut path, name);
    path
}

fn scalar_of(ty: Option<&Value>) -> Option<ScalarType> {
    match ty? {
        Value::String(name) => ScalarType::from_name(name),
        Value::Array(names) => match names.as_slice() {
            [a, b] if b == "null" => ScalarType::from_name(a.as_str()?),
            [a, b] if a == "null" => ScalarType::from_name(b.as_str()?),
            [a] => ScalarType::from_name(a.as_str()?),
            _ => None,
        },
        _ => None,
    }
}
