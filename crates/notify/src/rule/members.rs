//! Reading the members of a JSON object, with everything that is wrong with them.

use forebay_filter::read_span;
use forebay_model::FieldError;
use forebay_model::field::{nearest, push_pointer};
use serde_json::{Map, Value};

/// In microseconds.
pub(crate) const SECOND: i64 = 1_000_000;
pub(crate) const HOUR: i64 = 3_600 * SECOND;
pub(crate) const DAY: i64 = 24 * HOUR;

/// The members of an object, with what is wrong with them.
pub(crate) struct Read<'m> {
    at: String,
    pub(crate) members: &'m Map<String, Value>,
    pub(crate) wrong: Vec<FieldError>,
}

impl<'m> Read<'m> {
    pub(crate) fn new(members: &'m Map<String, Value>) -> Read<'m> {
        Read { at: String::new(), members, wrong: Vec::new() }
    }

    pub(crate) fn inside<'i>(&self, name: &str, members: &'i Map<String, Value>) -> Read<'i> {
        Read { at: self.path(name), members, wrong: Vec::new() }
    }

    /// One of a list's objects.
    pub(crate) fn item<'i>(
        &self,
        name: &str,
        at: usize,
        members: &'i Map<String, Value>,
    ) -> Read<'i> {
        Read { at: format!("{}/{at}", self.path(name)), members, wrong: Vec::new() }
    }

    fn path(&self, name: &str) -> String {
        let mut path = self.at.clone();
        push_pointer(&mut path, name);
        path
    }

    pub(crate) fn wrong(&mut self, name: &str, code: &'static str, message: &str) {
        self.wrong.push(FieldError::new(self.path(name), code, message.to_owned()));
    }

    pub(crate) fn text(&mut self, name: &str) -> Option<String> {
        match self.members.get(name) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) if text.len() <= forebay_filter::MAX_BYTES => {
                Some(text.clone())
            }
            Some(Value::String(_)) => {
                self.wrong(name, "too_long", "at most 4096 bytes");
                None
            }
            Some(_) => {
                self.wrong(name, "type_mismatch", "a text");
                None
            }
        }
    }

    pub(crate) fn needed(&mut self, name: &str) -> Option<String> {
        if self.members.get(name).is_none_or(Value::is_null) {
            self.wrong(name, "required", "this member is required");
        }
        self.text(name)
    }

    pub(crate) fn texts(&mut self, name: &str, most: usize) -> Vec<String> {
        let Some(value) = self.members.get(name).filter(|value| !value.is_null()) else {
            return Vec::new();
        };
        let texts: Option<Vec<String>> = value
            .as_array()
            .and_then(|items| items.iter().map(|item| item.as_str().map(str::to_owned)).collect());
        match texts {
            Some(texts) if texts.len() <= most => texts,
            Some(_) => {
                self.wrong(name, "too_long", &format!("at most {most}"));
                Vec::new()
            }
            None => {
                self.wrong(name, "type_mismatch", "a list of texts");
                Vec::new()
            }
        }
    }

    /// A length of time; `otherwise` where there is none. What is wrong reads as 0.
    pub(crate) fn span(&mut self, name: &str, (least, most): (i64, i64), otherwise: i64) -> i64 {
        if self.members.get(name).is_none_or(Value::is_null) {
            return otherwise;
        }
        let Some(text) = self.text(name) else { return 0 };
        match read_span(&text) {
            Some(span) if (least..=most).contains(&span) => span,
            Some(_) => {
                let (least, most) = (shown(least), shown(most));
                self.wrong(name, "out_of_range", &format!("from {least} to {most}"));
                0
            }
            None => {
                self.wrong(name, "duration_invalid", "a length of time such as 90s, 5m or 1h30m");
                0
            }
        }
    }

    pub(crate) fn object(&mut self, name: &str) -> Option<&'m Map<String, Value>> {
        match self.members.get(name) {
            Some(Value::Object(members)) => Some(members),
            Some(_) => {
                self.wrong(name, "type_mismatch", "an object");
                None
            }
            None => {
                self.wrong(name, "required", "this member is required");
                None
            }
        }
    }

    pub(crate) fn unknown(&mut self, known: &[&str]) {
        let unknown: Vec<&String> =
            self.members.keys().filter(|name| !known.contains(&name.as_str())).collect();
        for name in unknown {
            let hint = nearest(name, known.iter().copied());
            let hint = hint.map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
            self.wrong(
                name,
                "unknown_member",
                &format!("a rule of this kind has no such member{hint}"),
            );
        }
    }
}

fn shown(micros: i64) -> String {
    match micros {
        m if m % DAY == 0 && m > 0 => format!("{}d", m / DAY),
        m if m % HOUR == 0 && m > 0 => format!("{}h", m / HOUR),
        m if m % SECOND == 0 => format!("{}s", m / SECOND),
        m => format!("{}ms", m / 1_000),
    }
}
