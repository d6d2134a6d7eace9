//! Which trace a request belongs to (W3C Trace Context, level 1), and our part of it.

use std::fmt::{self, Display, Formatter};

use http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

static PARENT: HeaderName = HeaderName::from_static("traceparent");
static ANSWER: HeaderName = HeaderName::from_static("traceresponse");

/// A request's place in a trace: the caller's trace where it names one, else one of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trace {
    /// 32 hexadecimal digits.
    pub(crate) id: String,
    /// Of this request: 16 hexadecimal digits.
    span: String,
    /// Whether the caller records the trace.
    sampled: bool,
}

impl Trace {
    /// Reads `traceparent`; one that is malformed, or stands twice, is as if it were not there. A trace
    /// that begins here is called as `own` says: as the request is, so that chance is asked once.
    pub(crate) fn of(headers: &HeaderMap, own: Uuid) -> Trace {
        let own = own.simple().to_string();
        // The later half of it is random.
        let span = own[16..].to_owned();
        let mut values = headers.get_all(&PARENT).iter();
        let given = values.next().and_then(|value| read(value.to_str().ok()?));
        match given.filter(|_| values.next().is_none()) {
            Some((id, sampled)) => Trace { id, span, sampled },
            None => Trace { id: own, span, sampled: false },
        }
    }

    /// Says the place in the answer.
    pub(crate) fn answer(&self, headers: &mut HeaderMap) {
        if let Ok(value) = HeaderValue::try_from(self.to_string()) {
            headers.insert(&ANSWER, value);
        }
    }
}

impl Display for Trace {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Trace { id, span, sampled } = self;
        write!(f, "00-{id}-{span}-{:02x}", u8::from(*sampled))
    }
}

/// The trace and whether it is recorded (3.2.2).
fn read(text: &str) -> Option<(String, bool)> {
    let mut parts = text.split('-');
    let version = hexadecimal(parts.next()?, 2)?;
    let trace = hexadecimal(parts.next()?, 32)?;
    let parent = hexadecimal(parts.next()?, 16)?;
    let flags = hexadecimal(parts.next()?, 2)?;
    // A later version may say more behind these, this one does not.
    let whole = version != "00" || parts.next().is_none();
    let zero = |text: &str| text.bytes().all(|c| c == b'0');
    if version == "ff" || !whole || zero(trace) || zero(parent) {
        return None;
    }
    Some((trace.to_owned(), u8::from_str_radix(flags, 16).ok()? & 1 == 1))
}

fn hexadecimal(text: &str, digits: usize) -> Option<&str> {
    let good = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
    (text.len() == digits && text.bytes().all(good)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_standard_allows_is_taken() {
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        let good = format!("00-{id}-00f067aa0ba902b7-01");
        assert_eq!(read(&good), Some((id.to_owned(), true)));
        let later = format!("cc-{id}-00f067aa0ba902b7-02-what-the-future-will-be-like");
        assert_eq!(read(&later), Some((id.to_owned(), false)));
        for bad in [
            "",
            "00",
            &good.to_uppercase(),
            &good.replace("00-", "ff-"),
            &format!("{good}-x"),
            &good[..54],
            &format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
            &format!("00-{id}-0000000000000000-01"),
            &format!("00-{id}-00f067aa0ba902b-01"),
            &good.replace("4bf9", "4bg9"),
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
