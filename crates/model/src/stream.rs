//! A stream: a named, typed collection of records, and the numbered columns of its indexed fields.

use serde_json::{Map, Value, json};

use crate::error::FieldError;
use crate::field::{FieldPath, nearest, push_pointer};
use crate::schema::{ScalarType, Schema};
use crate::time::Timestamp;

/// Checks a stream's name: `[a-z][a-z0-9_-]{0,62}`; the error is a message for people.
pub fn check_stream_name(name: &str) -> Result<(), &'static str> {
    let good = |(at, c): (usize, char)| {
        c.is_ascii_lowercase() || at > 0 && (c.is_ascii_digit() || c == '_' || c == '-')
    };
    if name.starts_with('_') {
        return Err("a leading `_` is kept for the system's own streams");
    }
    if name.is_empty() || name.len() > 63 || !name.chars().enumerate().all(good) {
        return Err("a stream's name is a letter a-z, then up to 62 of a-z 0-9 _ -");
    }
    Ok(())
}

/// What its owner declares: the body of `PUT /v1/streams/{name}`.
#[derive(Debug, Clone, PartialEq)]
pub struct Definition {
    /// The JSON Schema of `data`, as it was sent.
    pub schema: Value,
    /// Where a plain body carries its id.
    pub id_from: Option<FieldPath>,
    /// Where a plain body carries its time.
    pub time_from: Option<FieldPath>,
    /// Who may do what with which records, beside permissions.
    pub access: Access,
}

/// A stream's access rules: filters that narrow what a principal may read and write. An absent rule
/// leaves it to permissions alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// Which records are seen, by any door.
    pub read: Option<String>,
    /// Which records may be made.
    pub create: Option<String>,
    /// Which records may be changed: both what was and what becomes of it must match.
    pub update: Option<String>,
    /// Which records may be deleted.
    pub delete: Option<String>,
}

impl Access {
    /// Each rule by its name.
    pub fn rules(&self) -> [(&'static str, Option<&str>); 4] {
        [
            ("read", self.read.as_deref()),
            ("create", self.create.as_deref()),
            ("update", self.update.as_deref()),
            ("delete", self.delete.as_deref()),
        ]
    }

    fn read_json(value: Option<&Value>, errors: &mut Vec<FieldError>) -> Access {
        let mut access = Access::default();
        let members = match value {
            None | Some(Value::Null) => return access,
            Some(Value::Object(members)) => members,
            Some(_) => {
                errors.push(FieldError::new("/access", "type_mismatch", "access is an object"));
                return access;
            }
        };
        for (name, rule) in members {
            let mut path = "/access".to_owned();
            push_pointer(&mut path, name);
            let text = match rule {
                Value::Null => None,
                Value::String(text) => Some(text.clone()),
                _ => {
                    errors.push(FieldError::new(
                        path,
                        "type_mismatch",
                        "a rule is a filter's text",
                    ));
                    continue;
                }
            };
            match name.as_str() {
                "read" => access.read = text,
                "create" => access.create = text,
                "update" => access.update = text,
                "delete" => access.delete = text,
                _ => {
                    let message = "the rules are read, create, update and delete";
                    errors.push(FieldError::new(path, "unknown_member", message));
                }
            }
        }
        access
    }
}

const MEMBERS: &[&str] =
    &["kind", "schema", "id_from", "time_from", "access", "pipeline", "retention", "on_reject"];

impl Definition {
    /// Reads a definition and compiles its schema, or says everything that is wrong with it.
    pub fn read(body: &Value) -> Result<(Definition, Schema), Vec<FieldError>> {
        let Some(members) = body.as_object() else {
            return Err(vec![FieldError::new("", "type_mismatch", "a definition is an object")]);
        };
        let mut errors = unknown_members(members);
        check_fixed(members, &mut errors);
        let id_from = path_member(members, "id_from", &mut errors);
        let time_from = path_member(members, "time_from", &mut errors);
        let access = Access::read_json(members.get("access"), &mut errors);
        let schema = members.get("schema").cloned().unwrap_or_else(|| json!({"type": "object"}));
        let takes_objects = |ty: &Value| match ty {
            Value::Array(names) => names.iter().any(|name| name == "object"),
            name => name == "object",
        };
        if schema.get("type").is_some_and(|ty| !takes_objects(ty)) {
            let message = "a record's data is an object";
            errors.push(FieldError::new("/schema/type", "type_mismatch", message));
        }
        match Schema::compile(&schema) {
            Ok(compiled) if errors.is_empty() => {
                Ok((Definition { schema, id_from, time_from, access }, compiled))
            }
            Ok(_) => Err(errors),
            Err(more) => {
                errors.extend(more.into_iter().map(|mut e| {
                    e.path.insert_str(0, "/schema");
                    e
                }));
                Err(errors)
            }
        }
    }

