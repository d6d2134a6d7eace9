//! Whether a changed schema still accepts what the old one accepted.

use serde_json::Value;

use crate::error::FieldError;
use crate::field::push_pointer;

const ANNOTATIONS: &[&str] =
    &["$comment", "title", "description", "default", "examples", "x-index", "x-search"];

/// The places where a new schema refuses what the old one took, or drops a field that it declared. An
/// added field, a widened type
/// and a dropped constraint are no breach.
pub fn breaches(old: &Value, new: &Value) -> Vec<FieldError> {
    let mut found = Vec::new();
    compare(old, new, "/schema", &mut found);
    found
}

fn compare(old: &Value, new: &Value, at: &str, found: &mut Vec<FieldError>) {
    let (Some(old), Some(new)) = (old.as_object(), new.as_object()) else {
        if old != new {
            found.push(breach(at, "differs"));
        }
        return;
    };
    for (keyword, now) in new {
        let before = old.get(keyword);
        let here = child(at, keyword);
        match (keyword.as_str(), before) {
            (name, _) if ANNOTATIONS.contains(&name) => {}
            ("properties", _) => properties(before, now, &here, found),
            ("type", Some(before)) if widens(before, now) => {}
            ("required", _) if subset(now, before) => {}
            ("enum", Some(before)) if subset(before, Some(now)) => {}
            (_, Some(before)) if before == now => {}
            ("items", Some(before)) => compare(before, now, &here, found),
            _ => found.push(breach(&here, "refuses what was taken before")),
        }
    }
    if !new.contains_key("properties") {
        properties(old.get("properties"), &Value::Null, &child(at, "properties"), found);
    }
}

fn properties(old: Option<&Value>, new: &Value, at: &str, found: &mut Vec<FieldError>) {
    let Some(old) = old.and_then(Value::as_object) else { return };
    for (name, before) in old {
        let here = child(at, name);
        match new.get(name) {
            Some(now) => compare(before, now, &here, found),
            None => found.push(breach(&here, "the field is gone")),
        }
    }
}

fn widens(old: &Value, new: &Value) -> bool {
    let (old, new) = (names(old), names(new));
    old.iter().all(|name| new.contains(name) || *name == "integer" && new.contains(&"number"))
}

fn names(ty: &Value) -> Vec<&str> {
    match ty {
        Value::String(name) => vec![name],
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn subset(small: &Value, large: Option<&Value>) -> bool {
    let large = large.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    small.as_array().is_some_and(|small| small.iter().all(|item| large.contains(item)))
}

fn breach(at: &str, message: &'static str) -> FieldError {
    FieldError::new(at, "incompatible", message)
}

fn child(at: &str, name: &str) -> String {
    let mut path = at.to_owned();
    push_pointer(&mut path, name);
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn widening_is_no_breach_and_narrowing_is() {
        let old = json!({"type": "object", "properties": {"n": {"type": "integer", "minimum": 0}}});
        let wide = json!({"type": "object", "properties":
            {"n": {"type": ["number", "null"], "x-index": true}, "m": {"type": "string"}}});
        assert_eq!(breaches(&old, &wide), []);
        let paths: Vec<String> = breaches(&wide, &old).into_iter().map(|e| e.path).collect();
        assert_eq!(
            paths,
            ["/schema/properties/n/type", "/schema/properties/n/minimum", "/schema/properties/m"]
        );
        assert_eq!(breaches(&wide, &json!({"type": "object", "required": ["n"]})).len(), 3);
        assert_eq!(breaches(&wide, &json!({})).len(), 2);
    }
}
