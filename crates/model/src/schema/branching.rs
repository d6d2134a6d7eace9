//! How many schemas one value is led through by references and combinations, before anything of it
//! is looked at: a chain of definitions that each name the next one twice doubles it with each.

use std::collections::HashMap;

use serde_json::Value;

use crate::field::push_pointer;

/// Keywords whose schemas are for the same value.
const SAME: &[&str] = &["allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas"];
const REFERENCES: &[&str] = &["$ref", "$dynamicRef", "$recursiveRef"];

/// Finds where a schema leads one value through more than `most` schemas.
pub(super) fn beyond(schema: &Value, most: u64) -> Option<String> {
    let mut named = Named { resources: vec![("", schema)], anchors: Vec::new() };
    named.collect(schema);
    if !has_reference(schema) {
        return None;
    }
    let mut counts = HashMap::new();
    find(schema, String::new(), &mut |at| named.count(at, most, &mut counts) > most)
}

/// What references can name.
struct Named<'s> {
    /// Schemas with an `$id`; the root first.
    resources: Vec<(&'s str, &'s Value)>,
    anchors: Vec<(&'s str, &'s Value)>,
}

impl<'s> Named<'s> {
    fn collect(&mut self, at: &'s Value) {
        if let Some(id) = at.get("$id").and_then(Value::as_str) {
            self.resources.push((id.trim_end_matches('#'), at));
        }
        for name in ["$anchor", "$dynamicAnchor"] {
            if let Some(anchor) = at.get(name).and_then(Value::as_str) {
                self.anchors.push((anchor, at));
            }
        }
        for below in children(at) {
            self.collect(below);
        }
    }

    /// All that a reference may mean; which of them it is, is for the validator to say.
    fn targets(&self, reference: &str) -> Vec<&'s Value> {
        let (base, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let last = |id: &'s str| id.rsplit(['/', ':']).next().unwrap_or(id);
        let name = base.rsplit(['/', ':']).next().unwrap_or(base);
        let bases = self.resources.iter().filter(|(id, _)| base.is_empty() || last(id) == name);
        if fragment.is_empty() {
            // `#` is the resource that it stands in.
            return bases.map(|(_, at)| *at).collect();
        }
        if fragment.starts_with('/') {
            let pointer = decoded(fragment);
            return bases.filter_map(|(_, at)| at.pointer(&pointer)).collect();
        }
        let anchors = self.anchors.iter().filter(|(anchor, _)| *anchor == fragment);
        anchors.map(|(_, at)| *at).collect()
    }

    /// How many schemas a value is led through from here on. A schema that leads to itself is cut: the
    /// validator notices when it comes back with the same value, and looks at it for that.
    fn count(&self, at: &'s Value, most: u64, counts: &mut HashMap<*const Value, u64>) -> u64 {
        let key = std::ptr::from_ref(at);
        if let Some(known) = counts.get(&key) {
            return *known;
        }
        counts.insert(key, 1);
        let mut sum = 1_u64;
        for (name, member) in at.as_object().into_iter().flatten() {
            let reference = member.as_str().filter(|_| REFERENCES.contains(&name.as_str()));
            let more = if let Some(reference) = reference {
                let targets = self.targets(reference).into_iter();
                targets.map(|to| self.count(to, most, counts)).max().unwrap_or(0)
            } else {
                let all = same(name, member).into_iter();
                all.map(|below| self.count(below, most, counts)).fold(0, u64::saturating_add)
            };
            sum = sum.saturating_add(more);
        }
        let sum = sum.min(most.saturating_add(1));
        counts.insert(key, sum);
        sum
    }
}

/// The schemas of a keyword that are for the same value.
fn same<'s>(name: &str, member: &'s Value) -> Vec<&'s Value> {
    match member {
        _ if !SAME.contains(&name) => Vec::new(),
        Value::Array(list) => list.iter().collect(),
        Value::Object(named) if name == "dependentSchemas" => named.values().collect(),
        one => vec![one],
    }
}

fn children(at: &Value) -> Box<dyn Iterator<Item = &Value> + '_> {
    match at {
        Value::Object(members) => Box::new(members.values()),
        Value::Array(items) => Box::new(items.iter()),
        _ => Box::new(std::iter::empty()),
    }
}

fn has_reference(at: &Value) -> bool {
    let refers = |name: &&str| at.get(*name).is_some_and(Value::is_string);
    REFERENCES.iter().any(refers) || children(at).any(has_reference)
}

/// Finds the first place that is like this.
fn find<'s>(at: &'s Value, path: String, is: &mut impl FnMut(&'s Value) -> bool) -> Option<String> {
    if is(at) {
        return Some(path);
    }
    let below = |name: &str| {
        let mut path = path.clone();
        push_pointer(&mut path, name);
        path
    };
    match at {
        Value::Object(members) => {
            members.iter().find_map(|(name, member)| find(member, below(name), is))
        }
        Value::Array(items) => {
            let mut items = items.iter().enumerate();
            items.find_map(|(n, item)| find(item, below(&n.to_string()), is))
        }
        _ => None,
    }
}

