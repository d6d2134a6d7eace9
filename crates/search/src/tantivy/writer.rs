//! Writes an index: one batch, one commit. Segments are merged beside it, one merge at a time.

use std::collections::HashSet;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use tantivy::index::SegmentId;
use tantivy::indexer::{IndexWriterOptions, LogMergePolicy, MergePolicy as _, NoMergePolicy};
use tantivy::query::Query;
use tantivy::{IndexWriter, TantivyError};
use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit};

use super::blocking::blocking;
use super::fault::from_tantivy;
use super::pick::Picked;
use super::shard::{Shard, lock};
use super::tested::At;
use crate::document::{Batch, Written};
use crate::error::SearchError;

/// The least memory with which tantivy writes.
const LEAST_MEMORY: usize = 15_000_000;
/// The most.
const MOST_MEMORY: usize = 2_000_000_000;
/// So many segments wait for a merge before more is written.
const MOST_SEGMENTS: usize = 64;
/// How much of a segment may be erased before it is written anew.
const ERASED: f32 = 0.3;

/// What writes an index. It stays while a merge runs, so that who goes on writing meets it again.
pub(super) struct Core {
    shard: Arc<Shard>,
    /// Nothing after an error: what it holds is of no use any more.
    writer: Mutex<Option<IndexWriter>>,
    merges: Mutex<usize>,
    merged: Condvar,
    _permit: OwnedSemaphorePermit,
}

impl Core {
    /// Opens what writes. Blocks.
    pub(super) fn open(
        shard: Arc<Shard>,
        memory: usize,
        permit: OwnedSemaphorePermit,
    ) -> Result<Core, SearchError> {
        let options = IndexWriterOptions::builder()
            .num_worker_threads(1)
            .num_merge_threads(1)
            .memory_budget_per_thread(memory.clamp(LEAST_MEMORY, MOST_MEMORY))
            .build();
        let writer: IndexWriter = shard.index.writer_with_options(options).map_err(from_tantivy)?;
        writer.set_merge_policy(Box::new(NoMergePolicy));
        Ok(Core {
            shard,
            writer: Mutex::new(Some(writer)),
            merges: Mutex::new(0),
            merged: Condvar::new(),
            _permit: permit,
        })
    }

    /// Whether it can go on.
    pub(super) fn is_alive(&self) -> bool {
        lock(&self.writer).is_some()
    }

    /// Does something with the writer, which is given up when that fails.
    fn with<T>(
        &self,
        act: impl FnOnce(&mut IndexWriter) -> Result<T, SearchError>,
    ) -> Result<T, SearchError> {
        let mut slot = lock(&self.writer);
        let mut writer = slot.take().ok_or_else(|| {
            SearchError::Unavailable("the writer is closed after an error".into())
        })?;
        let done = act(&mut writer)?;
        *slot = Some(writer);
        Ok(done)
    }

    fn write(self: &Arc<Self>, batch: &Batch) -> Result<(), SearchError> {
        self.with(|writer| {
            let known = self.shard.position();
            if batch.position <= known && batch.erased.is_empty() {
                return Ok(());
            }
            self.put(writer, batch, known).map_err(from_tantivy)?;
            self.shard.commit(writer, batch.position.max(known))?;
            self.merge(writer)
        })
    }

    fn put(&self, writer: &IndexWriter, batch: &Batch, known: i64) -> Result<(), TantivyError> {
        let erased: HashSet<i64> = batch.erased.iter().map(|erased| erased.erased_seq).collect();
        for document in &batch.documents {
            if document.seq > known && !erased.contains(&document.seq) {
                writer.add_document(self.shard.fields.document(document))?;
            }
        }
        let old: Vec<i64> = erased.into_iter().filter(|seq| *seq <= known).collect();
        if !old.is_empty() {
            let query: Box<dyn Query> = Picked::query(At(old));
            writer.delete_query(query)?;
        }
        Ok(())
    }

    /// Starts a merge where segments are many and none runs.
    fn merge(self: &Arc<Self>, writer: &mut IndexWriter) -> Result<(), SearchError> {
        let metas = self.shard.index.searchable_segment_metas().map_err(from_tantivy)?;
        if metas.len() > MOST_SEGMENTS {
            self.settle();
        }
        if *lock(&self.merges) > 0 {
            return Ok(());
        }
        let mut policy = LogMergePolicy::default();
        policy.set_del_docs_ratio_before_merge(ERASED);
        for candidate in policy.compute_merge_candidates(&metas) {
            self.start(writer, &candidate.0);
        }
        Ok(())
    }

    /// Merges segments beside whatever is written.
    fn start(self: &Arc<Self>, writer: &mut IndexWriter, segments: &[SegmentId]) {
        let running = writer.merge(segments);
        *lock(&self.merges) += 1;
        let core = self.clone();
        tokio::task::spawn_blocking(move || {
            let merged = running.wait().map_err(from_tantivy);
            let merged = merged.and_then(|_| core.shard.refresh());
            if let Err(error) = merged.or_else(|error| core.shard.excused(error)) {
                tracing::warn!(stream = core.shard.layout.stream, %error, "segments were not merged");
            }
            *lock(&core.merges) -= 1;
            core.merged.notify_all();
        });
    }

    /// Waits until no merge runs.
    fn settle(&self) {
        let mut merges = lock(&self.merges);
        while *merges > 0 {
            merges = self.merged.wait(merges).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn expunge(&self) -> Result<(), SearchError> {
        self.with(|writer| {
            self.settle();
            let metas = self.shard.index.searchable_segment_metas().map_err(from_tantivy)?;
            for meta in metas.iter().filter(|meta| meta.has_deletes()) {
                writer.merge(&[meta.id()]).wait().map_err(from_tantivy)?;
            }
            // What is still known of a segment keeps its files.
            drop(metas);
            self.shard.refresh()?;
            writer.garbage_collect_files().wait().map_err(from_tantivy)?;
            Ok(())
        })
    }
}

/// An index that is written.
pub struct Writer {
    core: Arc<Core>,
    _turn: OwnedMutexGuard<()>,
}

impl Writer {
    pub(super) fn new(core: Arc<Core>, turn: OwnedMutexGuard<()>) -> Writer {
        Writer { core, _turn: turn }
    }

    /// Up to where the log is in, durably.
    pub fn position(&self) -> i64 {
        self.core.shard.position()
    }

    /// Writes the next part of the log.
    ///
    /// # Errors
    /// Then this writer is of no use any more.
    pub async fn write(&mut self, batch: Batch) -> Result<Written, SearchError> {
        let core = self.core.clone();
        blocking(Some(self.core.shard.clone()), move || core.write(&batch)).await?;
        Ok(Written::default())
    }

    /// Merges away what was erased.
    ///
    /// # Errors
    /// Then this writer is of no use any more.
    pub async fn expunge(&mut self) -> Result<(), SearchError> {
        let core = self.core.clone();
        blocking(Some(self.core.shard.clone()), move || core.expunge()).await
    }
}
