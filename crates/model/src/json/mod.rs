//! JSON as Forebay takes it in and gives it out (the filter language's rule 3).
//!
//! Own code where a library would do elsewhere, for three things that none offers together:
//! a fault names its place as a pointer, an integer keeps its spelling class up to exactly 64
//! bits, and duplicate members, NUL and lone surrogates are refused (docs/adr/0001).

mod read;
mod write;

pub use read::{Fault, FaultKind, MAX_DEPTH, Reader, read};
pub use write::{to_canonical, write_sorted, write_string};
