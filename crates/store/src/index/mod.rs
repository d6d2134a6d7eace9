//! The indexes of streams: the engine that has them, how far each is, and who waits for that.

pub(crate) mod feed;
pub(crate) mod plan;
pub(crate) mod schedule;
pub(crate) mod share;
mod tracked;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use forebay_db::{Db, Lane, Look};
use forebay_model::Error;
use forebay_search::{Engine, SearchError, Settings};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::config::SearchConfig;
use crate::sql;
use schedule::Schedule;

/// How often another process's index is looked at by whoever waits for it.
const LOOK: Duration = Duration::from_millis(100);
/// How often the progress of a build is told.
const PROGRESS: Duration = Duration::from_secs(1);
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
    /// Whose turn it is, of the indexes that this process writes.
    schedule: Mutex<Schedule>,
    /// Moves when that changed.
    changed: watch::Sender<u64>,
    /// Somebody wants the database looked at now.
    pub(crate) look: Notify,
    /// When progress of builds was told last, where other processes are asked for it.
    told: Mutex<HashMap<i64, Duration>>,
    began: Instant,
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
        let local = matches!(config.engine, Settings::Inside(_));
        let schedule = Mutex::new(Schedule::new(feed::BATCH.0, config.refresh, local));
        Ok(Arc::new(Search {
            config,
            db,
            engine: RwLock::new(engine),
            positions: Mutex::default(),
            schedule,
            changed: watch::Sender::new(0),
            look: Notify::new(),
            told: Mutex::default(),
            began: Instant::now(),
        }))
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
        self.told.lock().unwrap_or_else(PoisonError::into_inner).remove(&stream);
    }

    /// Whose turn it is; whoever changes it says so by [`Search::tell`].
    pub(crate) fn schedule(&self) -> MutexGuard<'_, Schedule> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that turns have changed.
    pub(crate) fn tell(&self) {
        self.changed.send_modify(|number| *number += 1);
    }

    /// Hears that turns have changed.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// The time since the beginning, which is what turns are measured in.
    pub(crate) fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// Whether it is time to tell other processes how far a build is: of an engine of its own nobody
    /// asks them.
    pub(crate) fn says_progress(&self, stream: i64) -> bool {
        if matches!(self.config.engine, Settings::Inside(_)) {
            return false;
        }
        let (mut told, now) =
            (self.told.lock().unwrap_or_else(PoisonError::into_inner), self.now());
        let due = told.get(&stream).is_none_or(|at| now >= *at + PROGRESS);
        if due {
            told.insert(stream, now);
        }
        due
    }

    fn positions(&self) -> MutexGuard<'_, HashMap<i64, watch::Sender<i64>>> {
        self.positions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
