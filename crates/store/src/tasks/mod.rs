//! Background loops.

pub(crate) mod access;
pub(crate) mod erase;
pub(crate) mod fill;
pub(crate) mod index;
pub(crate) mod outbox;
pub(crate) mod purge;
