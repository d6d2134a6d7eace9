//! This service's tables, one file each.

pub(crate) mod stream;
