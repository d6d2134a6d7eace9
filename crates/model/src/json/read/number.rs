//! Numbers: what has neither point nor exponent is an integer of 64 bits, all else a double.

use serde_json::{Number, Value};

use super::fault::Read;
use super::{FaultKind, Reader};

impl Reader<'_> {
    fn digits(&mut self, what: &'static str) -> Read<()> {
        if !matches!(self.peek(), Some(b'0'..=b'9')) {
            return Err(self.syntax(what));
        }
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        Ok(())
    }

    pub(super) fn number(&mut self) -> Read<Value> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
            if matches!(self.peek(), Some(b'0'..=b'9')) {
                return Err(self.syntax("a number has no leading zero"));
            }
        } else {
            self.digits("expected a digit")?;
        }
        let mut integer = true;
        if self.peek() == Some(b'.') {
            integer = false;
            self.at += 1;
            self.digits("expected a digit after the point")?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            integer = false;
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits("expected a digit in the exponent")?;
        }
        let text = &self.text[start..self.at];
        let number = if integer { integer_of(text) } else { double_of(text) };
        match number {
            Some(number) => Ok(Value::Number(number)),
            None => {
                let message = if integer {
                    "an integer beyond 64 bits"
                } else {
                    "a number beyond the range of a double"
                };
                self.rule(FaultKind::NumberOutOfRange, message).map_err(|mut inner| {
                    inner.offset = start;
                    inner
                })?;
                Ok(Value::Null)
            }
        }
    }
}

fn integer_of(text: &str) -> Option<Number> {
    text.parse::<i64>().ok().map(Number::from)
}

/// The nearest double; −0 is 0.
fn double_of(text: &str) -> Option<Number> {
    let value: f64 = text.parse().ok()?;
    Number::from_f64(if value == 0.0 { 0.0 } else { value })
}
