//! Settings: compiled-in defaults, then files, then the environment, then flags.
//!
//! The default files are the list of what can be set: a key that is not in them is refused with
//! the nearest one that is.

mod again;
mod load;
mod units;

pub use load::{Config, ConfigError, Explained};
pub use units::{Secret, Size, Span};
