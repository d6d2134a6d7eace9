//! The service's tables, a file each.

pub(crate) mod attempt;
pub(crate) mod channel;
pub(crate) mod delivery;
pub(crate) mod inbox;
pub(crate) mod preference;
pub(crate) mod queue;
pub(crate) mod rule;
pub(crate) mod silence;
pub(crate) mod sweep;
pub(crate) mod template;
pub(crate) mod unsubscribed;
