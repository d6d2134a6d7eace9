//! The fields that an expression reads, found in a record's text in one pass.
//!
//! `data` is canonical JSON that we wrote: no blanks between tokens. A text that is not is read as
//! if the rest of it were missing; nothing here fails.

use std::borrow::Cow;
use std::cell::OnceCell;

use serde_json::Value;
use smallvec::SmallVec;

use crate::number;
use crate::search::{Found, Sought};
use crate::types::Type;
use crate::value::Val;

/// The paths below `data` that an expression reads, as a tree; each has a slot.
#[derive(Debug, Clone)]
pub(crate) struct Paths {
    /// The first is the root.
    steps: Vec<Step>,
    slots: Vec<Field>,
    /// What is looked for in search fields.
    pub(crate) sought: Sought,
}

#[derive(Debug, Clone, Default)]
struct Step {
    slot: Option<usize>,
    below: Vec<(String, usize)>,
}

/// One path with the type that its values are read as.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) path: Vec<String>,
    pub(crate) ty: Type,
}

impl Paths {
    pub(crate) fn new() -> Paths {
        Paths { steps: vec![Step::default()], slots: Vec::new(), sought: Sought::default() }
    }

    /// The slot of a path; a path that was asked for before keeps its slot. Who reads no value, but the
    /// text, asks for any type: another keeps its own.
    pub(crate) fn slot(&mut self, path: &[String], ty: Type) -> usize {
        let mut at = 0;
        for name in path {
            let found = self.steps[at].below.iter().find(|(known, _)| known == name);
            at = match found {
                Some((_, next)) => *next,
                None => {
                    self.steps.push(Step::default());
                    let next = self.steps.len() - 1;
                    self.steps[at].below.push((name.clone(), next));
                    next
                }
            };
        }
        if let Some(slot) = self.steps[at].slot {
            if self.slots[slot].ty == Type::Any {
                self.slots[slot].ty = ty;
            }
            return slot;
        }
        self.slots.push(Field { path: path.to_vec(), ty });
        let slot = self.slots.len() - 1;
        self.steps[at].slot = Some(slot);
        slot
    }

    pub(crate) fn fields(&self) -> &[Field] {
        &self.slots
    }

    /// Finds the values of all paths in a record's text.
    pub(crate) fn find<'r>(&self, text: &'r str) -> Slots<'r> {
        let mut slots = Slots(SmallVec::new(), OnceCell::new());
        slots.0.resize_with(self.slots.len(), Slot::default);
        let left = self.slots.len();
        if left > 0 {
            let mut scan = Scan { text, bytes: text.as_bytes(), at: 0, left };
            scan.object(self, 0, &mut slots);
        }
        slots
    }
}

/// What a record has at the paths of an expression.
#[derive(Debug)]
pub(crate) struct Slots<'r>(SmallVec<[Slot<'r>; 6]>, OnceCell<Found>);

#[derive(Debug, Default)]
struct Slot<'r> {
    /// JSON text; `None` when it is missing.
    raw: Option<&'r str>,
    /// An array or object, once somebody looked into it.
    tree: OnceCell<Box<Value>>,
}

impl<'r> Slots<'r> {
    /// Whether the field is there and not null.
    pub(crate) fn has(&self, slot: usize) -> bool {
        self.0.get(slot).and_then(|slot| slot.raw).is_some_and(|raw| raw != "null")
    }

    /// The JSON text of its value; nothing when it is missing.
    pub(crate) fn raw(&self, slot: usize) -> Option<&'r str> {
        self.0.get(slot).and_then(|slot| slot.raw)
    }

    /// What the record has of what is looked for in search fields.
    pub(crate) fn found(&self, sought: &Sought, data: &str) -> &[bool] {
        self.1.get_or_init(|| sought.found_in(data, self))
    }

    /// How many bytes its value takes: of a text, and of an array or object that nobody looked
    /// into yet.
    pub(crate) fn bytes(&self, slot: usize) -> (usize, usize) {
        let Some(slot) = self.0.get(slot) else { return (0, 0) };
        let raw = slot.raw.unwrap_or_default();
        match raw.as_bytes().first() {
            Some(b'[' | b'{') if slot.tree.get().is_none() => (0, raw.len()),
            Some(b'"') => (raw.len(), 0),
            _ => (0, 0),
        }
    }

    /// The value of a field, where it is of its type.
    pub(crate) fn value<'a>(&'a self, slot: usize, ty: &Type) -> Val<'a> {
        let Some(slot) = self.0.get(slot) else { return Val::Unknown };
        let Some(raw) = slot.raw else { return Val::Unknown };
        match (raw.as_bytes().first(), ty) {
            (Some(b'"'), Type::Text | Type::Any) => text(raw).map_or(Val::Unknown, Val::Text),
            (Some(b'-' | b'0'..=b'9'), Type::Int | Type::Double | Type::Any) => number(raw, ty),
            (Some(b't'), Type::Bool | Type::Any) => Val::Bool(true),
            (Some(b'f'), Type::Bool | Type::Any) => Val::Bool(false),
            (Some(b'['), Type::List(_) | Type::Any) | (Some(b'{'), Type::Object | Type::Any) => {
                Val::Tree(
                    slot.tree
                        .get_or_init(|| Box::new(serde_json::from_str(raw).unwrap_or_default())),
                )
            }
            _ => Val::Unknown,
        }
    }
}

