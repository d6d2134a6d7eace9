//! A record as the validator reads it, with a count of its looks: references can make a short schema
//! look at one value more often than anybody wants to wait.

use std::borrow::Cow;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use jsonschema::JsonType;
use jsonschema::json::{Array, Json, Node, NodeIdentity, Object, unique};
use serde_json::{Map, Number, Value};

thread_local! {
    /// How many looks are left for what is being checked on this thread.
    static LEFT: Cell<u64> = const { Cell::new(0) };
}

/// What is thrown when no look is left; nothing else knows of it.
struct TooOften;

/// Runs a check with so many looks at most; `None` when they were not enough.
pub(super) fn within<T>(looks: u64, check: impl FnOnce() -> T) -> Option<T> {
    LEFT.set(looks);
    // The validator takes values and returns: it leaves nothing behind half done.
    match catch_unwind(AssertUnwindSafe(check)) {
        Ok(done) => Some(done),
        Err(thrown) if thrown.is::<TooOften>() => None,
        Err(thrown) => resume_unwind(thrown),
    }
}

/// How many values a record has.
pub(super) fn values(data: &Value) -> u64 {
    match data {
        Value::Array(items) => 1 + items.iter().map(values).sum::<u64>(),
        Value::Object(members) => 1 + members.values().map(values).sum::<u64>(),
        _ => 1,
    }
}

fn look() {
    let left = LEFT.get();
    if left == 0 {
        // No panic: no message is written, and nobody else sees it.
        resume_unwind(Box::new(TooOften));
    }
    LEFT.set(left - 1);
}

/// The representation.
pub(super) struct Counted;

/// A value; each look at it counts.
#[derive(Clone, Copy)]
pub(super) struct Seen<'a>(pub(super) &'a Value);

pub(super) struct Members<'a>(&'a Map<String, Value>);

pub(super) struct Items<'a>(&'a [Value]);

impl Json for Counted {
    type Node<'a> = Seen<'a>;
    type PreparedKey = String;
    type StringBuffer = ();

    const ACYCLIC: bool = true;

    fn prepare_key(key: &str) -> String {
        key.to_owned()
    }

    fn with_string_node<T>((): &mut (), string: &str, f: impl FnOnce(Seen<'_>) -> T) -> T {
        f(Seen(&Value::String(string.to_owned())))
    }
}

impl<'a> Node<'a, Counted> for Seen<'a> {
    type Object = Members<'a>;
    type Array = Items<'a>;
    type Number = &'a Number;

    fn as_object(&self) -> Option<Members<'a>> {
        look();
        self.0.as_object().map(Members)
    }

    fn as_array(&self) -> Option<Items<'a>> {
        look();
        self.0.as_array().map(|items| Items(items))
    }

    fn as_string(&self) -> Option<Cow<'a, str>> {
        look();
        self.0.as_str().map(Cow::Borrowed)
    }

    fn as_number(&self) -> Option<&'a Number> {
        look();
        self.0.as_number()
    }

    fn as_boolean(&self) -> Option<bool> {
        look();
        self.0.as_bool()
    }

    fn is_null(&self) -> bool {
        look();
        self.0.is_null()
    }

    fn json_type(&self) -> JsonType {
        look();
        match self.0 {
            Value::Null => JsonType::Null,
            Value::Bool(_) => JsonType::Boolean,
            Value::Number(_) => JsonType::Number,
            Value::String(_) => JsonType::String,
            Value::Array(_) => JsonType::Array,
            Value::Object(_) => JsonType::Object,
        }
    }

    fn equals_value(&self, expected: &Value) -> bool {
        look();
        jsonschema::json::cmp::equal(self.0, expected)
    }

    fn to_value(&self) -> Cow<'a, Value> {
        look();
        Cow::Borrowed(self.0)
    }

    fn identity(&self) -> Option<NodeIdentity> {
        look();
        Some(NodeIdentity::new(std::ptr::from_ref(self.0).addr()))
    }
}

impl<'a> Object<'a, Counted> for Members<'a> {
    type Node = Seen<'a>;
    type MemberName = &'a str;
    type MembersIter = Pairs<'a>;

    fn len(&self) -> usize {
        self.0.len()
    }

    fn get(&self, key: &String) -> Option<Seen<'a>> {
        look();
        self.0.get(key).map(Seen)
    }

    fn members(&self) -> Pairs<'a> {
        Pairs(self.0.iter())
    }
}

pub(super) struct Pairs<'a>(serde_json::map::Iter<'a>);

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a str, Seen<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        look();
        self.0.next().map(|(name, value)| (name.as_str(), Seen(value)))
    }
}

impl<'a> Array<'a, Counted> for Items<'a> {
    type Node = Seen<'a>;
    type ElementsIter = Elements<'a>;

    fn len(&self) -> usize {
        self.0.len()
    }

    fn elements(&self) -> Elements<'a> {
        Elements(self.0.iter())
    }

    fn is_unique(&self) -> bool {
        look();
        unique::is_unique(self.0)
    }
}

pub(super) struct Elements<'a>(std::slice::Iter<'a, Value>);

impl<'a> Iterator for Elements<'a> {
    type Item = Seen<'a>;

    fn next(&mut self) -> Option<Seen<'a>> {
        look();
        self.0.next().map(Seen)
    }
}
