//! Where a request goes: to one of the user's own services, by the routes of the configuration, or to
//! Forebay's. Routes are plain data; which one a request takes is found without any I/O.

mod describe;
mod draft;
mod edits;
mod explain;
mod matching;
pub(crate) mod normal;
mod own;
mod plan;
mod request;
mod route;
mod split;
mod step;
mod table;
mod target;
mod template;

pub use draft::{Action, Draft, Edits, Is, Rewrite, Wanted};
pub use explain::{Explained, Question, Said, Went};
pub use plan::{Fault, Plan, Routing};
pub use request::{Asked, Asker};
pub use route::Route;
pub use table::Table;

pub(crate) use plan::Snapshot;
pub(crate) use request::host;
pub(crate) use step::OfUsers;

#[cfg(test)]
mod tests;
