//! Runs the rules of this process along their streams: leases, steps, and what they write.
//!
//! A rule is run by one process at a time, which holds it for a while and says so again and again
//! (`rule_cursor`); whoever has lost it finds out by the fence when it writes. What a step finds, and how
//! far it came, is written in one transaction. What windows hold is not written: it is read again from
//! the log.

pub(crate) mod load;
pub(crate) mod run;
mod write;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use forebay_db::log::read::{Page, page, span};
use forebay_db::{DbError, Look, Order};
use forebay_model::record::Record;
use forebay_model::time::Timestamp;
use tokio::sync::watch::Receiver;

use crate::Inner;
use crate::sql::{rule as table, silence};
use run::{Run, STORE};

/// How long a rule is held, and how often that is said again.
const LEASE: i64 = 15_000_000;
const RENEW: i64 = 5_000_000;
/// Records of one look at a stream.
const PAGE: i64 = 500;
/// How far behind the clock time is taken to be: what is committed with an earlier time is seen by then.
const BEHIND: i64 = 250_000;
/// How often is looked whether something has to be done.
const PAUSE: Duration = Duration::from_millis(100);
/// Rules that are taken at once.
const TAKE: i64 = 64;

/// The rules of a process.
pub(crate) struct Watch<'w> {
    inner: &'w Inner,
    runs: BTreeMap<String, Run>,
    heads: HashMap<i64, Receiver<i64>>,
    silences: silence::Active,
    renewed_at: i64,
    looked_at: i64,
}

/// Runs until it is dropped.
pub(crate) async fn run(inner: &Inner) {
    let mut watch = Watch {
        inner,
        runs: BTreeMap::new(),
        heads: HashMap::new(),
        silences: silence::Active::default(),
        renewed_at: 0,
        looked_at: 0,
    };
    let mut own = true;
    while !inner.stopping.is_cancelled() {
        if let Err(error) = watch.round(own).await {
            tracing::warn!(error = %error, "rules cannot be run now, will try again");
            tokio::time::sleep(Duration::from_secs(1)).await;
            // What is in memory may be ahead of what is stored.
            watch.runs.clear();
            watch.renewed_at = 0;
            continue;
        }
        own = false;
        tokio::time::sleep(PAUSE).await;
    }
    watch.let_go().await;
}

