//! The next part of a stream's log, as an index takes it: bounded in records and in bytes.

use std::sync::Arc;

use forebay_db::log::read::{Page, page, reach, span};
use forebay_db::log::tombstone::{Tombstone, tombstones};
use forebay_db::{Db, DbError, Look, Order};
use forebay_model::record::Record;
use forebay_search::{Batch, Document, Erased, Layout};

/// Records of one read, and about how many bytes of their data.
const PAGE: (i64, i64) = (2_000, 2 << 20);
/// Records of one batch, and about how many bytes of their data: what is made of them takes several
/// times as much.
pub(crate) const BATCH: (i64, i64) = (10_000, 4 << 20);

/// Tombstones of one batch.
const ERASED: i64 = 20_000;

/// A part of the log.
pub(crate) struct Part {
    pub(crate) batch: Batch,
    /// The head when it was read; a batch that reaches it is the last one for now.
    pub(crate) head: i64,
    /// How many records of the stream were ever erased.
    pub(crate) erased: i64,
}

/// Reads what comes after a position; `None` when the stream is gone.
pub(crate) async fn next(
    db: &Db,
    layout: &Arc<Layout>,
    after: i64,
) -> Result<Option<Part>, DbError> {
    let mut conn = db.reader(Look::Point).await?;
    let Some(span) = span(&mut conn, layout.stream).await? else { return Ok(None) };
    drop(conn);
    let head = span.last_seq;
    let (mut batch, mut position) = (Batch::default(), after);
    let (mut records_left, mut bytes_left) = BATCH;
    while position < head && records_left > 0 && bytes_left > 0 {
        let most = (PAGE.0.min(records_left), PAGE.1.min(bytes_left));
        let (records, up_to) = read(db, layout.stream, (position, head), most).await?;
        // What is not there was erased, or trimmed: the position goes past it.
        position = up_to;
        records_left -= i64::try_from(records.len()).unwrap_or(i64::MAX).max(1);
        bytes_left -= records.iter().map(bytes).sum::<i64>();
        let layout = layout.clone();
        let documents = tokio::task::spawn_blocking(move || {
            records.iter().map(|record| Document::of(&layout, record)).collect::<Vec<_>>()
        });
        let documents = documents.await.map_err(|e| DbError::Internal(e.to_string()))?;
        batch.documents.extend(documents);
    }
    (batch.erased, batch.position) = erased(db, layout.stream, (after, position)).await?;
    // What stands behind the last tombstone of a long row of them comes with the next batch.
    batch.documents.retain(|document| document.seq <= batch.position);
    Ok(Some(Part { batch, head, erased: span.erased }))
}

/// Reads a page, and says up to where the log is read with it.
async fn read(
    db: &Db,
    stream: i64,
    (after, head): (i64, i64),
    most: (i64, i64),
) -> Result<(Vec<Record>, i64), DbError> {
    let mut conn = db.reader(Look::Scan).await?;
    let Some(up_to) = reach(&mut conn, stream, (after, head), most).await? else {
        return Ok((Vec::new(), head));
    };
    let wanted = Page { order: Order::SeqAscending, after: Some((after, 0)), up_to, limit: most.0 };
    Ok((page(&mut conn, stream, wanted).await?, up_to))
}

fn bytes(record: &Record) -> i64 {
    i64::try_from(record.data.len()).unwrap_or(i64::MAX)
}

/// What was erased by tombstones of a stretch of the log, and up to where that is all of it.
async fn erased(db: &Db, stream: i64, between: (i64, i64)) -> Result<(Vec<Erased>, i64), DbError> {
    let mut conn = db.reader(Look::Point).await?;
    let found = tombstones(&mut conn, stream, between, ERASED).await?;
    let full = i64::try_from(found.len()).is_ok_and(|found| found >= ERASED);
    let up_to = found.last().filter(|_| full).map_or(between.1, |last| last.seq);
    let erased = found.into_iter().map(|Tombstone { seq, erased_seq, id, .. }| Erased {
        seq,
        erased_seq,
        id,
    });
    Ok((erased.collect(), up_to))
}
