//! The indexes of streams: the engine that has them, how far each is, and who waits for that.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use forebay_db::{Db, Lane, Look};
use forebay_model::Error;
use forebay_search::{Engine, SearchError, Settings};
use tokio::sync::watch;

use crate::config::SearchConfig;
use crate::sql;

/// How often another process's index is looked at by whoever waits for it.
const LOOK: Duration = Duration::from_millis(100);
/// Longest time that an engine is given to say whether it is there.
const PATIENCE: Duration = Duration::from_secs(3);

/// Why a process cannot search.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The engine can never be used as it is; what to do stands in it.
    #[error("{0}")]
    Unfit(String),
    /// Anything else.
    #[error(transparent)]
    Other(#[from] Error),
}

/// The engine, and how far its indexes are.
pub struct Search {
    /// The settings.
    pub config: SearchConfig,
    db: Db,
    engine: RwLock<Option<Engine>>,
    /// Up to where indexes are that this process writes, for those who wait.
    positions: Mutex<HashMap<i64, watch::Sender<i64>>>,
}

impl Search {
    /// Opens the engine. One that is down is waited for in the background.
    ///
    /// # Errors
    /// When it can never be used as it is.
    pub async fn open(mut config: SearchConfig, db: Db) -> Result<Arc<Search>, OpenError> {
        if let Settings::Outside(outside) = &mut config.engine {
            let writer = db.writer();
            let id = writer.run(Lane::Interactive, |conn| Box::pin(sql::search::deployment(conn)));
            outside.deployment = id.await.map_err(Error::from)?;
        }
        let engine = match Engine::open(&config.engine).await {
            Ok(engine) => Some(engine),
            Err(SearchError::Unavailable(what)) => {
                tracing::warn!(what, "the search engine does not answer, it is waited for");
                None
            }
            Err(error) => return Err(OpenError::Unfit(error.to_string())),
        };
        let (engine, positions) = (RwLock::new(engine), Mutex::default());
        Ok(Arc::new(Search { config, db, engine, positions }))
    }

    /// The engine; `None` while it was never there.
    pub fn engine(&self) -> Option<Engine> {
        self.engine.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Opens an engine that was not there at the start.
    pub(crate) async fn reopen(&self) -> Result<Engine, SearchError> {
        if let Some(engine) = self.engine() {
            return Ok(engine);
        }
        let engine = Engine::open(&self.config.engine).await?;
        *self.engine.write().unwrap_or_else(PoisonError::into_inner) = Some(engine.clone());
        Ok(engine)
    }

    /// Whether the engine answers now; if not, why.
    pub async fn check(&self) -> Result<(), String> {
        let Some(engine) = self.engine() else {
            return Err("it was not reached since the start".to_owned());
        };
        match tokio::time::timeout(PATIENCE, engine.check()).await {
            Ok(checked) => checked.map_err(|error| error.to_string()),
            Err(_) => Err(format!("it did not answer within {} s", PATIENCE.as_secs())),
        }
    }

    /// Waits until the live index of a stream holds a position, at most so long.
    pub async fn reached(&self, stream: i64, seq: i64, within: Duration) -> bool {
        tokio::time::timeout(within, self.wait_for(stream, seq)).await.is_ok()
    }

    async fn wait_for(&self, stream: i64, seq: i64) {
        loop {
            let mut position = self.positions().entry(stream).or_default().subscribe();
            if self.holds(stream, seq).await {
                return;
            }
            match self.engine() {
                // Nobody else writes it.
                Some(engine) if engine.is_local() => {
                    // Its sender stays as long as the stream is known; then it is looked at again.
                    let _ = position.wait_for(|reached| *reached >= seq).await;
                }
                _ => tokio::time::sleep(LOOK).await,
            }
        }
    }

    async fn holds(&self, stream: i64, seq: i64) -> bool {
        let Some(engine) = self.engine() else { return false };
        matches!(engine.view(stream).await, Ok(Some(view)) if view.indexed_seq() >= seq)
    }

    /// Positions up to that of the live index which it does not hold, for the engine refused them:
    /// nearly always none, and at most 1 000.
    pub async fn refused(&self, stream: i64) -> Result<Vec<i64>, Error> {
        let mut conn = self.db.reader(Look::Point).await?;
        Ok(sql::search::refused(&mut conn, stream).await?)
    }

    /// Notes how far an index is that this process writes.
    pub(crate) fn advance(&self, stream: i64, position: i64) {
        self.positions().entry(stream).or_default().send_replace(position);
    }

    /// Forgets streams that are gone.
    pub(crate) fn forget(&self, stream: i64) {
        self.positions().remove(&stream);
    }

    fn positions(&self) -> MutexGuard<'_, HashMap<i64, watch::Sender<i64>>> {
        self.positions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
