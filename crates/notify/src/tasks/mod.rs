//! The service's background loops.

pub(crate) mod deliver;
pub(crate) mod mail;
pub(crate) mod sweep;
