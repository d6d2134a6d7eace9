//! Where a request goes: to one of the user's own services, by the routes of the configuration, or to
//! Forebay's. Routes are plain data; which one a request takes is found without any I/O.

mod draft;
mod edits;
mod explain;
mod matching;
pub(crate) mod normal;
mod own;
mod request;
mod route;
mod split;
mod table;
mod template;

pub use draft::{Action, Draft, Edits, Is, Rewrite, Wanted};
pub use explain::Said;
pub use request::{Asked, Asker};
pub use route::Route;
pub use table::Table;

#[cfg(test)]
mod tests;
