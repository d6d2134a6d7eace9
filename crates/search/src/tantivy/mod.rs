//! The engine inside: tantivy, on files of this process alone.
//!
//! What a view sees never changes. A commit's position is written with it, and both are shown
//! together. Everything that touches files runs on threads for that, no more searches at once than
//! the machine has cores, and no more than two indexes are written at once.

mod blocking;
mod collect;
mod column;
mod fault;
mod fields;
mod folder;
mod group;
mod hits;
mod order;
mod pick;
mod query;
mod score;
mod shard;
mod terms;
mod tested;
mod view;
mod writer;

use std::collections::HashMap;
use std::fs::{File, TryLockError};
use std::sync::{Arc, Mutex};

use tokio::sync::Semaphore;

use self::blocking::blocking;
use self::fault::from_io;
use self::folder::Folder;
use self::shard::{Shard, lock};
pub use self::view::View;
use self::writer::Core;
pub use self::writer::Writer;
use crate::engine::Generation;
use crate::error::SearchError;
use crate::layout::Layout;
use crate::settings::Inside;

/// How many indexes are written at once.
const WRITERS: usize = 2;

type Shards = HashMap<(i64, String), Arc<Shard>>;

/// The engine.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    folder: Folder,
    memory: usize,
    shards: Mutex<Shards>,
    writers: Arc<Semaphore>,
    searches: Arc<Semaphore>,
    _alone: File,
}

impl Engine {
    /// Opens the folder of all indexes.
    ///
    /// # Errors
    /// [`SearchError::Unfit`] when another process has it open, or it cannot be made.
    pub async fn open(settings: &Inside) -> Result<Engine, SearchError> {
        let settings = settings.clone();
        blocking(None, move || {
            let unfit = |says: String| {
                let path = settings.folder.display();
                SearchError::Unfit(format!(
                    "the folder of search indexes {path} cannot be used: {says}"
                ))
            };
            let folder =
                Folder::open(&settings.folder).map_err(|error| unfit(error.to_string()))?;
            let alone = File::create(folder.path().join("lock"))
                .map_err(|error| unfit(error.to_string()))?;
            alone.try_lock().map_err(|error| match error {
                TryLockError::WouldBlock => unfit("another process uses it".into()),
                TryLockError::Error(error) => unfit(error.to_string()),
            })?;
            let cores = std::thread::available_parallelism().map_or(1, usize::from);
            Ok(Engine(Arc::new(Inner {
                folder,
                memory: settings.memory,
                shards: Mutex::default(),
                writers: Arc::new(Semaphore::new(WRITERS)),
                searches: Arc::new(Semaphore::new(cores)),
                _alone: alone,
            })))
        })
        .await
    }

    /// Its name for people.
    pub fn name(&self) -> String {
        "tantivy 0.27".to_owned()
    }

    /// Whether its folder is there.
    ///
    /// # Errors
    /// When it is not.
    pub async fn check(&self) -> Result<(), SearchError> {
        self.act(|inner| std::fs::metadata(inner.folder.path()).map(drop).map_err(from_io)).await
    }

