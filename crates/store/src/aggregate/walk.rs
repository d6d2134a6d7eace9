//! We group: piece by piece along the stream, each taken on a thread of its own.

use forebay_db::Look;
use forebay_db::log::read::Span;
use forebay_db::log::scan::{Window, records, values};
use forebay_filter::lower::Place;
use forebay_model::Error;
use forebay_model::record::Record;
use forebay_model::stream::Stream;

use super::table::Work;
use crate::Store;

/// A piece holds about as many rows of values.
const ROWS: i64 = 8_000;
/// A piece holds about as many bytes of records, and at most as many records.
const BYTES: i64 = 4 << 20;
const RECORDS: i64 = 4_000;
/// A window reaches over as many positions at first, and at most.
const POSITIONS: (i64, i64) = (1_000, 1 << 20);

/// The way along a stream: windows grow where little is found in them.
struct Walk {
    after: i64,
    up_to: i64,
    positions: i64,
    limit: i64,
}

impl Walk {
    fn new(here: Span, limit: i64) -> Walk {
        let after = here.first_seq - 1;
        Walk { after, up_to: here.last_seq, positions: POSITIONS.0, limit }
    }

    /// The window to read next; nothing at the end.
    fn next(&self) -> Option<Window> {
        let up_to = self.up_to.min(self.after + self.positions);
        (up_to > self.after).then_some(Window { after: self.after, up_to, limit: self.limit })
    }

    /// Goes on behind a window in which so many records were found, the last of them at `last`.
    fn advance(&mut self, window: Window, found: usize, last: Option<i64>) {
        let found = i64::try_from(found).unwrap_or(i64::MAX);
        if found < window.limit {
            self.after = window.up_to;
        } else {
            self.after = last.unwrap_or(window.up_to);
        }
        let sparse = found < window.limit / 2;
        self.positions = if sparse { self.positions * 2 } else { window.limit };
        self.positions = self.positions.clamp(POSITIONS.0.min(window.limit), POSITIONS.1);
    }
}

/// Takes a few values of each record that matches.
pub(crate) async fn along_values(
    store: &Store,
    stream: &Stream,
    places: &[Place],
    mut work: Box<Work>,
    here: Span,
) -> Result<Box<Work>, Error> {
    let mut walk = Walk::new(here, ROWS);
    while let Some(window) = walk.next() {
        let mut conn = store.inner.db.reader(Look::Scan).await?;
        let condition = work.question.asked.condition();
        let mut rows = values(&mut conn, stream.number, places, condition, window).await?;
        drop(conn);
        let last = rows.last_mut().and_then(|row| row.first().cloned());
        walk.advance(window, rows.len(), last.map(forebay_db::Value::int).transpose()?);
        (work, ()) = apart(work, move |work| work.take_values(&rows)).await?;
    }
    Ok(work)
}

/// Takes each record that matches.
pub(crate) async fn along_records(
    store: &Store,
    stream: &Stream,
    mut work: Box<Work>,
    here: Span,
) -> Result<Box<Work>, Error> {
    // How large they are shows with the first.
    let mut walk = Walk::new(here, 100);
    while let Some(window) = walk.next() {
        let mut conn = store.inner.db.reader(Look::Scan).await?;
        let condition = work.question.asked.condition();
        let found = records(&mut conn, stream.number, condition, window).await?;
        drop(conn);
        walk.advance(window, found.len(), found.last().map(|record| record.seq));
        walk.limit = limit(&found).unwrap_or(walk.limit);
        (work, ()) = apart(work, move |work| work.take_records(&found)).await?;
    }
    Ok(work)
}

/// As many records of this size as a piece should hold.
fn limit(found: &[Record]) -> Option<i64> {
    let bytes: usize = found.iter().map(|record| record.data.len() + 200).sum();
    let each = i64::try_from(bytes / found.len().max(1)).ok()?;
    (each > 0).then(|| (BYTES / each).clamp(10, RECORDS))
}

/// Runs on a thread for long computations, so that others are served meanwhile.
pub(crate) async fn apart<T: Send + 'static>(
    mut work: Box<Work>,
    run: impl FnOnce(&mut Work) -> Result<T, Error> + Send + 'static,
) -> Result<(Box<Work>, T), Error> {
    let ran = tokio::task::spawn_blocking(move || run(&mut work).map(|done| (work, done)));
    ran.await.map_err(Error::internal)?
}
