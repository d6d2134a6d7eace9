//! Writes values as canonical JSON text: member order kept, no blanks, shortest numbers.

use serde_json::Value;

/// The canonical text of a value.
pub fn to_canonical(value: &Value) -> String {
    let mut out = String::with_capacity(256);
    write(value, &mut out, false);
    out
}

/// Appends the text with each object's members sorted by name: what content is compared by.
pub fn write_sorted(value: &Value, out: &mut String) {
    write(value, out, true);
}

fn write(value: &Value, out: &mut String, sorted: bool) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => write_number(number, out),
        Value::String(text) => write_string(text, out),
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write(item, out, sorted);
            }
            out.push(']');
        }
        Value::Object(members) => {
            out.push('{');
            if sorted {
                let mut members: Vec<_> = members.iter().collect();
                members.sort_unstable_by_key(|(name, _)| name.as_str());
                write_members(members.into_iter(), out, sorted);
            } else {
                write_members(members.iter(), out, sorted);
            }
            out.push('}');
        }
    }
}

fn write_members<'v>(
    members: impl Iterator<Item = (&'v String, &'v Value)>,
    out: &mut String,
    sorted: bool,
) {
    for (at, (name, value)) in members.enumerate() {
        if at > 0 {
            out.push(',');
        }
        write_string(name, out);
        out.push(':');
        write(value, out, sorted);
    }
}

fn write_number(number: &serde_json::Number, out: &mut String) {
    if let Some(integer) = number.as_i64() {
        out.push_str(itoa::Buffer::new().format(integer));
    } else if let Some(double) = number.as_f64().filter(|_| number.is_f64()) {
        out.push_str(zmij::Buffer::new().format_finite(double));
    } else {
        // Beyond i64: only schemas hold such numbers, records never do.
        out.push_str(&number.to_string());
    }
}

/// Appends a JSON string with its quotes, escaped as RFC 8259 section 7 asks for.
pub fn write_string(text: &str, out: &mut String) {
    out.push('"');
    let mut run = 0;
    for (at, byte) in text.bytes().enumerate() {
        let short = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0x08 => "\\b",
            0x0c => "\\f",
            0..=0x1f => "",
            _ => continue,
        };
        out.push_str(&text[run..at]);
        if short.is_empty() {
            out.push_str("\\u00");
            out.push(if byte < 0x10 { '0' } else { '1' });
            out.push(char::from_digit(u32::from(byte & 0xf), 16).unwrap_or('0'));
        } else {
            out.push_str(short);
        }
        run = at + 1;
    }
    out.push_str(&text[run..]);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::super::{FaultKind, read};
    use super::*;

    fn through(text: &str) -> String {
        to_canonical(&read(text).unwrap())
    }

    #[test]
    fn what_is_not_refused_comes_out_as_it_went_in() {
        for text in [
            r#"{"b":1,"a":[1.0,1,-7,0.1,1e+300,1e-7,123456789.125],"s":"ä\n\"\\\u001f😀"}"#,
            r#"[9223372036854775807,-9223372036854775808,true,false,null,{},[],""]"#,
        ] {
            let once = through(text);
            assert_eq!(once, through(&once));
            assert_eq!(read(text).unwrap(), serde_json::from_str::<Value>(text).unwrap());
        }
        assert_eq!(through("[-0,-0.0,1E2,1.50]"), "[0,0.0,100.0,1.5]");
    }

    #[test]
    fn faults_name_their_place() {
        for (text, kind, pointer, offset) in [
            (r#"{"a":[1,{"b":1,"b":2}]}"#, FaultKind::DuplicateMember, "/a/1/b", 15),
            (r#"{"a/b":"\u0000"}"#, FaultKind::NulCharacter, "/a~1b", 14),
            (r#"["\ud800x"]"#, FaultKind::LoneSurrogate, "/0", 2),
            (r#"["\ud800\u0041"]"#, FaultKind::LoneSurrogate, "/0", 2),
            ("[9223372036854775808]", FaultKind::NumberOutOfRange, "/0", 1),
            ("[1e400]", FaultKind::NumberOutOfRange, "/0", 1),
            (r#"{"a":01}"#, FaultKind::Syntax, "/a", 6),
        ] {
            let fault = read(text).unwrap_err();
            assert_eq!((fault.kind, fault.pointer.as_str()), (kind, pointer), "{text}");
            assert_eq!(fault.offset, offset, "{text}");
        }
        assert_eq!(read(&"[".repeat(100_000)).unwrap_err().kind, FaultKind::TooDeep);
        let deep = format!("{}{}", "[".repeat(64), "]".repeat(64));
        assert!(read(&deep).is_ok());
    }

    #[test]
    fn sorted_form_does_not_depend_on_member_order() {
        let (mut a, mut b) = (String::new(), String::new());
        write_sorted(&read(r#"{"x":{"b":1,"a":2},"c":3}"#).unwrap(), &mut a);
        write_sorted(&read(r#"{"c":3,"x":{"a":2,"b":1}}"#).unwrap(), &mut b);
        assert_eq!(a, b);
    }
}
