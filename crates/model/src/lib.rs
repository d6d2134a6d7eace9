//! The nouns of Forebay, one file each: pure data and pure functions, no I/O.
//!
//! Every other crate may import this one; it imports none of the house.

pub mod alert;
pub mod audit;
pub mod compat;
pub mod csv;
pub mod error;
pub mod field;
pub mod id;
pub mod json;
pub mod period;
pub mod principal;
pub mod record;
pub mod schema;
pub mod search;
pub mod stream;
pub mod text;
pub mod time;

pub use error::{Code, Error, FieldError, Result};