impl Watch<'_> {
    async fn round(&mut self, own: bool) -> Result<(), DbError> {
        let now = self.inner.clock.now();
        if now.micros() - self.renewed_at >= RENEW || now.micros() < self.renewed_at {
            self.renew(now).await?;
            self.renewed_at = now.micros();
        }
        if own {
            self.take(now, true).await?;
        }
        if now.micros() - self.looked_at >= 1_000_000 || now.micros() < self.looked_at {
            self.take(now, false).await?;
            self.refresh().await?;
            self.looked_at = now.micros();
        }
        let mut streams: Vec<i64> = self.runs.values().map(|run| run.stream.number).collect();
        streams.sort_unstable();
        streams.dedup();
        self.heads.retain(|stream, _| streams.contains(stream));
        for stream in streams {
            self.follow(stream).await?;
        }
        Ok(())
    }

    /// Says that this process still runs its rules, and finds out which it has lost.
    async fn renew(&mut self, now: Timestamp) -> Result<(), DbError> {
        if self.runs.is_empty() {
            return Ok(());
        }
        let (holder, until) = (self.inner.holder.name().to_owned(), after(now, LEASE));
        let held = self.inner.db.writer().run(forebay_db::Lane::Interactive, move |conn| {
            Box::pin(async move { table::renew(conn, &holder, (now, until)).await })
        });
        let held: HashMap<String, i64> = held.await?.into_iter().collect();
        self.runs.retain(|id, run| held.get(id) == Some(&run.held.fence));
        Ok(())
    }

    /// Takes rules that nobody runs.
    async fn take(&mut self, now: Timestamp, own: bool) -> Result<(), DbError> {
        let (holder, until) = (self.inner.holder.name().to_owned(), after(now, LEASE));
        let limit = if own { i64::MAX } else { TAKE };
        let taken = self.inner.db.writer().run(forebay_db::Lane::Interactive, move |conn| {
            Box::pin(async move { table::take(conn, &holder, (now, until), (limit, own)).await })
        });
        for held in taken.await? {
            let id = held.rule.clone();
            if let Some(run) = load::run(self.inner, held).await? {
                self.runs.insert(id, run);
            }
        }
        Ok(())
    }

    /// Looks at what has changed of rules, their streams, and silences.
    async fn refresh(&mut self) -> Result<(), DbError> {
        let mut conn = self.inner.db.reader(Look::Scan).await?;
        self.silences = silence::active(&mut conn, self.inner.clock.now()).await?;
        let versions = table::versions(&mut conn, self.inner.holder.name()).await?;
        drop(conn);
        let mut ground = load::Ground::default();
        let ids: Vec<String> = self.runs.keys().cloned().collect();
        for id in ids {
            let Some(run) = self.runs.get(&id) else { continue };
            let same = versions.get(&id) == Some(&run.kept.version);
            if !same || !ground.is_that_of(self.inner, run).await {
                // It is taken up again as it is now.
                let held = run.held.clone();
                self.runs.remove(&id);
                if let Some(run) = load::run(self.inner, held).await? {
                    self.runs.insert(id, run);
                }
            }
        }
        Ok(())
    }

    /// Runs the rules of a stream as far as it goes now.
    async fn follow(&mut self, stream: i64) -> Result<(), DbError> {
        let heads = self.inner.db.heads();
        let head = self.heads.entry(stream).or_insert_with(|| heads.follow(stream));
        let moved = head.has_changed().unwrap_or(true) || *head.borrow() < 0;
        head.borrow_and_update();
        let now = self.inner.clock.now().micros();
        let time = now - BEHIND;
        let mine = self.runs.values().filter(|run| run.stream.number == stream);
        let due = mine.clone().any(|run| run.is_due(time, now));
        if !moved && !due {
            return Ok(());
        }
        let Some(mut after) = mine.map(|run| run.held.seq).min() else { return Ok(()) };
        loop {
            let mut conn = self.inner.db.reader(Look::Scan).await?;
            let Some(here) = span(&mut conn, stream).await? else { return Ok(()) };
            let records = if after < here.last_seq {
                let (order, up_to) = (Order::SeqAscending, here.last_seq);
                let wanted = Page { order, after: Some((after, 0)), up_to, limit: PAGE };
                page(&mut conn, stream, wanted).await?
            } else {
                Vec::new()
            };
            drop(conn);
            let is_last = records.len() < usize::try_from(PAGE).unwrap_or(usize::MAX);
            // Positions without a record are passed as well.
            after = if is_last {
                here.last_seq.max(after)
            } else {
                records.last().map_or(after, |r| r.seq)
            };
            self.step(stream, &records, (after, is_last.then_some(time))).await?;
            if is_last {
                return Ok(());
            }
        }
    }

    /// Feeds records to the rules of a stream, and lets time pass where the log has been read to its end.
    async fn step(
        &mut self,
        stream: i64,
        records: &[Record],
        (position, time): (i64, Option<i64>),
    ) -> Result<(), DbError> {
        let now = self.inner.clock.now();
        let mut writes = Vec::new();
        for run in self.runs.values_mut().filter(|run| run.stream.number == stream) {
            let mut happened = Vec::new();
            let seq = run.held.seq;
            for record in records.iter().filter(|record| record.seq > seq) {
                run.feed(record, &mut happened);
                run.held.at = run.held.at.max(record.received_at.micros());
            }
            run.held.seq = run.held.seq.max(position);
            if let Some(time) = time.filter(|time| *time > run.held.at) {
                run.evaluator.advance(time, &mut happened);
                run.held.at = time;
            }
            let silences = &self.silences;
            let step = run.step(happened, records, &|alert| silences.hold(alert));
            if !step.is_empty() || now.micros() - run.stored_at >= STORE {
                run.stored_at = now.micros();
                writes.push(write::Write { held: run.held.clone(), step });
            }
        }
        if writes.is_empty() {
            return Ok(());
        }
        let told = writes.iter().any(|write| !write.step.posts.is_empty());
        let lost = write::all(self.inner, writes, now).await?;
        self.runs.retain(|id, _| !lost.contains(id));
        if told {
            self.inner.engine.wake();
        }
        Ok(())
    }

    /// Writes down how far everything is, and lets others take it.
    async fn let_go(&mut self) {
        let held = self.runs.values().map(|run| run.held.clone());
        let writes = held.map(|held| write::Write { held, step: run::Step::default() }).collect();
        let now = self.inner.clock.now();
        let holder = self.inner.holder.name().to_owned();
        let stored = write::all(self.inner, writes, now).await;
        let released = self.inner.db.writer().run(forebay_db::Lane::Interactive, move |conn| {
            Box::pin(async move { table::release(conn, &holder).await })
        });
        // Others take them a little later all the same.
        if let Err(error) = stored.and(released.await) {
            tracing::debug!(error = %error, "rules were not let go of");
        }
    }
}

fn after(now: Timestamp, micros: i64) -> Timestamp {
    Timestamp::from_micros(now.micros().saturating_add(micros))
}
