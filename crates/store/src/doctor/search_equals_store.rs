//! Whether each index holds exactly the records that the log holds: by their number and the sum of
//! their checksums, in windows of positions.

use std::collections::BTreeSet;

use forebay_contract::Catalog;
use forebay_db::log::read::{Page, page, reach};
use forebay_db::log::tombstone::tombstones;
use forebay_db::{Conn, Db, DbError, Look, Order};
use forebay_search::{Layout, View, Window, document};

use super::Finding;
use crate::{Inner, sql};

pub(super) const ID: &str = "search.index_equals_store";
/// Positions of a window.
const WINDOW: i64 = 65_536;
/// Records and bytes of one read.
const PAGE: (i64, i64) = (2_000, 2 << 20);
/// Most tombstones that are looked at behind an index.
const MOST_ERASED: i64 = 100_000;

/// Compares all indexes.
pub(super) async fn check(inner: &Inner) -> Result<Vec<Finding>, DbError> {
    let Some(engine) = inner.search.engine() else {
        return Ok(vec![Finding::warn(
            ID,
            "the search engine was never reached",
            "see search.engine",
        )]);
    };
    let mut findings = Vec::new();
    let (mut records, mut indexes) = (0, 0);
    for head in super::streams(inner).await? {
        let Ok(stream) = inner.catalog.stream(&head.name).await else { continue };
        if Layout::of(&stream).is_none() || head.last_seq == 0 {
            continue;
        }
        let name = &head.name;
        match compare(inner, &engine, head.number).await? {
            Compared::Same(count) => {
                records += count;
                indexes += 1;
            }
            Compared::Gone => {}
            Compared::Absent => {
                let advice = "it is being built; search answers from the log alone until then";
                findings.push(Finding::warn(ID, format!("{name} has no index yet"), advice));
            }
            Compared::Unknown(why) => {
                let advice = "see search.engine; an index that is damaged is built anew by itself";
                findings.push(Finding::fail(ID, format!("{name}: {why}"), advice));
            }
            Compared::Differs(what) => {
                let advice = format!("build it anew: forebay search rebuild {name}");
                findings.push(Finding::fail(ID, format!("{name}: {what}"), advice));
            }
        }
    }
    if indexes > 0 || findings.is_empty() {
        let measured = format!("{indexes} indexes hold the {records} records of their streams");
        findings.push(Finding::ok(ID, measured));
    }
    Ok(findings)
}

enum Compared {
    /// So many records.
    Same(i64),
    /// The stream went meanwhile.
    Gone,
    /// There is no index.
    Absent,
    /// The index cannot be asked.
    Unknown(String),
    Differs(String),
}

async fn compare(
    inner: &Inner,
    engine: &forebay_search::Engine,
    stream: i64,
) -> Result<Compared, DbError> {
    let view = match engine.view(stream).await {
        Ok(Some(view)) => view,
        Ok(None) => return Ok(Compared::Absent),
        Err(error) => return Ok(Compared::Unknown(error.to_string())),
    };
    let indexed = match windows(&view).await {
        Ok(windows) => windows,
        Err(error) => return Ok(Compared::Unknown(error)),
    };
    let up_to = view.indexed_seq();
    let mut conn = inner.db.reader(Look::Point).await?;
    // What is not in the index by its engine's word.
    let without: BTreeSet<i64> =
        sql::search::refused(&mut conn, stream).await?.into_iter().collect();
    drop(conn);
    let stored = match stored(&inner.db, stream, up_to, &without).await {
        Ok(windows) => windows,
        Err(DbError::Gone(_)) => return Ok(Compared::Gone),
        Err(error) => return Err(error),
    };
    // What was erased since is in the index still, and perhaps no more in the log as it was read.
    let mut conn = inner.db.reader(Look::Point).await?;
    let since = erased_after(&mut conn, (stream, up_to)).await?;
    drop(conn);
    Ok(match first_difference(&stored, &indexed, &since) {
        None => Compared::Same(stored.iter().map(|window| window.count).sum()),
        Some((number, stored, indexed)) => {
            let (from, to) = (number * WINDOW, ((number + 1) * WINDOW - 1).min(up_to));
            Compared::Differs(format!(
                "from position {from} to {to} the log has {} and the index {}",
                said(stored),
                said(indexed)
            ))
        }
    })
}

