//! Quotas: one row each and period, which says how much was handed out to all processes together.

use async_trait::async_trait;
use aws_lc_rs::hmac;
use forebay_contract::{Ask, Count, Granted, Quotas};
use forebay_db::{Db, Lane};
use forebay_model::Result;
use forebay_model::time::{SharedClock, Timestamp};

use crate::sql::quota;
use forebay_db::seal::Master;

/// At most one part in so many of what is left is handed out at once, unless more is needed: towards
/// its end a quota is shared out in small pieces, so that little lies with whoever does not need it.
const SHARE: u64 = 8;
/// The most that can be handed out of a row.
const MOST: u64 = 1 << 60;
/// How long rows are kept after their end: the clocks of gateways may differ.
const KEPT: i64 = 86_400_000_000;
/// Rows that are swept in a step.
const STEP: i64 = 500;

/// The counts in the database.
pub(crate) struct Counts {
    db: Db,
    clock: SharedClock,
    names: hmac::Key,
}

impl Counts {
    pub(crate) fn new(db: Db, clock: SharedClock, master: &Master) -> Counts {
        let key: [u8; 32] = master.derive("quota");
        Counts { db, clock, names: hmac::Key::new(hmac::HMAC_SHA256, &key) }
    }

    /// Whom a row counts can be read by nobody who has the table alone, and is never long.
    fn key(&self, count: &Count) -> quota::Key {
        let name = hmac::sign(&self.names, count.key.as_bytes());
        (name.as_ref().to_vec(), count.period.from)
    }

    /// Deletes what ended some time ago.
    pub(crate) async fn sweep(&self) -> Result<()> {
        let ended = Timestamp::from_micros(self.clock.now().micros() - KEPT);
        loop {
            let step = self
                .db
                .writer()
                .run(Lane::Maintenance, move |conn| Box::pin(quota::sweep(conn, ended, STEP)));
            if step.await? < usize::try_from(STEP).unwrap_or(usize::MAX) {
                return Ok(());
            }
        }
    }
}

#[async_trait]
impl Quotas for Counts {
    async fn take(&self, count: &Count, ask: Ask) -> Result<Granted> {
        let (key, until) = (self.key(count), count.period.until);
        let run = self.db.writer().run(Lane::Interactive, move |conn| {
            Box::pin(async move {
                let used = quota::lock(conn, key.clone(), until).await?;
                let left = ask.quota.min(MOST).saturating_sub(used);
                let granted = grant(left, ask);
                if granted > 0 {
                    quota::take(conn, key, granted).await?;
                }
                Ok(Granted { granted, left: left - granted })
            })
        });
        Ok(run.await?)
    }

    async fn give_back(&self, unused: Vec<(Count, u64)>) -> Result<()> {
        let mut rows: Vec<_> =
            unused.iter().map(|(count, units)| (self.key(count), *units)).collect();
        // Locked in one order by all, so that nobody waits in a circle.
        rows.sort();
        let run = self.db.writer().run(Lane::Interactive, move |conn| {
            Box::pin(async move {
                for (key, units) in rows {
                    quota::give_back(conn, key, units).await?;
                }
                Ok(())
            })
        });
        Ok(run.await?)
    }
}

/// How much of what is left is handed out; never more than that.
fn grant(left: u64, ask: Ask) -> u64 {
    if left < ask.need { 0 } else { ask.want.min(left / SHARE).max(ask.need) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    use forebay_db::{Look, Settings};
    use forebay_model::period::{Period, Span};
    use forebay_model::time::Clock;

    use super::*;

    const DAY: i64 = 86_400_000_000;

    #[derive(Debug, Default)]
    struct Hand(AtomicI64);

    impl Clock for Hand {
        fn now(&self) -> Timestamp {
            Timestamp::from_micros(self.0.load(Ordering::Relaxed))
        }
    }

    fn ask(quota: u64, need: u64, want: u64) -> Ask {
        Ask { quota, need, want }
    }

    #[test]
    fn what_is_granted_is_there() {
        for (left, need, want, granted) in [
            (100, 1, 1, 1),
            (100, 1, 10, 10),
            (100, 1, 50, 12),
            (100, 90, 90, 90),
            (100, 101, 101, 0),
            (7, 1, 50, 1),
            (7, 0, 50, 0),
            (0, 1, 1, 0),
            (0, 0, 9, 0),
        ] {
            assert_eq!(grant(left, ask(1000, need, want)), granted, "{left} {need} {want}");
        }
    }

    #[tokio::test]
    async fn a_row_says_what_was_handed_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        let clock = Arc::new(Hand::default());
        let open = Settings::Sqlite { path, readers: 1, cache_bytes: 1 << 20 };
        let db = Db::open(open, clock.clone()).await.unwrap();
        let counts = Counts::new(db.clone(), clock.clone(), &Master::new(&[1; 32]));
        let of = |key: &str, period: Span| Count { key: key.to_owned(), period };
        let day = |n: i64| Period::Day.around(Timestamp::from_micros(n * DAY));
        let (one, other) = (of("plan ann", day(0)), of("plan bob", day(0)));
        let told = |granted, left| Granted { granted, left };
        assert_eq!(counts.take(&one, ask(100, 1, 10)).await.unwrap(), told(10, 90));
        assert_eq!(counts.take(&one, ask(100, 91, 91)).await.unwrap(), told(0, 90));
        assert_eq!(counts.take(&one, ask(100, 90, 90)).await.unwrap(), told(90, 0));
        assert_eq!(counts.take(&one, ask(100, 1, 1)).await.unwrap(), told(0, 0));
        // A quota that was made smaller is full, and nothing is owed.
        assert_eq!(counts.take(&one, ask(50, 1, 1)).await.unwrap(), told(0, 0));
        assert_eq!(counts.take(&other, ask(100, 1, 1)).await.unwrap(), told(1, 99));
        let unused = vec![(one.clone(), 4), (other.clone(), 1), (of("nobody", day(0)), 7)];
        counts.give_back(unused).await.unwrap();
        assert_eq!(counts.take(&one, ask(100, 4, 9)).await.unwrap(), told(4, 0));
        // More than there was is not given back.
        counts.give_back(vec![(other.clone(), 2)]).await.unwrap();
        assert_eq!(counts.take(&other, ask(100, 1, 1)).await.unwrap(), told(1, 99));
        // The next day is another row; yesterday's goes a day after its end.
        let next = of("plan ann", day(1));
        assert_eq!(counts.take(&next, ask(100, 1, 1)).await.unwrap(), told(1, 99));
        for (now, rows) in [(2 * DAY, 3), (2 * DAY + 1, 1), (3 * DAY, 1), (3 * DAY + 1, 0)] {
            clock.0.store(now, Ordering::Relaxed);
            counts.sweep().await.unwrap();
            let mut conn = db.reader(Look::Point).await.unwrap();
            let kept = conn.query("SELECT key, used FROM quota", &[]).await.unwrap();
            assert_eq!(kept.len(), rows, "{now}");
        }
    }
}
