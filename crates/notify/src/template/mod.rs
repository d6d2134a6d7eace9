//! Texts of what is told: built-in ones, those that somebody has put in their place, and how they are
//! made.

pub(crate) mod builtin;
pub(crate) mod engine;
mod scan;

use forebay_db::{Conn, DbError};
use forebay_model::{Error, FieldError};
use serde_json::{Map, Value, json};

use crate::sql::template as table;
use builtin::Builtin;
use engine::{Part, render};

/// The most bytes of data that a text is made of; of more than that the record's content is left out.
const MAX_DATA_BYTES: usize = 64 << 10;
/// The most characters of a subject.
const MAX_SUBJECT: usize = 200;
/// What all texts in HTML stand in.
const LAYOUT: (&str, &str) = (
    "<!doctype html><html><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
     content=\"width=device-width\"></head><body style=\"margin:0;padding:24px;\
     font:15px/1.5 system-ui,sans-serif;color:#1c2024\"><div style=\"max-width:600px\">",
    "</div></body></html>",
);

/// The parts of a text, as they are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) html: String,
}

/// What was made of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Made {
    /// One line, without what ends a header.
    pub(crate) subject: String,
    pub(crate) text: String,
    /// A whole document, but for [`Made::finish`].
    pub(crate) html: String,
}

impl From<&Builtin> for Source {
    fn from(builtin: &Builtin) -> Source {
        let [subject, text, html] =
            [builtin.subject, builtin.text, builtin.html].map(str::to_owned);
        Source { subject, text, html }
    }
}

impl Source {
    /// Makes it; an error names the part.
    pub(crate) fn make(&self, data: &Value) -> Result<Made, Error> {
        let mut errors = Vec::new();
        let mut part = |part: Part, source: &str| {
            render(part, source, data).unwrap_or_else(|message| {
                errors.push(FieldError::new(format!("/{}", part.name()), "invalid", message));
                String::new()
            })
        };
        let subject = part(Part::Subject, &self.subject);
        let text = part(Part::Text, &self.text);
        let html = part(Part::Html, &self.html);
        if !errors.is_empty() {
            return Err(Error::invalid_all(errors));
        }
        Ok(Made { subject: one_line(&subject), text, html })
    }
}

impl Made {
    /// Puts the HTML into its layout, with a last line where there is one: a link and its name.
    pub(crate) fn finish(mut self, last: Option<(&str, &str)>) -> Made {
        let mut end = String::new();
        if let Some((name, link)) = last {
            self.text = format!("{}\n\n-- \n{name}: {link}\n", self.text.trim_end());
            let data = json!({"name": name, "link": link});
            let line = "<p style=\"margin-top:32px;color:#60646c;font-size:13px\">\
                        <a href=\"{{ link }}\">{{ name }}</a></p>";
            end = render(Part::Html, line, &data).unwrap_or_default();
        }
        self.html = format!("{}{}{end}{}", LAYOUT.0, self.html, LAYOUT.1);
        self
    }
}

/// What a text for a kind is made of: the message, and where Forebay is.
pub(crate) fn data(kind: &str, time: &str, data: Value, site: &str) -> Value {
    let mut data = data;
    if data.to_string().len() > MAX_DATA_BYTES {
        if let Some(record) = data.get_mut("record").and_then(Value::as_object_mut) {
            record.remove("data");
        }
        if data.to_string().len() > MAX_DATA_BYTES {
            data = Value::Object(Map::new());
        }
    }
    let link = link(kind, &data, site);
    json!({"type": kind, "time": time, "data": data, "site": site, "link": link})
}

/// Where people see more of it.
fn link(kind: &str, data: &Value, site: &str) -> String {
    let rule = data.get("rule_id").and_then(Value::as_str).filter(|_| kind.starts_with("alert."));
    let stream = data.get("stream").and_then(Value::as_str);
    let path = match (rule, stream) {
        (Some(rule), _) => format!("rules/{}", escaped(rule)),
        (None, Some(stream)) => format!("streams/{}", escaped(stream)),
        (None, None) => String::new(),
    };
    format!("{site}/console/{path}")
}

fn escaped(text: &str) -> String {
    let good = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    text.chars().filter(good).collect()
}

/// Makes the text for a kind: what somebody has put in the built-in one's place, unless that fails.
pub(crate) async fn make(conn: &mut Conn, kind: &str, data: &Value) -> Result<Made, DbError> {
    let builtin = builtin::of(kind);
    if let Some(own) = table::find(conn, builtin.name).await? {
        match own.source.make(data) {
            Ok(made) => return Ok(made),
            Err(error) => {
                metrics::counter!("forebay_template_errors_total").increment(1);
                let errors = error.errors;
                tracing::warn!(
                    template = builtin.name,
                    ?errors,
                    "a template fails: the built-in one is used"
                );
            }
        }
    }
    let made = Source::from(builtin).make(data);
    made.map_err(|error| DbError::Internal(format!("{}: {:?}", builtin.name, error.errors)))
}

/// One line of a header: what would end it, or is not seen, becomes a space.
pub(crate) fn one_line(text: &str) -> String {
    let clean: String =
        text.chars().map(|c| if c.is_control() || is_invisible(c) { ' ' } else { c }).collect();
    let words: Vec<&str> = clean.split_whitespace().collect();
    words.join(" ").chars().take(MAX_SUBJECT).collect()
}

/// Line and paragraph separators, and what turns the direction of writing.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// By which people say what they want to hear of: the first word of a kind.
pub(crate) fn category(kind: &str) -> &'static str {
    match kind.split('.').next() {
        Some("alert") => "alert",
        Some("mail") => "account",
        _ => "event",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_built_in_text_is_made_from_its_sample() {
        assert!(builtin::ALL.windows(2).all(|two| two[0].name < two[1].name));
        for builtin in builtin::ALL {
            let made = Source::from(builtin).make(&(builtin.sample)()).unwrap();
            for part in [&made.subject, &made.text, &made.html] {
                assert!(!part.trim().is_empty(), "{}", builtin.name);
            }
            assert!(made.html.contains("<p>") && !made.text.contains("<p>"), "{}", builtin.name);
            // And from nothing: a member that is missing is left out.
            Source::from(builtin).make(&json!({})).unwrap();
        }
        assert_eq!(builtin::of("channel.test").name, "notification");
    }

    #[test]
    fn a_subject_is_one_line_whatever_a_record_says() {
        let source = Source {
            subject: "{{ data.x }}".to_owned(),
            text: "t".to_owned(),
            html: "h".to_owned(),
        };
        let data = json!({"data": {"x": "a\r\nBcc: evil@example.com\0\u{2028}b\u{202e}c"}});
        assert_eq!(source.make(&data).unwrap().subject, "a Bcc: evil@example.com b c");
        let long = json!({"data": {"x": "ä".repeat(1000)}});
        assert_eq!(source.make(&long).unwrap().subject.chars().count(), 200);
    }

    #[test]
    fn too_much_data_is_left_out() {
        let big = json!({"rule": "r", "stream": "s", "record": {"id": "a", "data": {"x": "y".repeat(70_000)}}});
        let made = data("record.matched", "t", big, "https://f.example");
        assert_eq!(made["data"]["record"], json!({"id": "a"}));
        assert_eq!(made["link"], "https://f.example/console/streams/s");
        let worse = json!({"rule": "r".repeat(70_000)});
        assert_eq!(data("x", "t", worse, "s")["data"], json!({}));
    }
}
