//! One open index: its files, what is seen of it now, and who writes it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};

use serde::{Deserialize, Serialize};
use tantivy::directory::MmapDirectory;
use tantivy::{Index, IndexReader, ReloadPolicy, Searcher};

use super::fault::{from_io, from_tantivy};
use super::fields::Fields;
use super::folder::sync;
use super::writer::Core;
use crate::error::SearchError;
use crate::layout::Layout;

/// What a commit says of itself.
#[derive(Serialize, Deserialize)]
struct Payload {
    position: i64,
}

/// What is in an index at a position; it stays as it is.
pub(super) struct Snapshot {
    pub(super) searcher: Searcher,
    pub(super) position: i64,
}

/// An open index.
pub(super) struct Shard {
    pub(super) layout: Layout,
    pub(super) fields: Fields,
    pub(super) index: Index,
    folder: PathBuf,
    reader: IndexReader,
    now: RwLock<Arc<Snapshot>>,
    /// Is held from a commit until it is seen, so that a merge, which changes files only, never
    /// shows a commit under the position before.
    commit: Mutex<()>,
    /// Who may write.
    pub(super) turn: Arc<tokio::sync::Mutex<()>>,
    /// What writes, as long as somebody does or a merge runs.
    pub(super) core: Mutex<Weak<Core>>,
}

impl Shard {
    /// Makes the files of an empty index.
    pub(super) fn create(folder: &PathBuf, layout: &Layout) -> Result<(), SearchError> {
        Index::create_in_dir(folder, Fields::new(layout).schema).map_err(from_tantivy)?;
        sync(folder).map_err(from_io)
    }

    /// Opens an index. Blocks.
    pub(super) fn open(folder: PathBuf, layout: Layout) -> Result<Shard, SearchError> {
        let fields = Fields::new(&layout);
        let directory = MmapDirectory::open(&folder).map_err(|error| from_tantivy(error.into()))?;
        let index = Index::open(directory).map_err(from_tantivy)?;
        if index.schema() != fields.schema {
            return Err(SearchError::Damaged("the index is not of its layout".into()));
        }
        Fields::prepare(&index);
        let position = position(&index)?;
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual);
        let reader: IndexReader = reader.try_into().map_err(from_tantivy)?;
        let snapshot = Snapshot { searcher: reader.searcher(), position };
        Ok(Shard {
            layout,
            fields,
            index,
            folder,
            reader,
            now: RwLock::new(Arc::new(snapshot)),
            commit: Mutex::default(),
            turn: Arc::default(),
            core: Mutex::default(),
        })
    }

    /// Up to where the log is in.
    pub(super) fn position(&self) -> i64 {
        self.now().position
    }

    /// What is seen now.
    pub(super) fn now(&self) -> Arc<Snapshot> {
        self.now.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Commits, and shows it. Blocks.
    pub(super) fn commit(
        &self,
        writer: &mut tantivy::IndexWriter,
        position: i64,
    ) -> Result<(), SearchError> {
        let _commit = lock(&self.commit);
        let payload = serde_json::to_string(&Payload { position })
            .map_err(|error| SearchError::Internal(error.to_string()))?;
        let mut prepared = writer.prepare_commit().map_err(from_tantivy)?;
        prepared.set_payload(&payload);
        prepared.commit().map_err(from_tantivy)?;
        sync(&self.folder).map_err(from_io)?;
        self.show(position)
    }

    /// Shows what a merge made: the same in other files. Blocks.
    pub(super) fn refresh(&self) -> Result<(), SearchError> {
        let _commit = lock(&self.commit);
        self.show(self.position())
    }

    fn show(&self, position: i64) -> Result<(), SearchError> {
        self.reader.reload().map_err(from_tantivy)?;
        let snapshot = Snapshot { searcher: self.reader.searcher(), position };
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(snapshot);
        Ok(())
    }

    /// An error that is none when the index was dropped meanwhile.
    pub(super) fn excused(&self, error: SearchError) -> Result<(), SearchError> {
        if self.folder.is_dir() { Err(error) } else { Ok(()) }
    }

    /// Reads every file through. Blocks.
    pub(super) fn verify(&self) -> Result<(), SearchError> {
        let wrong = self.index.validate_checksum().map_err(from_tantivy)?;
        match wrong.iter().next() {
            None => Ok(()),
            Some(file) => {
                Err(SearchError::Damaged(format!("{} is not as written", file.display())))
            }
        }
    }
}

/// The position of the last commit; 0 before the first.
fn position(index: &Index) -> Result<i64, SearchError> {
    let metas = index.load_metas().map_err(from_tantivy)?;
    let Some(payload) = metas.payload else {
        return match metas.segments.is_empty() {
            true => Ok(0),
            false => Err(SearchError::Damaged("the index has no position".into())),
        };
    };
    let payload: Payload = serde_json::from_str(&payload)
        .map_err(|error| SearchError::Damaged(format!("the position cannot be read: {error}")))?;
    Ok(payload.position)
}

/// A lock whose owner may have panicked: what it guards is whole all the same.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
