//! The doors between services, over HTTP: a service asks another process as it would ask its own.

mod door;
mod identity;
mod quotas;

pub use door::Place;
pub use identity::RemoteIdentity;
pub use quotas::RemoteQuotas;
