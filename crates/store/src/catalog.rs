//! What each stream is: read from the database, remembered for half a second.
//!
//! An append checks the version that it was prepared with under the head's lock, so a stale
//! memory costs a second try and never a wrong record.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use forebay_contract::Catalog;
use forebay_db::{Db, Look};
use forebay_model::stream::{ColumnState, Stream};
use forebay_model::{Error, Result};

use crate::sql;

const REMEMBERED: Duration = Duration::from_millis(500);

/// The catalog in the database.
pub struct StoredCatalog {
    db: Db,
    known: Mutex<HashMap<String, (Arc<Stream>, Instant)>>,
}

impl StoredCatalog {
    /// Opens the catalog.
    pub fn new(db: Db) -> Arc<Self> {
        Arc::new(StoredCatalog { db, known: Mutex::new(HashMap::new()) })
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, (Arc<Stream>, Instant)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Catalog for StoredCatalog {
    async fn stream(&self, name: &str) -> Result<Arc<Stream>> {
        let remembered = self.known().get(name).cloned();
        if let Some((stream, at)) = &remembered
            && at.elapsed() < REMEMBERED
        {
            return Ok(stream.clone());
        }
        let mut conn = self.db.reader(Look::Point).await?;
        let now = sql::stream::version(&mut conn, name).await?;
        let stream = match (now, remembered) {
            (None, _) => None,
            (Some(now), Some((stream, _)))
                if now == (stream.number, stream.version)
                    && stream.columns.iter().all(|c| c.state != ColumnState::Filling) =>
            {
                Some(stream)
            }
            _ => sql::stream::find(&mut conn, name).await?.map(Arc::new),
        };
        match stream {
            Some(stream) => {
                self.known().insert(name.to_owned(), (stream.clone(), Instant::now()));
                Ok(stream)
            }
            None => {
                self.forget(name);
                Err(Error::not_found(format!("the stream `{name}`")))
            }
        }
    }

    fn forget(&self, name: &str) {
        self.known().remove(name);
    }
}