pub(crate) fn text(raw: &str) -> Option<Cow<'_, str>> {
    let inner = raw.get(1..raw.len() - 1)?;
    if !inner.as_bytes().contains(&b'\\') {
        return Some(Cow::Borrowed(inner));
    }
    serde_json::from_str(raw).ok().map(Cow::Owned)
}

fn number<'a>(raw: &str, ty: &Type) -> Val<'a> {
    let whole = !raw.as_bytes().iter().any(|b| matches!(b, b'.' | b'e' | b'E'));
    if *ty != Type::Double
        && whole
        && let Ok(int) = raw.parse()
    {
        return Val::Int(int);
    }
    let Ok(double) = raw.parse::<f64>() else { return Val::Unknown };
    match ty {
        Type::Int => number::exact_int(double).map_or(Val::Unknown, Val::Int),
        _ => Val::finite(double),
    }
}

struct Scan<'r> {
    text: &'r str,
    bytes: &'r [u8],
    at: usize,
    /// Slots that are not found yet.
    left: usize,
}

impl<'r> Scan<'r> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Walks an object whose members some paths go through; `None` ends the scan.
    fn object(&mut self, paths: &Paths, step: usize, slots: &mut Slots<'r>) -> Option<()> {
        if self.peek()? != b'{' {
            return self.skip();
        }
        self.at += 1;
        while self.peek()? != b'}' {
            let name = self.name()?;
            self.at += 1;
            let below = paths.steps[step].below.iter();
            let found =
                below.clone().find(|(known, _)| matches(name, known)).map(|(_, next)| *next);
            match found {
                Some(next) => self.wanted(paths, next, slots)?,
                None => self.skip()?,
            }
            if self.left == 0 {
                return None;
            }
            if self.peek()? == b',' {
                self.at += 1;
            }
        }
        self.at += 1;
        Some(())
    }

    fn wanted(&mut self, paths: &Paths, step: usize, slots: &mut Slots<'r>) -> Option<()> {
        let start = self.at;
        if paths.steps[step].below.is_empty() {
            self.skip()?;
        } else {
            self.object(paths, step, slots)?;
        }
        if let Some(slot) = paths.steps[step].slot {
            slots.0[slot].raw = self.text.get(start..self.at);
            self.left -= 1;
        }
        Some(())
    }

    /// A member's name as it stands between its quotes.
    fn name(&mut self) -> Option<&'r str> {
        let start = self.at + 1;
        self.string()?;
        self.text.get(start..self.at - 1)
    }

    fn string(&mut self) -> Option<()> {
        self.at += 1;
        loop {
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    return Some(());
                }
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
    }

    /// Passes over one value.
    fn skip(&mut self) -> Option<()> {
        match self.peek()? {
            b'"' => self.string(),
            b'{' | b'[' => {
                let mut open = 0_usize;
                loop {
                    match self.peek()? {
                        b'"' => {
                            self.string()?;
                            continue;
                        }
                        b'{' | b'[' => open += 1,
                        b'}' | b']' => open -= 1,
                        _ => {}
                    }
                    self.at += 1;
                    if open == 0 {
                        return Some(());
                    }
                }
            }
            _ => {
                while !matches!(self.peek()?, b',' | b'}' | b']') {
                    self.at += 1;
                }
                Some(())
            }
        }
    }
}

/// Compares a member's name as it stands in the text with one that is looked for.
fn matches(raw: &str, wanted: &str) -> bool {
    if raw.as_bytes().contains(&b'\\') {
        return serde_json::from_str::<String>(&format!("\"{raw}\"")).is_ok_and(|n| n == wanted);
    }
    raw == wanted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_wherever_they_stand() {
        let mut paths = Paths::new();
        let path = |text: &str| text.split('.').map(str::to_owned).collect::<Vec<_>>();
        let a = paths.slot(&path("a"), Type::Int);
        let bc = paths.slot(&path("b.c"), Type::Text);
        let b = paths.slot(&path("b"), Type::Object);
        let q = paths.slot(&["x\"y".to_owned()], Type::Any);
        let gone = paths.slot(&path("b.c.d"), Type::Any);
        assert_eq!(paths.slot(&path("b.c"), Type::Text), bc);
        let text = r#"{"s":"}\"{","b":{"z":[{"c":1},"]"],"c":"\u001fé\\"},"x\"y":-1.50,"a":12}"#;
        let slots = paths.find(text);
        assert_eq!(slots.value(a, &Type::Int), Val::Int(12));
        assert_eq!(slots.value(a, &Type::Text), Val::Unknown);
        assert_eq!(slots.value(bc, &Type::Text), Val::Text("\u{1f}é\\".into()));
        assert!(matches!(slots.value(b, &Type::Object), Val::Tree(Value::Object(_))));
        assert_eq!(slots.value(q, &Type::Any), Val::Double(-1.5));
        assert!(!slots.has(gone));
        for broken in
            ["", "{", "{\"a", "{\"a\":", "[]", "{\"a\":\"\\", "{\"a\"1}", "null", "{\"b\":{"]
        {
            assert_eq!(paths.find(broken).value(a, &Type::Int), Val::Unknown, "{broken}");
        }
    }
}
