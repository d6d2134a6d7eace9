//! JSON bodies: one object, an array of objects, or a line each.

use forebay_http::body::unreadable;
use forebay_model::json::{Fault, Reader, read};
use forebay_model::{Code, Error};
use serde_json::Value;

use super::{Bounds, Rejection, Row, too_many};

/// Reads one object, or an array: what cannot be read is a problem of the whole request, a
/// readable record that breaks a rule is a rejection.
pub(super) fn object_or_array(body: &[u8], how: Bounds) -> Result<Vec<Row>, Error> {
    let text = std::str::from_utf8(body).map_err(|e| {
        Error::new(Code::InvalidJson, format!("byte {}: not UTF-8", e.valid_up_to()))
    })?;
    let mut reader = Reader::new(text);
    let mut rows = Vec::new();
    if reader.peek_token() == Some(b'[') {
        let mut more = reader.begin_array().map_err(unreadable)?;
        while more {
            if rows.len() == how.max {
                return Err(too_many(how.max));
            }
            rows.push(element(&mut reader, how.root)?);
            more = reader.next_element().map_err(unreadable)?;
        }
    } else {
        rows.push(element(&mut reader, how.root)?);
    }
    reader.end().map_err(unreadable)?;
    Ok(rows)
}

fn element(reader: &mut Reader<'_>, root: &str) -> Result<Row, Error> {
    let start = reader.offset();
    match reader.value() {
        Ok(value) => Ok(an_object(value)),
        Err(fault) if fault.kind.is_rule() => {
            reader.skip_value(start).map_err(unreadable)?;
            Ok(Err(broken_rule(&fault, root)))
        }
        Err(fault) => Err(unreadable(fault)),
    }
}

/// Reads a record a line; blank lines do not count.
pub(super) fn lines(body: &[u8], how: Bounds) -> Result<Vec<Row>, Error> {
    let mut rows = Vec::new();
    for line in body.split(|b| *b == b'\n') {
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        if rows.len() == how.max {
            return Err(too_many(how.max));
        }
        rows.push(match std::str::from_utf8(line) {
            Ok(line) => read(line).map_err(|f| broken_rule(&f, how.root)).and_then(an_object),
            Err(e) => {
                let message = format!("byte {}: not UTF-8", e.valid_up_to());
                Err(Rejection::new("invalid_json", "", message))
            }
        });
    }
    Ok(rows)
}

fn an_object(value: Value) -> Row {
    if value.is_object() {
        return Ok(value);
    }
    Err(Rejection::new("not_an_object", "", "a record is an object"))
}

fn broken_rule(fault: &Fault, root: &str) -> Rejection {
    let message = format!("byte {}: {}", fault.offset, fault.message);
    let code = fault.kind.code();
    let path =
        if fault.kind.is_rule() { format!("{root}{}", fault.pointer) } else { String::new() };
    Rejection::new(code, path, message)
}
