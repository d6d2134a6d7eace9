//! A mail server for tests, and what it was given.

use forebay_testkit::MailServer;
use serde_json::Value;

use crate::support::{Engine, Server};

/// Forebay with a mail server.
pub(super) struct Post {
    pub(super) s: Server,
    pub(super) mail: MailServer,
}

/// Starts both; more of the environment goes along.
pub(super) async fn start(engine: Engine, more: &[(&str, &str)]) -> Post {
    let mail = MailServer::start(None).unwrap();
    let port = mail.port.to_string();
    let environment = [
        ("FOREBAY_NOTIFY__SMTP__HOST", "127.0.0.1"),
        ("FOREBAY_NOTIFY__SMTP__PORT", port.as_str()),
        ("FOREBAY_NOTIFY__SMTP__TLS", "none"),
        ("FOREBAY_NOTIFY__SMTP__FROM", "Förebay <forebay@example.com>"),
        super::LOCAL,
    ];
    let s = Server::start_with(engine, &[&environment, more].concat()).await;
    Post { s, mail }
}

impl Post {
    /// Waits for a message to somebody whose subject has these words.
    pub(super) fn letter(&self, to: &str, subject: &str) -> Value {
        let is = |letter: &Value| {
            letter["to"] == to && letter["subject"].as_str().unwrap().contains(subject)
        };
        let wanted = |line: &str| is(&serde_json::from_str(line).unwrap());
        serde_json::from_str(&self.mail.until(wanted).unwrap()).unwrap()
    }

    /// All messages so far.
    pub(super) fn letters(&self) -> Vec<Value> {
        self.mail.messages().iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The token of a message's link, which stands in its text and in its HTML.
    pub(super) fn token(&self, to: &str, subject: &str) -> String {
        token(&self.letter(to, subject))
    }
}

/// The token of a message's link.
pub(super) fn token(letter: &Value) -> String {
    let of = |part: &str| {
        let text = letter[part].as_str().unwrap();
        let (_, rest) = text.split_once("?token=").unwrap_or_else(|| panic!("no link: {text}"));
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-');
        rest[..end.unwrap_or(rest.len())].to_owned()
    };
    assert_eq!(of("text"), of("html"));
    of("text")
}

/// The values of a header.
pub(super) fn header<'l>(letter: &'l Value, name: &str) -> Vec<&'l str> {
    let headers = letter["headers"].as_array().unwrap().iter();
    headers.filter(|header| header[0] == name).map(|header| header[1].as_str().unwrap()).collect()
}
