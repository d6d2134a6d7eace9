//! The filter language: a subset of CEL in syntax, with three-valued logic in meaning.
//!
//! A text is parsed ([`parse`]), checked against a stream's schema and compiled ([`Filter`],
//! [`Expression`]), and evaluated on records as they are stored, without copying them. The
//! evaluator is the meaning; [`lower`] tells an engine how to narrow the candidates. No I/O.

mod arithmetic;
pub mod ast;
mod check;
mod compile;
mod eval;
mod fields;
mod fuel;
mod function;
mod lex;
pub mod lower;
mod matcher;
mod mistake;
mod node;
mod number;
mod parse;
mod pattern;
mod places;
mod print;
mod scope;
pub mod search;
mod sight;
pub mod span;
pub mod stat;
mod types;
mod value;
mod zone;

pub use compile::{Expression, Filter};
pub use eval::{Env, View};
pub use matcher::{Matcher, Wish};
pub use mistake::{Mistake, Mistakes};
pub use parse::parse;
pub use scope::{Auth, Scope};
pub use sight::Sight;
pub use types::Type;
pub use value::Val;
pub use zone::{Zone, read_span};

/// The most bytes that a text may have.
pub const MAX_BYTES: usize = 4096;
/// The most nodes that an expression may have; elements of a constant list are not counted.
pub const MAX_NODES: usize = 256;
/// How deep an expression may nest.
pub const MAX_DEPTH: usize = 32;
/// What all patterns of a text may take together, in bytes.
pub const MAX_PATTERNS: usize = 1 << 20;
/// The most elements of a list.
pub const MAX_LIST: usize = 1000;

#[cfg(test)]
mod tests;
