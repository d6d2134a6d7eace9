//! A stream's JSON Schema (draft 2020-12): checked, compiled, and walked for what it declares.

mod branching;
mod counted;
mod walk;

use std::fmt;
use std::sync::Arc;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{Draft, PatternOptions, ValidationError, Validator};
use serde_json::Value;

use crate::error::FieldError;
use crate::field::{FieldPath, push_pointer};
use crate::search::SearchField;
use counted::{Counted, Seen};
use walk::Walk;

/// The most bytes that an indexed string may have.
pub const MAX_INDEXED_BYTES: usize = 1024;
/// The most fields that one stream may index.
pub const MAX_INDEXED_FIELDS: usize = 32;
const MAX_FIELDS: usize = 1000;
/// How often a check may look at a record, for itself and for each value in it. What people write
/// looks some times at each.
const LOOKS: u64 = 5_000;
const LOOKS_EACH: u64 = 200;
/// Through how many schemas one value may be led without a look at it.
const MOST_BRANCHES: u64 = 4_000;

/// The scalar types that a field can be declared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ScalarType {
    /// Text, ordered by code point.
    String,
    /// A 64-bit integer.
    Integer,
    /// A finite double.
    Number,
    /// True or false.
    Boolean,
}

impl ScalarType {
    /// Every type with its JSON Schema name.
    pub const ALL: &'static [(&'static str, ScalarType)] = &[
        ("string", ScalarType::String),
        ("integer", ScalarType::Integer),
        ("number", ScalarType::Number),
        ("boolean", ScalarType::Boolean),
    ];

    /// The type's JSON Schema name.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, t)| *t == self).map_or("", |(name, _)| name)
    }

    /// Finds a type by its JSON Schema name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(n, _)| *n == name).map(|(_, t)| *t)
    }
}

/// A field that the schema declares through `properties`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// Where it stands.
    pub path: FieldPath,
    /// Its type, where it is one scalar (or that and null).
    pub scalar: Option<ScalarType>,
    /// Whether `x-index` asks for a column.
    pub indexed: bool,
}

/// A compiled schema.
pub struct Schema {
    validator: Validator<Counted>,
    declared: Vec<Declared>,
    searched: Arc<[SearchField]>,
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schema").field("declared", &self.declared).finish_non_exhaustive()
    }
}

impl Schema {
    /// Checks and compiles a schema; the paths of its errors begin at the schema's root.
    pub fn compile(schema: &Value) -> Result<Schema, Vec<FieldError>> {
        let Some(root) = schema.as_object() else {
            return Err(vec![FieldError::new("", "type_mismatch", "a schema is an object")]);
        };
        if let Some(dialect) = root.get("$schema")
            && dialect != "https://json-schema.org/draft/2020-12/schema"
        {
            let message = "the dialect is https://json-schema.org/draft/2020-12/schema";
            return Err(vec![FieldError::new("/$schema", "unsupported", message)]);
        }
        let mut walk = Walk::default();
        walk.object(root, &mut Vec::new(), "");
        if !walk.errors.is_empty() {
            return Err(walk.errors);
        }
        if let Some(path) = branching::beyond(schema, MOST_BRANCHES) {
            let message = "its references lead to more than 4000 schemas for one value";
            return Err(vec![FieldError::new(path, "too_long", message)]);
        }
        let built = jsonschema::options_for::<Counted>()
            .with_draft(Draft::Draft202012)
            .with_pattern_options(PatternOptions::regex().size_limit(1 << 20))
            .offline()
            .build(schema);
        match built {
            Ok(validator) => Ok(Schema {
                validator,
                declared: walk.declared,
                searched: crate::search::fields(schema).into(),
            }),
            Err(error) => {
                let text = error.to_string();
                let mut path = error.instance_path().to_string();
                if path.is_empty() {
                    path = reference_in(schema, &text, "").unwrap_or_default();
                }
                Err(vec![FieldError::new(path, "schema_invalid", shorten(text))])
            }
        }
    }

    /// The fields that `properties` declare, in their order.
    pub fn declared(&self) -> &[Declared] {
        &self.declared
    }

    /// The fields that `x-search` stands on, those that it leaves out among them.
    pub fn searched(&self) -> &Arc<[SearchField]> {
        &self.searched
    }

    /// Checks a record's `data`; says the first things that are wrong, at most eight.
    pub fn check(&self, data: &Value) -> Vec<FieldError> {
        let looks = LOOKS + counted::values(data).saturating_mul(LOOKS_EACH);
        let Some(mut errors) = counted::within(looks, || self.validate(data)) else {
            let message = "it takes too many steps to check this against the stream's schema";
            return vec![FieldError::new("/data", "schema_mismatch", message)];
        };
        errors.extend(self.declared.iter().filter_map(|field| check_field(field, data)));
        errors
    }

