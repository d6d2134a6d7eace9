//! The two synchronous doors between services: who is this, and what is this stream.
//!
//! Everything else that services tell each other goes through the log.

use std::sync::Arc;

use async_trait::async_trait;
use forebay_model::Result;
use forebay_model::principal::Principal;
use forebay_model::stream::Stream;

/// Who is this?
#[async_trait]
pub trait Identity: Send + Sync {
    /// Finds whose secret this is; `None` when it is nobody's.
    async fn identify(&self, secret: &str) -> Result<Option<Arc<Principal>>>;
}

/// What is this stream?
#[async_trait]
pub trait Catalog: Send + Sync {
    /// Finds a stream by its name; an unknown one is `not_found`.
    async fn stream(&self, name: &str) -> Result<Arc<Stream>>;

    /// Drops what is remembered of a stream, because it was seen to have changed.
    fn forget(&self, name: &str);
}
