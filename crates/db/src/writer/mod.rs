//! The writer: takes everything queued, one transaction, one commit, then answers every request.
//!
//! There is no linger timer; the commit in flight is the batching window. Three lanes keep a bulk
//! load from delaying a login. A stream is in one transaction at a time.

mod queue;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use forebay_model::time::SharedClock;
use futures_util::future::BoxFuture;
use tokio::sync::{Notify, oneshot};

use crate::conn::Conn;
use crate::error::DbError;
use crate::heads::Heads;
use crate::log::append::lock_heads;
use crate::log::{Append, Outcome, RowDone, append};
use crate::postgres::PgPool;

pub use queue::Lane;
use queue::{Group, Job, LANES, Queue, Task, Work};

/// How long a request waits for an engine that is away.
const PATIENCE: Duration = Duration::from_secs(10);

struct Shared {
    queue: Mutex<Queue>,
    notify: Notify,
    heads: Arc<Heads>,
    clock: SharedClock,
}

/// Where jobs are handed in.
#[derive(Clone)]
pub struct Writer {
    shared: Arc<Shared>,
}

/// Where the workers get their connection.
pub(crate) enum Source {
    /// The one writing connection of a SQLite file.
    Sqlite(Box<Conn>),
    /// A pool.
    Postgres(PgPool),
}

impl Writer {
    /// Sets up the queue.
    pub(crate) fn new(heads: Arc<Heads>, clock: SharedClock) -> Self {
        let queue = Mutex::new(Queue::default());
        Writer { shared: Arc::new(Shared { queue, notify: Notify::new(), heads, clock }) }
    }

    /// Appends a request's records; answers when they are durable.
    pub async fn append(&self, lane: Lane, request: Append) -> Result<Outcome, DbError> {
        let (reply, answer) = oneshot::channel();
        let rows = request.parts.iter().map(|p| p.rows.len()).sum();
        let bytes = request.parts.iter().flat_map(|p| &p.rows).map(|r| r.data.len() + 64).sum();
        let mut streams: Vec<i64> = request.parts.iter().map(|p| p.stream).collect();
        streams.sort_unstable();
        let task = Task::Append(request, reply);
        self.push(lane, Job { task, streams, rows, bytes, queued: Instant::now() })?;
        answer.await.map_err(|_| DbError::Unavailable("the writer stopped".to_owned()))?
    }

