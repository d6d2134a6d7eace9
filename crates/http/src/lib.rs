//! The kit that every service's controllers share: problems, principals, queries, cursors.

pub mod api;
pub mod body;
pub mod browser;
pub mod cursor;
pub mod internal;
pub mod meter;
pub mod origin;
pub mod page;
pub mod principal;
pub mod problem;
pub mod query;
pub mod reply;

pub use origin::{Caller, Origin};
pub use page::Page;
pub use principal::Who;
pub use problem::{Answer, Problem};
