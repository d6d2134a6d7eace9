//! The doors between services, over HTTP: a service asks another process as it would ask its own.

mod door;
mod identity;

pub use door::Place;
pub use identity::RemoteIdentity;