    /// Runs other writes in a transaction of their own.
    pub async fn run<T, F>(&self, lane: Lane, work: F) -> Result<T, DbError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut Conn) -> BoxFuture<'c, Result<T, DbError>> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let (give, result) = oneshot::channel();
        let work: Work = Box::new(move |conn| {
            let work = work(conn);
            Box::pin(async move {
                let value = work.await?;
                // Nobody listens any more: the work is done all the same.
                let _ = give.send(value);
                Ok(())
            })
        });
        let task = Task::Work(work, reply);
        let job = Job { task, streams: vec![], rows: 0, bytes: 0, queued: Instant::now() };
        self.push(lane, job)?;
        let stopped = |_| DbError::Unavailable("the writer stopped".to_owned());
        answer.await.map_err(stopped)??;
        result.await.map_err(stopped)
    }

    /// Takes nothing more; what is queued is still written.
    pub fn close(&self) {
        self.lock().closed = true;
        self.shared.notify.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, lane: Lane, job: Job) -> Result<(), DbError> {
        let mut queue = self.lock();
        if queue.closed {
            return Err(DbError::Unavailable("the process is stopping".to_owned()));
        }
        queue.lanes[lane as usize].push_back(job);
        drop(queue);
        self.shared.notify.notify_one();
        Ok(())
    }

    /// Serves the queue until it is closed and empty.
    pub(crate) async fn serve(self, mut source: Source) {
        loop {
            let woken = self.shared.notify.notified();
            let group = self.lock().take();
            match group {
                Some(group) => {
                    self.carry_out(&mut source, group).await;
                    self.shared.notify.notify_one();
                }
                None if self.lock().closed => return,
                None => woken.await,
            }
        }
    }

    async fn carry_out(&self, source: &mut Source, group: Group) {
        let lane = LANES[group.lane].1;
        for job in &group.jobs {
            metrics::histogram!("forebay_writer_wait_seconds", "lane" => lane)
                .record(job.queued.elapsed());
        }
        let mut appends = Vec::new();
        for job in group.jobs {
            match job.task {
                Task::Append(request, reply) => appends.push((request, reply)),
                Task::Work(work, reply) => {
                    let _ = reply.send(transact_once(source, work).await);
                }
            }
        }
        if !appends.is_empty() {
            self.append_group(source, appends).await;
        }
        let mut queue = self.lock();
        for stream in group.streams {
            queue.busy.remove(&stream);
        }
    }

    /// Appends a group; on a value that the engine refuses the group is halved until the one
    /// request that holds it stands alone.
    async fn append_group(
        &self,
        source: &mut Source,
        group: Vec<(Append, oneshot::Sender<Result<Outcome, DbError>>)>,
    ) {
        let mut pending = vec![group];
        while let Some(mut group) = pending.pop() {
            let requests: Vec<&Append> = group.iter().map(|(request, _)| request).collect();
            let result = self.patiently(source, &requests).await;
            match result {
                Ok(outcomes) => {
                    for ((request, reply), outcome) in group.into_iter().zip(outcomes) {
                        self.announce(&request, &outcome);
                        let _ = reply.send(Ok(outcome));
                    }
                }
                Err(DbError::Data(_) | DbError::Race(_)) if group.len() > 1 => {
                    let rest = group.split_off(group.len() / 2);
                    pending.push(rest);
                    pending.push(group);
                }
                Err(error) => {
                    tracing::error!(error = %error, requests = group.len(), "append failed");
                    for (_, reply) in group {
                        let _ = reply.send(Err(error.clone()));
                    }
                }
            }
        }
    }

    fn announce(&self, request: &Append, outcome: &Outcome) {
        if let Outcome::Done(done) = outcome {
            for (part, done) in request.parts.iter().zip(&done.parts) {
                self.shared.heads.advance(part.stream, done.last_seq);
            }
        }
    }

    /// Tries until the engine answers or patience ends. When a commit's outcome is unknown, the
    /// next try looks first, under the heads' locks, whether it took place.
    async fn patiently(
        &self,
        source: &mut Source,
        requests: &[&Append],
    ) -> Result<Vec<Outcome>, DbError> {
        let began = Instant::now();
        let mut doubt: Option<Vec<Outcome>> = None;
        let mut pause = Duration::from_millis(20);
        loop {
            let error = match self.attempt(source, requests, &mut doubt).await {
                Ok(outcomes) => return Ok(outcomes),
                Err(error) => error,
            };
            let again = match error {
                DbError::Unavailable(_) => matches!(source, Source::Postgres(_)),
                DbError::Race(_) => true,
                _ => false,
            };
            if !again || began.elapsed() > PATIENCE {
                return Err(error);
            }
            tracing::warn!(error = %error, "append is tried again");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }

    async fn attempt(
        &self,
        source: &mut Source,
        requests: &[&Append],
        doubt: &mut Option<Vec<Outcome>>,
    ) -> Result<Vec<Outcome>, DbError> {
        let mut lease = source.lease().await?;
        let conn = lease.conn();
        conn.begin().await?;
        let outcomes = match self.place(conn, requests, doubt).await {
            Ok(Placed::Before(earlier)) => {
                conn.rollback().await;
                return Ok(earlier);
            }
            Ok(Placed::Now(outcomes)) => outcomes,
            Err(error) => {
                conn.rollback().await;
                return Err(error);
            }
        };
        let began = Instant::now();
        if let Err(error) = conn.commit().await {
            *doubt = Some(outcomes);
            conn.rollback().await;
            return Err(error);
        }
        metrics::histogram!("forebay_writer_commit_seconds").record(began.elapsed());
        metrics::histogram!("forebay_writer_batch_requests").record(count(requests.len()));
        let rows: usize = requests.iter().flat_map(|r| &r.parts).map(|p| p.rows.len()).sum();
        metrics::histogram!("forebay_writer_batch_records").record(count(rows));
        Ok(outcomes)
    }

    async fn place(
        &self,
        conn: &mut Conn,
        requests: &[&Append],
        doubt: &Option<Vec<Outcome>>,
    ) -> Result<Placed, DbError> {
        if let Some(earlier) = doubt {
            // Under the heads' locks, what an earlier try committed can be seen, and what it did
            // not commit never will be.
            lock_heads(conn, requests).await?;
            if committed(conn, requests, earlier).await? {
                return Ok(Placed::Before(earlier.clone()));
            }
        }
        Ok(Placed::Now(append(conn, requests, self.shared.clock.now()).await?))
    }
}

/// Whether the records were placed by this try, or by an earlier one after all.
enum Placed {
    Now(Vec<Outcome>),
    Before(Vec<Outcome>),
}

fn count(n: usize) -> f64 {
    f64::from(u32::try_from(n).unwrap_or(u32::MAX))
}

/// Whether the transaction of an earlier try took place: its first record is at its position.
async fn committed(
    conn: &mut Conn,
    requests: &[&Append],
    earlier: &[Outcome],
) -> Result<bool, DbError> {
    for (request, outcome) in requests.iter().zip(earlier) {
        let Outcome::Done(done) = outcome else { continue };
        for (part, done) in request.parts.iter().zip(&done.parts) {
            for (row, placed) in part.rows.iter().zip(&done.rows) {
                if let RowDone::Appended(seq) = placed {
                    let found = conn.find_ids(part.stream, &[row.id.as_str()]).await?;
                    return Ok(found.first().is_some_and(|(_, at, _)| at == seq));
                }
            }
        }
    }
    Ok(false)
}

async fn transact_once(source: &mut Source, work: Work) -> Result<(), DbError> {
    let mut lease = source.lease().await?;
    let conn = lease.conn();
    conn.begin().await?;
    match work(conn).await {
        Ok(()) => conn.commit().await,
        Err(error) => {
            conn.rollback().await;
            Err(error)
        }
    }
}

enum Lease<'s> {
    Kept(&'s mut Conn),
    Taken(Box<Conn>),
}

impl Lease<'_> {
    fn conn(&mut self) -> &mut Conn {
        match self {
            Lease::Kept(conn) => conn,
            Lease::Taken(conn) => conn,
        }
    }
}

impl Source {
    async fn lease(&mut self) -> Result<Lease<'_>, DbError> {
        match self {
            Source::Sqlite(conn) => Ok(Lease::Kept(conn)),
            Source::Postgres(pool) => Ok(Lease::Taken(Box::new(Conn::Postgres(pool.get().await?)))),
        }
    }
}
