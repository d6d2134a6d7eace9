//! A message as it goes out: RFC 5322, text and HTML, from values that end no header.

use std::time::{Duration, UNIX_EPOCH};

use forebay_model::time::Timestamp;
use lettre::address::Envelope;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::{Address, Message};

use crate::template::{Made, one_line};

/// What goes into a message.
pub(super) struct Letter<'l> {
    pub(super) from: &'l Mailbox,
    pub(super) to: &'l Address,
    /// The same each time that it is sent: by it receivers know a repetition.
    pub(super) id: String,
    pub(super) time: Timestamp,
    pub(super) made: &'l Made,
    /// Where a mailer unsubscribes with one POST (RFC 8058).
    pub(super) unsubscribe: Option<&'l str>,
}

/// Writes it; the error is a message for people.
pub(super) fn compose(letter: &Letter<'_>) -> Result<(Envelope, Vec<u8>), String> {
    let micros = u64::try_from(letter.time.micros()).unwrap_or(0);
    let mut message = Message::builder()
        .from(letter.from.clone())
        .to(Mailbox::new(None, letter.to.clone()))
        .subject(one_line(&letter.made.subject))
        .date(UNIX_EPOCH + Duration::from_micros(micros))
        .message_id(Some(letter.id.clone()));
    // Nobody's vacation answers it (RFC 3834, 5).
    let mut headers = vec![("Auto-Submitted", "auto-generated".to_owned())];
    if let Some(link) = letter.unsubscribe {
        headers.push(("List-Unsubscribe", format!("<{}>", one_word(link))));
        headers.push(("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".to_owned()));
    }
    for (name, value) in headers {
        message = message.raw_header(HeaderValue::new(HeaderName::new_from_ascii_str(name), value));
    }
    let body =
        MultiPart::alternative_plain_html(letter.made.text.clone(), letter.made.html.clone());
    let message = message.multipart(body).map_err(|error| error.to_string())?;
    Ok((message.envelope().clone(), message.formatted()))
}

fn one_word(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace() && !c.is_control() && *c != '>').collect()
}

/// The id of a message to an address: derived, so that a try after another has the same.
pub(super) fn message_id(notification: &str, address: &str, domain: &str) -> String {
    use aws_lc_rs::digest::{SHA256, digest};
    let hash = digest(&SHA256, address.as_bytes());
    let hash: String = hash.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let good = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let id: String = notification.chars().filter(good).take(100).collect();
    format!("<{id}.{hash}@{domain}>")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(subject: &str, to: &str) -> Result<String, String> {
        let from: Mailbox = "Förebay <alerts@example.com>".parse().unwrap();
        let to: Address = to.parse().map_err(|_| "no address".to_owned())?;
        let made = Made {
            subject: subject.to_owned(),
            text: "täxt".to_owned(),
            html: "<p>häml</p>".to_owned(),
        };
        let id = message_id("n1", to.as_ref(), "example.com");
        let letter = Letter {
            from: &from,
            to: &to,
            id,
            time: Timestamp::from_micros(1_700_000_000_000_000),
            made: &made,
            unsubscribe: Some("https://f.example/v1/unsubscribe?token=t\r\nBcc: x@y"),
        };
        compose(&letter).map(|(_, bytes)| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn a_message_has_text_and_html_and_its_headers_once() {
        let text = letter("Grüße", "ann@example.org").unwrap();
        for line in [
            "To: ann@example.org\r\n",
            "Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n",
            "Auto-Submitted: auto-generated\r\n",
            "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n",
            "multipart/alternative",
            "text/plain; charset=utf-8",
            "text/html; charset=utf-8",
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
        assert!(
            text.contains("Subject: =?utf-8?b?") && text.contains("From: =?utf-8?b?"),
            "{text}"
        );
        assert!(text.is_ascii());
        assert!(!text.to_lowercase().contains("\r\nbcc:"));
    }

    #[test]
    fn no_value_ends_a_header() {
        for bad in ["a\r\nBcc: evil@example.com", "a\nBcc: evil@example.com", "a\rBcc: e@x", "a\0b"]
        {
            let text = letter(bad, "ann@example.org").unwrap();
            let head = text.split("\r\n\r\n").next().unwrap().to_lowercase();
            assert!(!head.contains("\nbcc:") && !head.contains("\rbcc:"), "{text}");
        }
        for bad in ["a@b\r\nBcc: evil@x", "a\n@b", "a b@c", "", "a", "a@b>", "<a@b"] {
            assert!(letter("s", bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_id_is_the_same_for_the_same_message_and_address() {
        let id = message_id("n1", "a@x", "example.com");
        assert_eq!(id, message_id("n1", "a@x", "example.com"));
        assert_ne!(id, message_id("n1", "b@x", "example.com"));
        assert_ne!(id, message_id("n2", "a@x", "example.com"));
        assert!(message_id("n>\r\nX: 1", "a@x", "e").starts_with("<nX1."));
    }
}
