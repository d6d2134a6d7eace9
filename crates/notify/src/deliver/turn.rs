//! One turn of the engine: it writes down what came back, takes what is due, and sends it.
//!
//! Both are one transaction. While it commits more comes back, so that under load a turn takes many.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use forebay_db::{Conn, DbError, Lane, Look};
use forebay_model::Error;
use forebay_model::time::Timestamp;
use tokio::task::JoinSet;

use super::known::{Known, Ready};
use super::schedule;
use super::way::{Way, Word};
use crate::Inner;
use crate::message::{Message, Outcome, Verdict};
use crate::sql::channel as channels;
use crate::sql::queue::{self, Ended, Next, Taken, Told, Turn};

/// Channels of one look.
const LOOK: i64 = 500;
/// How long something is held at least; longer than any try takes.
const LEASE: Duration = Duration::from_secs(60);
/// How often is looked for what a process that ended holds.
const OVERDUE: Duration = Duration::from_secs(5);
/// How long the engine rests when there is nothing to do: at first, and at most.
const REST: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// Ways to channels that are remembered; beyond it those that tell nothing are dropped.
const WAYS: usize = 10_000;

/// What was taken, with what it says.
type Load = (Vec<Taken>, HashMap<String, Told>);

/// The engine at work.
pub(crate) struct Sending<'i> {
    inner: &'i Inner,
    flying: JoinSet<Back>,
    /// What came back and is not written down yet.
    back: Arc<Vec<Ended>>,
    ways: HashMap<String, Way>,
    known: Known,
    /// Up to where the last look came.
    position: String,
    overdue: Option<Instant>,
    /// When something is due that was seen.
    earliest: Option<Timestamp>,
}

/// A message that is back.
struct Back {
    taken: Taken,
    kind: &'static str,
    at: Timestamp,
    took: Duration,
    outcome: Outcome,
}

/// What a turn is about to do.
#[derive(Default)]
struct Plan {
    /// Channels, and how much is taken for each.
    take: Vec<(String, usize)>,
    /// Channels that are not there any more.
    missing: Vec<String>,
    release: bool,
}

