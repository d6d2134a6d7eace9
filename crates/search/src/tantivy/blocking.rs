//! Work on files, away from the threads that serve requests. tantivy may panic on damaged files.

use std::sync::Arc;

use super::shard::Shard;
use crate::error::SearchError;

/// Does work that blocks. A panic is the files' fault if they are not as they were written; whose
/// files, says `shard`.
pub(super) async fn blocking<T: Send + 'static>(
    shard: Option<Arc<Shard>>,
    work: impl FnOnce() -> Result<T, SearchError> + Send + 'static,
) -> Result<T, SearchError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) if error.is_panic() => Err(judged(shard).await),
        Err(_) => Err(SearchError::Unavailable("the process ends".into())),
    }
}

async fn judged(shard: Option<Arc<Shard>>) -> SearchError {
    let Some(shard) = shard else {
        return SearchError::Damaged("the index cannot be opened".into());
    };
    match tokio::task::spawn_blocking(move || shard.verify()).await {
        Ok(Ok(())) => SearchError::Internal("the search engine panicked".into()),
        Ok(Err(error)) => error,
        Err(_) => SearchError::Damaged("the index cannot be read".into()),
    }
}
