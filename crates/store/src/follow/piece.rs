//! A piece of the log as a follower reads it: records and tombstones, up to one position.

use forebay_db::log::read::{Page, page};
use forebay_db::log::{Tombstone, tombstones};
use forebay_db::{Conn, DbError, Order};
use forebay_model::record::Record;

/// A piece of the log.
#[derive(Debug, Default)]
pub(crate) struct Piece {
    pub(crate) records: Vec<Record>,
    pub(crate) tombstones: Vec<Tombstone>,
    /// Nothing is left out up to here.
    pub(crate) up_to: i64,
}

/// What stands at a position.
pub(crate) enum Entry<'p> {
    Record(&'p Record),
    Tombstone(&'p Tombstone),
}

impl Piece {
    /// Reads what comes after a position, up to one that the log has reached, and at most `limit` of
    /// each kind. Without `erased` no tombstones are looked for.
    pub(crate) async fn read(
        conn: &mut Conn,
        stream: i64,
        (after, up_to): (i64, i64),
        limit: i64,
        erased: bool,
    ) -> Result<Piece, DbError> {
        let order = Order::SeqAscending;
        let wanted = Page { order, after: Some((after, 0)), up_to, limit };
        let mut records = page(conn, stream, wanted).await?;
        let is_full = |found: usize| i64::try_from(found).is_ok_and(|found| found >= limit);
        let mut reached = up_to.max(after);
        if let Some(last) = records.last().filter(|_| is_full(records.len())) {
            reached = last.seq;
        }
        let mut tombs = Vec::new();
        if erased {
            tombs = tombstones(conn, stream, (after, reached), limit).await?;
            if let Some(last) = tombs.last().filter(|_| is_full(tombs.len())) {
                reached = last.seq;
                records.retain(|record| record.seq < reached);
            }
        }
        Ok(Piece { records, tombstones: tombs, up_to: reached })
    }

    /// All of it, in the log's order.
    pub(crate) fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        let (mut records, mut tombstones) =
            (self.records.iter().peekable(), self.tombstones.iter().peekable());
        std::iter::from_fn(move || match (records.peek(), tombstones.peek()) {
            (Some(record), Some(tombstone)) if record.seq > tombstone.seq => {
                tombstones.next().map(Entry::Tombstone)
            }
            (Some(_), _) => records.next().map(Entry::Record),
            (None, _) => tombstones.next().map(Entry::Tombstone),
        })
    }
}
