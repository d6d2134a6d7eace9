//! Background loops.

pub(crate) mod fill;
pub(crate) mod purge;
