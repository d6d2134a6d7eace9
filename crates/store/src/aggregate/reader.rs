//! Reads the members of a JSON body strictly, and collects what is wrong with them.

use forebay_model::FieldError;
use forebay_model::field::{nearest, push_pointer};
use serde_json::{Map, Value};

/// What is wrong with a body, as far as it was read.
#[derive(Default)]
pub(crate) struct Reader {
    pub(crate) errors: Vec<FieldError>,
}

impl Reader {
    /// Notes that a place is wrong.
    pub(crate) fn refuse(
        &mut self,
        path: impl Into<String>,
        code: &'static str,
        message: impl Into<String>,
    ) {
        self.errors.push(FieldError::new(path, code, message.into()));
    }

    /// Refuses members that are not known here.
    pub(crate) fn only(&mut self, members: &Map<String, Value>, known: &[&'static str], at: &str) {
        let unknown = members.keys().filter(|name| !known.contains(&name.as_str()));
        // A few of them are what helps.
        for name in unknown.take(10) {
            let hint = nearest(name, known.iter().copied());
            let hint = hint.map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
            let message = format!("there is no such member here{hint}");
            self.refuse(below(at, name), "unknown_member", message);
        }
    }

    /// A text; null is none.
    pub(crate) fn text(&mut self, value: Option<&Value>, path: &str) -> Option<String> {
        match value {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text.clone()),
            Some(_) => {
                self.refuse(path, "type_mismatch", "takes a string");
                None
            }
        }
    }

    /// True or false; null is false.
    pub(crate) fn flag(&mut self, value: Option<&Value>, path: &str) -> bool {
        match value {
            None | Some(Value::Null) => false,
            Some(Value::Bool(flag)) => *flag,
            Some(_) => {
                self.refuse(path, "type_mismatch", "takes true or false");
                false
            }
        }
    }

    /// The items of an array; null is an empty one.
    pub(crate) fn items<'v>(
        &mut self,
        value: Option<&'v Value>,
        path: &str,
        most: usize,
    ) -> &'v [Value] {
        match value {
            None | Some(Value::Null) => &[],
            Some(Value::Array(items)) if items.len() <= most => items,
            Some(Value::Array(_)) => {
                self.refuse(path, "too_long", format!("has at most {most} items"));
                &[]
            }
            Some(_) => {
                self.refuse(path, "type_mismatch", "takes an array");
                &[]
            }
        }
    }
}

/// The pointer of a member.
pub(crate) fn below(at: &str, name: &str) -> String {
    let mut path = at.to_owned();
    push_pointer(&mut path, name);
    path
}
