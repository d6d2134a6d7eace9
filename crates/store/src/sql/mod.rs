//! This service's tables, one file each.

pub(crate) mod search;
pub(crate) mod stream;