    /// The definition as it is given back and stored.
    pub fn to_json(&self) -> Map<String, Value> {
        let mut out = Map::new();
        out.insert("kind".into(), "append".into());
        out.insert("schema".into(), self.schema.clone());
        for (name, path) in [("id_from", &self.id_from), ("time_from", &self.time_from)] {
            if let Some(path) = path {
                out.insert(name.into(), path.to_string().into());
            }
        }
        let rules = self.access.rules().into_iter();
        let rules: Map<String, Value> =
            rules.filter_map(|(name, rule)| Some((name.to_owned(), rule?.into()))).collect();
        if !rules.is_empty() {
            out.insert("access".into(), rules.into());
        }
        out
    }
}

fn unknown_members(members: &Map<String, Value>) -> Vec<FieldError> {
    let unknown = members.keys().filter(|name| !MEMBERS.contains(&name.as_str()));
    unknown
        .map(|name| {
            let mut path = String::new();
            push_pointer(&mut path, name);
            let hint = nearest(name, MEMBERS.iter().copied());
            let hint = hint.map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
            FieldError::new(path, "unknown_member", format!("a stream has no such member{hint}"))
        })
        .collect()
}

/// Members whose only value in this release is the default one.
fn check_fixed(members: &Map<String, Value>, errors: &mut Vec<FieldError>) {
    match members.get("kind").map(Value::as_str) {
        None | Some(Some("append")) => {}
        Some(Some("keyed")) => errors.push(FieldError::unsupported("/kind", "the kind `keyed`")),
        Some(_) => errors.push(FieldError::new("/kind", "enum_mismatch", "the kind is `append`")),
    }
    match members.get("on_reject").map(Value::as_str) {
        None | Some(Some("reject")) => {}
        _ => errors.push(FieldError::unsupported("/on_reject", "anything but `reject`")),
    }
    for name in ["pipeline", "retention"] {
        if members.get(name).is_some_and(|v| !v.is_null()) {
            errors.push(FieldError::unsupported(format!("/{name}"), &format!("`{name}`")));
        }
    }
}

fn path_member(
    members: &Map<String, Value>,
    name: &str,
    errors: &mut Vec<FieldError>,
) -> Option<FieldPath> {
    let at = format!("/{name}");
    match members.get(name) {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => FieldPath::parse(text)
            .map_err(|message| errors.push(FieldError::new(at, "path_invalid", message)))
            .ok(),
        Some(_) => {
            errors.push(FieldError::new(at, "type_mismatch", "a path is a string"));
            None
        }
    }
}

/// A numbered typed column of a stream's table: `c3`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its number; never used again for another field or type.
    pub number: i64,
    /// The field that it holds.
    pub path: FieldPath,
    /// The type of its values.
    pub scalar: ScalarType,
    /// How far it is.
    pub state: ColumnState,
}

impl Column {
    /// Whether queries may be answered by it.
    pub fn is_ready(&self) -> bool {
        self.state == ColumnState::Ready
    }
}

/// How far a column is. Only a ready one says of every record what its JSON says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnState {
    /// Records from before its declaration are being filled in.
    Filling,
    /// It holds the field of every record.
    Ready,
    /// Some records from before its declaration have values that it cannot hold: of another type,
    /// or too long. Queries do without it.
    Partial,
}

impl ColumnState {
    /// Every state with the name by which it is stored and shown.
    pub const ALL: &'static [(&'static str, ColumnState)] = &[
        ("filling", ColumnState::Filling),
        ("ready", ColumnState::Ready),
        ("partial", ColumnState::Partial),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, state)| *state == self).map_or("", |(name, _)| name)
    }

    /// Finds a state by its name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, state)| *state)
    }
}

/// A stream as the catalog knows it.
#[derive(Debug)]
pub struct Stream {
    /// Its name.
    pub name: String,
    /// Names its table; never used again for another stream.
    pub number: i64,
    /// Begins at 1; one more each time the stream is made again.
    pub epoch: i64,
    /// Begins at 1; one more with each change of the definition.
    pub version: i64,
    /// When it was created.
    pub created_at: Timestamp,
    /// What its owner declared.
    pub definition: Definition,
    /// The compiled schema.
    pub schema: Schema,
    /// The columns of its indexed fields, by number.
    pub columns: std::sync::Arc<[Column]>,
}

impl Stream {
    /// The entity tag of a version of the stream or of a record of it. A stream that was made again
    /// begins again with its versions: its epoch tells them apart.
    pub fn tag(&self, version: i64) -> String {
        match self.epoch {
            1 => version.to_string(),
            epoch => format!("{epoch}-{version}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert!(check_stream_name("orders-2_x").is_ok());
        for bad in ["", "_audit", "2x", "Orders", "a b", &"a".repeat(64)] {
            assert!(check_stream_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_mistake_of_a_definition_is_told_at_once() {
        let body = json!({"kind": "keyed", "shema": {}, "id_from": "order_id", "retention": {}});
        let errors = Definition::read(&body).unwrap_err();
        let paths: Vec<&str> = errors.iter().map(|e| e.path.as_str()).collect();
        assert_eq!(paths, ["/shema", "/kind", "/retention", "/id_from"]);
        assert!(errors[0].message.contains("`schema`"));
    }
}