/// Undoes what a URI's fragment writes with `%`.
fn decoded(fragment: &str) -> String {
    let mut bytes = Vec::with_capacity(fragment.len());
    let mut rest = fragment.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        let hex = more.get(..2).filter(|_| *first == b'%');
        let byte = hex.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        match byte {
            Some(byte) => {
                bytes.push(byte);
                rest = &more[2..];
            }
            None => {
                bytes.push(*first);
                rest = more;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::super::Schema;

    type Below = fn(Value) -> Value;
    /// What a definition calls itself, and how others refer to it.
    type Name = fn(usize) -> (Value, String);

    const BELOW: &[(&str, Below)] = &[
        ("anyOf", |next| json!({"anyOf": [next, next]})),
        ("oneOf", |next| json!({"oneOf": [next, next, next]})),
        ("allOf", |next| json!({"allOf": [next, {"not": next}]})),
        ("if", |next| json!({"if": next, "then": next, "else": next})),
        ("dependent", |next| json!({"dependentSchemas": {"a": next, "b": next}, "not": next})),
    ];

    /// A chain of definitions, each of which leads to the next one in this way.
    fn chain(length: usize, below: Below, last: &Value, name: Name) -> Value {
        let mut defs = Map::new();
        for n in 0..=length {
            let (named, _) = name(n);
            let mut schema = if n == length {
                json!({"allOf": [last]})
            } else {
                below(json!({"$ref": name(n + 1).1}))
            };
            schema.as_object_mut().unwrap().extend(named.as_object().unwrap().clone());
            defs.insert(format!("d {n}"), schema);
        }
        json!({"$defs": defs, "additionalProperties": {"$ref": name(0).1}})
    }

    const NAMES: &[Name] = &[
        |n| (json!({}), format!("#/$defs/d%20{n}")),
        |n| (json!({"$anchor": format!("a{n}")}), format!("#a{n}")),
        |n| (json!({"$id": format!("urn:x:{n}")}), format!("urn:x:{n}")),
        |n| (json!({"$id": format!("http://x/y/{n}")}), format!("http://x/y/{n}")),
    ];

    #[test]
    fn a_chain_that_doubles_is_refused() {
        for (name, below) in BELOW {
            for named in NAMES {
                for last in [json!({"type": "string"}), json!(false), json!({})] {
                    let told = Schema::compile(&chain(40, *below, &last, *named)).unwrap_err();
                    assert_eq!(told[0].code, "too_long", "{name} {told:?}");
                    let short = Schema::compile(&chain(5, *below, &last, *named)).unwrap();
                    for data in [json!({"z": 1}), json!({"z": {"a": {"b": 1}}}), json!({})] {
                        assert!(short.check(&data).len() <= 8, "{name} {data}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_record_is_not_looked_at_without_end() {
        // Each level of the record is looked at twice as often as the one above it.
        let twice = json!({"anyOf": [
            {"properties": {"a": {"$ref": "#/$defs/x"}}, "required": ["b"]},
            {"additionalProperties": {"$ref": "#/$defs/x"}, "minProperties": 9},
            {"type": "string"},
        ]});
        let schema = Schema::compile(&json!({"$defs": {"x": twice}, "properties": {
            "z": {"$ref": "#/$defs/x"}}}))
        .unwrap();
        let mut data = json!(1);
        for _ in 0..60 {
            data = json!({"a": data});
        }
        let told = schema.check(&json!({"z": data}));
        assert!(!told.is_empty() && told.len() <= 8, "{told:?}");
    }

    #[test]
    fn what_people_write_is_checked_to_the_end() {
        let schema = Schema::compile(&json!({"$defs": {"tree": {"type": "object",
            "required": ["value"], "properties": {"value": {"type": "integer"},
            "below": {"type": "array", "items": {"$ref": "#/$defs/tree"}}}}},
            "properties": {"tree": {"$ref": "#/$defs/tree"}}}))
        .unwrap();
        let mut tree = json!({"value": 1});
        for _ in 0..9 {
            tree = json!({"value": 1, "below": [tree.clone(), tree]});
        }
        assert_eq!(schema.check(&json!({"tree": tree})), []);
        tree["below"][1]["below"][0]["value"] = json!("a");
        let told = schema.check(&json!({"tree": tree}));
        assert_eq!(told[0].path, "/data/tree/below/1/below/0/value");
        let kinds: Vec<Value> = (0..150)
            .map(|n| {
                json!({"properties": {"kind": {"const": n}, "a": {"type": "string"}},
                    "required": ["kind"]})
            })
            .collect();
        let schema = Schema::compile(&json!({"oneOf": kinds})).unwrap();
        assert_eq!(schema.check(&json!({"kind": 149, "a": "x"})), []);
    }
}