impl<'i> Sending<'i> {
    pub(crate) fn new(inner: &'i Inner) -> Sending<'i> {
        Sending {
            inner,
            flying: JoinSet::new(),
            back: Arc::default(),
            ways: HashMap::new(),
            known: Known::default(),
            position: String::new(),
            overdue: None,
            earliest: None,
        }
    }

    /// Works until the process stops.
    pub(crate) async fn run(mut self) {
        self.begin().await;
        let mut rest = REST.0;
        while !self.inner.stopping.is_cancelled() {
            match self.turn().await {
                Ok(true) => rest = REST.0,
                Ok(false) => {
                    self.rest(rest).await;
                    rest = (rest * 2).min(REST.1);
                }
                Err(error) => {
                    tracing::warn!(%error, "deliveries wait for the database, will try again");
                    tokio::time::sleep(REST.1).await;
                }
            }
        }
        self.finish().await;
        self.inner.engine.ended.send_replace(true);
    }

    /// Takes back what this process held when it ended last.
    async fn begin(&self) {
        loop {
            match self.take_back().await {
                Ok(0) => return,
                Ok(messages) => {
                    return tracing::info!(messages, "sends again what was on its way");
                }
                Err(error) => tracing::warn!(%error, "deliveries wait for the database"),
            }
            tokio::select! {
                () = self.inner.stopping.cancelled() => return,
                () = tokio::time::sleep(REST.1) => {}
            }
        }
    }

    /// Puts back what is held under this process's name; nobody knows what became of it.
    async fn take_back(&self) -> Result<usize, DbError> {
        let (holder, now) = (self.inner.holder.name().to_owned(), self.inner.clock.now());
        let taken = self.inner.db.writer().run(Lane::Batch, move |conn| {
            Box::pin(async move { queue::take_back(conn, &holder, now).await })
        });
        taken.await
    }

    /// Waits until there may be something to do.
    async fn rest(&mut self, most: Duration) {
        let now = self.inner.clock.now().micros();
        let due = self.earliest.map(|at| at.micros().saturating_sub(now));
        let due = due.and_then(|micros| u64::try_from(micros).ok()).map(Duration::from_micros);
        let rest = due.map_or(most, |due| due.clamp(Duration::from_millis(1), most));
        tokio::select! {
            () = self.inner.engine.signal.notified() => {}
            () = self.inner.stopping.cancelled() => {}
            Some(back) = self.flying.join_next() => self.land(back),
            () = tokio::time::sleep(rest) => {}
        }
    }

    /// Waits for what is on its way, and writes down what came of it; what is not back is put back, so
    /// that another process need not wait for the end of its lease.
    async fn finish(&mut self) {
        let all = async {
            while let Some(back) = self.flying.join_next().await {
                self.land(back);
            }
        };
        let late = tokio::time::timeout(super::PATIENCE.0, all).await.is_err();
        self.flying.shutdown().await;
        let written = match self.write(Plan::default()).await {
            Ok(_) if late => self.take_back().await.map(drop).map_err(Error::from),
            written => written.map(drop),
        };
        if let Err(error) = written {
            tracing::warn!(%error, "what was sent last is not written down, and will be sent again");
        }
    }

    /// Does what there is to do; whether there was anything.
    pub(crate) async fn turn(&mut self) -> Result<bool, Error> {
        while let Some(back) = self.flying.try_join_next() {
            self.land(back);
        }
        let plan = self.plan().await?;
        let idle = plan.take.is_empty() && plan.missing.is_empty() && !plan.release;
        if idle && self.back.is_empty() {
            return Ok(false);
        }
        let (taken, told) = self.write(plan).await?;
        for taken in taken {
            let told = told.get(&taken.notification).cloned();
            self.send(taken, told);
        }
        Ok(true)
    }

    /// Takes note of a message that is back.
    fn land(&mut self, back: Result<Back, tokio::task::JoinError>) {
        // One that panicked was logged where it happened; its lease ends, and it is sent again.
        let Ok(Back { taken, kind, at, took, outcome }) = back else { return };
        let now = self.inner.clock.now();
        let word = match outcome.verdict {
            Verdict::Delivered => Word::Good,
            Verdict::Again(_) => Word::Bad,
            Verdict::Never | Verdict::Gone => Word::None,
        };
        let most = self.inner.config.in_flight_each;
        let way = self.ways.entry(taken.channel.clone()).or_default();
        way.back(word, took, (most, now.micros()));
        let next = match outcome.verdict {
            Verdict::Delivered => Next::Done,
            Verdict::Never | Verdict::Gone => Next::GivenUp,
            Verdict::Again(floor) => match schedule::pause(&taken.id, taken.tries_now, floor) {
                None => Next::GivenUp,
                Some(pause) => Next::Again(later(now, pause)),
            },
        };
        let names = [("channel", kind), ("outcome", outcome.name)];
        metrics::counter!("forebay_deliveries_total", &names).increment(1);
        metrics::histogram!("forebay_delivery_duration_seconds", "channel" => kind).record(took);
        if next == Next::GivenUp {
            metrics::counter!("forebay_deliveries_given_up_total", "channel" => kind).increment(1);
        }
        if outcome.verdict == Verdict::Gone {
            self.known.forget(&taken.channel);
        }
        Arc::make_mut(&mut self.back).push(Ended {
            taken,
            at,
            duration: i64::try_from(took.as_micros()).unwrap_or(i64::MAX),
            outcome: outcome.name,
            status: outcome.status,
            excerpt: outcome.excerpt,
            next,
            gone: outcome.verdict == Verdict::Gone,
        });
    }

    /// Looks for what is due, and decides how much of it is taken.
    async fn plan(&mut self) -> Result<Plan, Error> {
        let now = self.inner.clock.now();
        self.known.hear(&self.inner.engine);
        let mut plan = Plan::default();
        let mut conn = self.inner.db.reader(Look::Point).await?;
        if self.overdue.is_none_or(|at| at.elapsed() > OVERDUE) {
            plan.release = queue::any_overdue(&mut conn, now).await?;
            self.overdue = Some(Instant::now());
        }
        let free = self.inner.config.in_flight.saturating_sub(self.flying.len());
        if free == 0 {
            return Ok(plan);
        }
        let waiting = self.look(&mut conn).await?;
        let mut rooms = Vec::new();
        self.earliest = None;
        for (channel, due_at) in waiting {
            if due_at > now {
                self.earliest = Some(self.earliest.map_or(due_at, |at| at.min(due_at)));
                continue;
            }
            let most = self.inner.config.in_flight_each;
            let room = |way: &Way| way.room(most, now.micros());
            let room = self.ways.get(&channel).map_or_else(|| room(&Way::default()), room);
            if room == 0 {
                continue;
            }
            match self.known.find(self.inner, &mut conn, &channel).await? {
                Ready::On(..) => rooms.push((channel, room)),
                Ready::Waits => {}
                Ready::Missing => plan.missing.push(channel),
            }
        }
        plan.take = share(rooms, free);
        Ok(plan)
    }

    /// Channels to which something waits; with many of them, others at each turn.
    async fn look(&mut self, conn: &mut Conn) -> Result<Vec<(String, Timestamp)>, DbError> {
        let mut found = queue::due(conn, &self.position, LOOK).await?;
        let seen = i64::try_from(found.len()).unwrap_or(LOOK);
        let next = found.last().filter(|_| seen == LOOK).map(|(channel, _)| channel.clone());
        if seen < LOOK && !self.position.is_empty() {
            let position = std::mem::take(&mut self.position);
            let first = queue::due(conn, "", LOOK - seen).await?;
            found.extend(first.into_iter().filter(|(channel, _)| *channel <= position));
        }
        self.position = next.unwrap_or_default();
        Ok(found)
    }

    /// Carries out a plan in one transaction, with what came back.
    async fn write(&mut self, plan: Plan) -> Result<Load, Error> {
        let now = self.inner.clock.now();
        let held = LEASE.max(self.inner.config.timeout * 2 + Duration::from_secs(30));
        let turn =
            Turn { holder: self.inner.holder.name().to_owned(), now, until: later(now, held) };
        let back = self.back.clone();
        let run = self.inner.db.writer().run(Lane::Batch, move |conn| {
            Box::pin(async move { carry_out(conn, &back, &plan, &turn).await })
        });
        let load = run.await?;
        Arc::make_mut(&mut self.back).clear();
        if self.ways.len() > WAYS {
            self.ways.retain(|_, way| !way.is_idle(now.micros()));
        }
        Ok(load)
    }

    /// Sends a message that this process holds.
    fn send(&mut self, taken: Taken, told: Option<Told>) {
        let known = self.known.recall(&taken.channel);
        // What cannot be sent is held until its lease ends, and looked at again.
        let (Some(Ready::On(kind, channel)), Some(told)) = (known, told) else { return };
        self.ways.entry(taken.channel.clone()).or_default().sent();
        let clock = self.inner.clock.clone();
        self.flying.spawn(async move {
            let (at, began) = (clock.now(), Instant::now());
            let whole = taken.data.is_empty();
            let message = Message {
                id: taken.notification.clone(),
                kind: told.kind,
                time: told.time,
                data: if whole { told.data } else { taken.data.clone() },
                address: taken.address.clone(),
            };
            let outcome = channel.send(&message, at).await;
            Back { taken, kind, at, took: began.elapsed(), outcome }
        });
    }

    /// Waits until everything is back.
    #[cfg(test)]
    pub(crate) async fn land_all(&mut self) {
        while let Some(back) = self.flying.join_next().await {
            self.land(back);
        }
    }
}

async fn carry_out(
    conn: &mut Conn,
    back: &[Ended],
    plan: &Plan,
    turn: &Turn,
) -> Result<Load, DbError> {
    queue::end(conn, back, turn.now).await?;
    for ended in back.iter().filter(|ended| ended.gone) {
        channels::set_gone(conn, &ended.taken.channel, turn.now).await?;
    }
    if plan.release {
        queue::release(conn, turn.now).await?;
    }
    for channel in &plan.missing {
        queue::give_up(conn, channel, turn.now).await?;
    }
    let mut taken = Vec::new();
    for (channel, most) in &plan.take {
        let most = i64::try_from(*most).unwrap_or(i64::MAX);
        taken.extend(queue::take(conn, (channel, most), turn).await?);
    }
    let told = if taken.is_empty() { HashMap::new() } else { queue::told(conn, turn).await? };
    Ok((taken, told))
}

/// Shares free places: each channel gets as much as any other, and what some do not need goes to the
/// others.
fn share(mut rooms: Vec<(String, usize)>, mut free: usize) -> Vec<(String, usize)> {
    rooms.sort_by_key(|(_, room)| *room);
    let mut left = rooms.len();
    let mut taken = Vec::with_capacity(left);
    for (channel, room) in rooms {
        let fair = free.div_ceil(left.max(1));
        let some = room.min(fair);
        (free, left) = (free - some, left - 1);
        if some > 0 {
            taken.push((channel, some));
        }
    }
    // Two processes that lock rows lock them in the same order.
    taken.sort();
    taken
}

fn later(now: Timestamp, by: Duration) -> Timestamp {
    let by = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros(now.micros().saturating_add(by))
}

#[cfg(test)]
mod tests;
