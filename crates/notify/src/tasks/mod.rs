//! The service's background loops.

pub(crate) mod deliver;
pub(crate) mod sweep;
