//! What the service needs of the house.

use std::sync::Arc;

use forebay_contract::Identity;
use forebay_db::Db;
use forebay_http::cursor::Sealer;
use forebay_model::time::SharedClock;
use tokio_util::sync::CancellationToken;

use crate::catalog::StoredCatalog;
use crate::index::Search;

/// What the service needs of the house.
pub struct Deps {
    /// The database.
    pub db: Db,
    /// The catalog that this service keeps.
    pub catalog: Arc<StoredCatalog>,
    /// The indexes.
    pub search: Arc<Search>,
    /// Who asks, for those who go on asking.
    pub identity: Arc<dyn Identity>,
    /// What cursors are signed with.
    pub sealer: Sealer,
    /// The time.
    pub clock: SharedClock,
    /// Cancelled when the process stops: subscriptions end then.
    pub stopping: CancellationToken,
}
