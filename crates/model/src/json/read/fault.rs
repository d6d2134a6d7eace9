//! What is wrong with a text, and where.

use std::borrow::Cow;

use crate::field::push_pointer;

/// Why a text was refused. All but `Syntax` and `TooDeep` are well-formed JSON that breaks a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// Not JSON.
    Syntax,
    /// Nested deeper than [`MAX_DEPTH`](super::MAX_DEPTH).
    TooDeep,
    /// A member name stands twice in one object.
    DuplicateMember,
    /// A string holds U+0000.
    NulCharacter,
    /// A `\u` escape is half of a surrogate pair.
    LoneSurrogate,
    /// An integer beyond 64 bits, or a number beyond the finite doubles.
    NumberOutOfRange,
}

impl FaultKind {
    /// The wire name, used as a record's rejection code.
    pub const fn code(self) -> &'static str {
        match self {
            FaultKind::Syntax => "invalid_json",
            FaultKind::TooDeep => "too_deep",
            FaultKind::DuplicateMember => "duplicate_member",
            FaultKind::NulCharacter => "nul_character",
            FaultKind::LoneSurrogate => "lone_surrogate",
            FaultKind::NumberOutOfRange => "number_out_of_range",
        }
    }

    /// Whether the text around it can still be read.
    pub const fn is_rule(self) -> bool {
        !matches!(self, FaultKind::Syntax | FaultKind::TooDeep)
    }
}

/// What is wrong with a text, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Why it was refused.
    pub kind: FaultKind,
    /// Byte offset into the text.
    pub offset: usize,
    /// RFC 6901 pointer to the value it stands in, from the text's root; empty for the root.
    pub pointer: String,
    /// The same for people.
    pub message: Cow<'static, str>,
}

/// A fault while its pointer is still being put together, innermost token first.
pub(super) struct Inner {
    pub(super) kind: FaultKind,
    pub(super) offset: usize,
    pub(super) message: Cow<'static, str>,
    pub(super) tokens: Vec<String>,
}

pub(super) type Read<T> = Result<T, Box<Inner>>;

pub(super) fn within(mut inner: Box<Inner>, token: impl FnOnce() -> String) -> Box<Inner> {
    inner.tokens.push(token());
    inner
}

pub(super) fn finish(inner: Inner) -> Fault {
    let mut pointer = String::new();
    for token in inner.tokens.iter().rev() {
        push_pointer(&mut pointer, token);
    }
    Fault { kind: inner.kind, offset: inner.offset, pointer, message: inner.message }
}