    fn validate(&self, data: &Value) -> Vec<FieldError> {
        if self.validator.is_valid(Seen(data)) {
            return Vec::new();
        }
        let error = |error: ValidationError<'_>| {
            let path = format!("/data{}", error.instance_path());
            match error.kind() {
                ValidationErrorKind::Required { property } => {
                    let mut path = path;
                    push_pointer(&mut path, property.as_str().unwrap_or_default());
                    FieldError::new(path, "required", "this member is required")
                }
                kind => FieldError::new(path, code_of(kind), shorten(error.masked().to_string())),
            }
        };
        self.validator.iter_errors(Seen(data)).take(8).map(error).collect()
    }
}

/// The rules that JSON Schema cannot say: exactness, and what an index can hold.
fn check_field(field: &Declared, data: &Value) -> Option<FieldError> {
    let scalar = field.scalar?;
    let value = field.path.get(data)?;
    match (scalar, value) {
        (ScalarType::Number, Value::Number(n)) => {
            let integer = n.as_i64()?;
            (!exact_in_double(integer)).then(|| {
                let message = "a double cannot hold this integer exactly";
                FieldError::new(field.path.pointer(), "number_not_exact", message)
            })
        }
        (ScalarType::Integer, Value::Number(n)) if field.indexed => {
            integral(n).is_none().then(|| {
                let message = "an integer beyond 64 bits";
                FieldError::new(field.path.pointer(), "number_out_of_range", message)
            })
        }
        (ScalarType::String, Value::String(s)) if field.indexed => (s.len() > MAX_INDEXED_BYTES)
            .then(|| {
                let message = "an indexed string has at most 1024 bytes";
                FieldError::new(field.path.pointer(), "too_long", message)
            }),
        _ => None,
    }
}

/// Whether a double holds an integer exactly.
#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "compared back")]
pub fn exact_in_double(integer: i64) -> bool {
    integer != i64::MAX && (integer as f64) as i64 == integer
}

/// The integer that a number is, also when it is spelt `1.0`.
#[allow(clippy::cast_possible_truncation, reason = "the range is checked")]
pub fn integral(number: &serde_json::Number) -> Option<i64> {
    number.as_i64().or_else(|| {
        let double = number.as_f64()?;
        let fits = double.fract() == 0.0
            && (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&double);
        fits.then_some(double as i64)
    })
}

fn code_of(kind: &ValidationErrorKind) -> &'static str {
    use ValidationErrorKind as K;
    match kind {
        K::Type { .. } => "type_mismatch",
        K::Enum { .. } | K::Constant { .. } => "enum_mismatch",
        K::AdditionalProperties { .. } | K::UnevaluatedProperties { .. } => "unknown_member",
        K::Pattern { .. } => "pattern_mismatch",
        K::Format { .. } => "format_mismatch",
        K::Minimum { .. }
        | K::Maximum { .. }
        | K::ExclusiveMinimum { .. }
        | K::ExclusiveMaximum { .. }
        | K::MultipleOf { .. } => "out_of_range",
        K::MinLength { .. } | K::MinItems { .. } | K::MinProperties { .. } => "too_short",
        K::MaxLength { .. } | K::MaxItems { .. } | K::MaxProperties { .. } => "too_long",
        _ => "schema_mismatch",
    }
}

fn shorten(mut message: String) -> String {
    if let Some((end, _)) = message.char_indices().nth(300) {
        message.truncate(end);
        message.push('…');
    }
    message
}

/// Finds the reference that a message speaks of.
fn reference_in(schema: &Value, message: &str, path: &str) -> Option<String> {
    let below = |name: &str| {
        let mut path = path.to_owned();
        push_pointer(&mut path, name);
        path
    };
    match schema {
        Value::Object(members) => members.iter().find_map(|(name, member)| match member {
            Value::String(to) if name == "$ref" || name == "$dynamicRef" => {
                // The message quotes the reference, or its half before or after the `#`.
                let mut parts = std::iter::once(to.as_str()).chain(to.split('#'));
                let told = parts.any(|p| !p.is_empty() && message.contains(&format!("'{p}'")));
                told.then(|| below(name))
            }
            member => reference_in(member, message, &below(name)),
        }),
        Value::Array(items) => {
            let mut items = items.iter().enumerate();
            items.find_map(|(at, item)| reference_in(item, message, &below(&at.to_string())))
        }
        _ => None,
    }
}