    /// The numbers of the streams that have indexes here.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn streams(&self) -> Result<Vec<i64>, SearchError> {
        self.act(|inner| inner.folder.streams().map_err(from_io)).await
    }

    /// The indexes of a stream.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn generations(&self, stream: i64) -> Result<Vec<Generation>, SearchError> {
        self.act(move |inner| {
            let live = inner.folder.live(stream).map_err(from_io)?;
            let names = inner.folder.generations(stream).map_err(from_io)?;
            let each = names.into_iter().map(|name| Generation {
                layout: inner.folder.layout(stream, &name),
                live: live.as_ref() == Some(&name),
                name,
            });
            Ok(each.collect())
        })
        .await
    }

    /// Makes a new, empty index.
    ///
    /// # Errors
    /// When it cannot be made.
    pub async fn create(&self, layout: &Layout) -> Result<Generation, SearchError> {
        let layout = layout.clone();
        self.act(move |inner| {
            // One at a time: names are counted.
            let _shards = lock(&inner.shards);
            let name = inner.folder.create(&layout).map_err(from_io)?;
            Shard::create(&inner.folder.generation(layout.stream, &name), &layout)?;
            Ok(Generation { name, layout: Some(layout), live: false })
        })
        .await
    }

    /// Makes an index the live one; the others go.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn promote(&self, stream: i64, name: &str) -> Result<(), SearchError> {
        let name = name.to_owned();
        self.act(move |inner| {
            let names = inner.folder.generations(stream).map_err(from_io)?;
            if !names.contains(&name) {
                return Err(SearchError::Damaged(format!("the index {name} is gone")));
            }
            inner.folder.set_live(stream, &name).map_err(from_io)?;
            names
                .iter()
                .filter(|other| **other != name)
                .try_for_each(|other| inner.remove(stream, other))
        })
        .await
    }

    /// Drops one index of a stream, or all of them.
    ///
    /// # Errors
    /// When they cannot be removed.
    pub async fn discard(&self, stream: i64, name: Option<&str>) -> Result<(), SearchError> {
        let name = name.map(str::to_owned);
        self.act(move |inner| {
            for other in inner.folder.generations(stream).map_err(from_io)? {
                if name.as_ref().is_none_or(|name| *name == other) {
                    inner.remove(stream, &other)?;
                }
            }
            if inner.folder.generations(stream).map_err(from_io)?.is_empty() {
                inner.folder.forget(stream).map_err(from_io)?;
            }
            Ok(())
        })
        .await
    }

    /// Opens an index for writing; waits while as many are open as may be.
    ///
    /// # Errors
    /// When it is damaged, or written by another writer.
    pub async fn writer(&self, stream: i64, name: &str) -> Result<Writer, SearchError> {
        let owned = name.to_owned();
        let shard = self.act(move |inner| inner.shard(stream, &owned)).await?;
        let Ok(turn) = shard.turn.clone().try_lock_owned() else {
            return Err(SearchError::Fenced("this process has a writer of it".into()));
        };
        let core = lock(&shard.core).upgrade();
        if let Some(core) = core.filter(|core| core.is_alive()) {
            return Ok(Writer::new(core, turn));
        }
        let permit = self.0.writers.clone().acquire_owned().await;
        let permit = permit.map_err(|error| SearchError::Internal(error.to_string()))?;
        let (opened, memory) = (shard.clone(), self.0.memory);
        let core =
            blocking(Some(shard.clone()), move || Core::open(opened, memory, permit)).await?;
        let core = Arc::new(core);
        *lock(&shard.core) = Arc::downgrade(&core);
        Ok(Writer::new(core, turn))
    }

    /// The live index of a stream as it is now.
    ///
    /// # Errors
    /// When it is damaged.
    pub async fn view(&self, stream: i64) -> Result<Option<View>, SearchError> {
        let searches = self.0.searches.clone();
        self.act(move |inner| {
            let Some(name) = inner.folder.live(stream).map_err(from_io)? else { return Ok(None) };
            Ok(Some(View::new(inner.shard(stream, &name)?, searches)))
        })
        .await
    }

    /// Reads every file of an index through, and compares it with its checksum.
    ///
    /// # Errors
    /// [`SearchError::Damaged`] when one is not as it was written.
    pub async fn verify(&self, stream: i64, name: &str) -> Result<(), SearchError> {
        let name = name.to_owned();
        self.act(move |inner| inner.shard(stream, &name)?.verify()).await
    }

    async fn act<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, SearchError> + Send + 'static,
    ) -> Result<T, SearchError> {
        let inner = self.0.clone();
        blocking(None, move || work(&inner)).await
    }
}

impl Inner {
    /// An index, opened if it is not.
    fn shard(&self, stream: i64, name: &str) -> Result<Arc<Shard>, SearchError> {
        let mut shards = lock(&self.shards);
        let key = (stream, name.to_owned());
        if !self.folder.generation(stream, name).is_dir() {
            shards.remove(&key);
        }
        if let Some(shard) = shards.get(&key) {
            return Ok(shard.clone());
        }
        let layout = self.folder.layout(stream, name).ok_or_else(|| {
            SearchError::Damaged(format!("the layout of the index {name} cannot be read"))
        })?;
        let folder = self.folder.generation(stream, name);
        let shard = Arc::new(Shard::open(folder, layout)?);
        shards.insert(key, shard.clone());
        Ok(shard)
    }

    fn remove(&self, stream: i64, name: &str) -> Result<(), SearchError> {
        lock(&self.shards).remove(&(stream, name.to_owned()));
        self.folder.remove(stream, name).map_err(from_io)
    }
}
