//! This service's tables, one file each.

pub(crate) mod account;
pub(crate) mod api_key;
pub(crate) mod head;
pub(crate) mod role;
