//! The record log: a library that works inside the transaction of whoever calls it.

pub mod append;
pub mod read;

pub use append::{Append, Done, Idempotency, Outcome, Part, PartDone, RowDone, append};