fn said(window: Option<Window>) -> String {
    let (count, sum) = window.map_or((0, 0), |window| (window.count, window.sum));
    format!("{count} records (checksum {sum:x})")
}

async fn windows(view: &View) -> Result<Vec<Window>, String> {
    view.windows(WINDOW).await.map_err(|error| error.to_string())
}

/// The windows in which records were erased after a position.
async fn erased_after(
    conn: &mut Conn,
    (stream, position): (i64, i64),
) -> Result<BTreeSet<i64>, DbError> {
    let erased = tombstones(conn, stream, (position, i64::MAX), MOST_ERASED).await?;
    Ok(erased.iter().map(|tombstone| tombstone.erased_seq / WINDOW).collect())
}

/// The first window that is not the same on both sides, which are in order; some are not looked at.
fn first_difference(
    stored: &[Window],
    indexed: &[Window],
    but: &BTreeSet<i64>,
) -> Option<(i64, Option<Window>, Option<Window>)> {
    let numbers: BTreeSet<i64> = stored
        .iter()
        .chain(indexed)
        .filter(|w| w.count > 0 && !but.contains(&w.number))
        .map(|w| w.number)
        .collect();
    let find = |windows: &[Window], number| {
        windows.iter().find(|window| window.number == number && window.count > 0).copied()
    };
    numbers.into_iter().find_map(|number| {
        let (one, other) = (find(stored, number), find(indexed, number));
        (one != other).then_some((number, one, other))
    })
}

/// The windows of the log up to a position, but for some records.
async fn stored(
    db: &Db,
    stream: i64,
    up_to: i64,
    without: &BTreeSet<i64>,
) -> Result<Vec<Window>, DbError> {
    let mut windows: Vec<Window> = Vec::new();
    let mut after = 0;
    loop {
        let mut conn = db.reader(Look::Scan).await?;
        let Some(end) = reach(&mut conn, stream, (after, up_to), PAGE).await? else {
            return Ok(windows);
        };
        let wanted =
            Page { order: Order::SeqAscending, after: Some((after, 0)), up_to: end, limit: PAGE.0 };
        let records = page(&mut conn, stream, wanted).await?;
        drop(conn);
        for record in records.iter().filter(|record| !without.contains(&record.seq)) {
            let number = record.seq / WINDOW;
            if windows.last().is_none_or(|window| window.number != number) {
                windows.push(Window { number, count: 0, sum: 0 });
            }
            if let Some(window) = windows.last_mut() {
                window.count += 1;
                window.sum += i64::from(document::checksum(record));
            }
        }
        after = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(number: i64, count: i64, sum: i64) -> Window {
        Window { number, count, sum }
    }

    #[test]
    fn the_first_difference_is_named() {
        let (all, none) = ([window(0, 3, 7), window(2, 1, 9)], BTreeSet::new());
        assert_eq!(first_difference(&all, &all, &none), None);
        // A window without records is none.
        let more = [window(0, 3, 7), window(1, 0, 0), window(2, 1, 9)];
        assert_eq!(first_difference(&all, &more, &none), None);
        let other = [window(0, 3, 7), window(2, 1, 8)];
        assert_eq!(first_difference(&all, &other, &none), Some((2, Some(all[1]), Some(other[1]))));
        // Something in it was erased since.
        assert_eq!(first_difference(&all, &other, &BTreeSet::from([2])), None);
        assert_eq!(first_difference(&all, &all[1..], &none), Some((0, Some(all[0]), None)));
        assert_eq!(first_difference(&[], &all, &none), Some((0, None, Some(all[0]))));
    }
}
