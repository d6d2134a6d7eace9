//! The connections to one endpoint: so many at once, the last one used is the next to be used, and
//! one that has ended meanwhile is noticed.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use forebay_model::Error;
use metrics::Gauge;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::config::{PoolLimits, UpstreamConfig};
use super::connection::Connection;

/// How many connections rest at most; the others end with their request.
const MAX_RESTING: usize = 512;

/// The connections to one endpoint.
pub(crate) struct Pool {
    address: String,
    limits: PoolLimits,
    idle: Duration,
    open: Arc<OpenCount>,
    room: Semaphore,
    waiting: AtomicU32,
    resting: Mutex<Resting>,
}

/// A connection is a large thing, and goes from hand to hand with every request.
#[allow(clippy::vec_box)]
type Resting = Vec<Box<Connection>>;

/// A right to one connection, until it is dropped.
pub(crate) struct Seat {
    pool: Arc<Pool>,
}

/// How many connections are open.
pub(crate) struct OpenCount {
    count: AtomicU32,
    gauge: Gauge,
}

/// One that is open, until it is dropped.
pub(crate) struct Open(Option<Arc<OpenCount>>);

impl Open {
    fn new(of: &Arc<OpenCount>) -> Open {
        of.count.fetch_add(1, Relaxed);
        of.gauge.increment(1.0);
        Open(Some(of.clone()))
    }

    /// One that is not of a pool.
    pub(crate) fn uncounted() -> Open {
        Open(None)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(of) = &self.0 {
            of.count.fetch_sub(1, Relaxed);
            of.gauge.decrement(1.0);
        }
    }
}

/// A connection that is used for a request.
pub(crate) struct Place {
    pub(crate) connection: Box<Connection>,
    seat: Seat,
}

impl Pool {
    pub(crate) fn new(address: String, config: &UpstreamConfig, gauge: Gauge) -> Pool {
        let (limits, idle) = (config.pool.clone(), config.timeouts.idle);
        let open = Arc::new(OpenCount { count: AtomicU32::new(0), gauge });
        let room = Semaphore::new(usize::try_from(limits.connections).unwrap_or(1));
        let (waiting, resting) = (AtomicU32::new(0), Mutex::default());
        Pool { address, limits, idle, open, room, waiting, resting }
    }

    /// Whether there is a seat.
    pub(crate) fn has_room(&self) -> bool {
        self.room.available_permits() > 0
    }

    /// How many connections are open, and how many of them rest.
    pub(crate) fn connections(&self) -> (u32, usize) {
        (self.open.count.load(Relaxed), self.resting().len())
    }

    /// Takes a seat if there is one.
    pub(crate) fn seat(self: &Arc<Self>) -> Option<Seat> {
        self.room.try_acquire().ok()?.forget();
        Some(Seat { pool: self.clone() })
    }

    /// Waits for a seat, if not too many wait for one.
    pub(crate) async fn wait(self: &Arc<Self>, end: Option<Instant>) -> Result<Seat, Error> {
        let full = || Error::overloaded("all connections to the upstream are in use");
        let _queued = Queued::enter(&self.waiting, self.limits.waiting).ok_or_else(full)?;
        let latest = Instant::now() + self.limits.wait;
        let latest = end.map_or(latest, |end| end.min(latest));
        match tokio::time::timeout_at(latest, self.room.acquire()).await {
            Ok(Ok(permit)) => {
                permit.forget();
                Ok(Seat { pool: self.clone() })
            }
            _ => Err(full()),
        }
    }

    /// Lets go of connections that have rested for too long, or have ended.
    pub(crate) fn sweep(&self, now: Instant) {
        let kept = |connection: &mut Box<Connection>| {
            connection.rests_since + self.idle > now && connection.wakes()
        };
        self.resting().retain_mut(kept);
    }

    fn resting(&self) -> MutexGuard<'_, Resting> {
        self.resting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// Takes the connection that was used last and is still there.
    pub(crate) fn resting(self, now: Instant) -> Result<Place, Seat> {
        loop {
            let Some(mut connection) = self.pool.resting().pop() else { return Err(self) };
            if connection.rests_since + self.pool.idle > now && connection.wakes() {
                return Ok(Place { connection, seat: self });
            }
        }
    }

    /// Makes a new connection.
    pub(crate) async fn connect(self) -> std::io::Result<Place> {
        let socket = TcpStream::connect(&*self.pool.address).await?;
        let open = Open::new(&self.pool.open);
        // Small requests leave at once; an error here only costs time.
        let _ = socket.set_nodelay(true);
        // Answers may stream for ever, and a machine that has lost its power closes nothing.
        let _ = SockRef::from(&socket).set_tcp_keepalive(&alive());
        let opened = Connection::open(socket, open).await;
        let connection = opened.map_err(std::io::Error::other)?;
        Ok(Place { connection, seat: self })
    }
}

/// After a minute without a byte the other end is asked whether it is there, and is given another.
fn alive() -> TcpKeepalive {
    let (first, next) = (Duration::from_secs(60), Duration::from_secs(15));
    TcpKeepalive::new().with_time(first).with_interval(next).with_retries(4)
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.pool.room.add_permits(1);
    }
}

impl Place {
    /// Lets the connection rest, if it can be used again, until somebody needs it.
    pub(crate) fn give_back(self) {
        let Place { mut connection, seat } = self;
        if connection.is_free() || connection.wakes() {
            connection.rests_since = Instant::now();
            let mut resting = seat.pool.resting();
            if resting.len() < MAX_RESTING {
                resting.push(connection);
            }
        }
    }

    /// Ends the connection and keeps its seat.
    pub(crate) fn end(self) -> Seat {
        self.seat
    }
}

/// One of those who wait.
struct Queued<'p>(&'p AtomicU32);

impl Queued<'_> {
    fn enter(waiting: &AtomicU32, most: u32) -> Option<Queued<'_>> {
        let room = |count: u32| (count < most).then_some(count + 1);
        waiting.fetch_update(Relaxed, Relaxed, room).ok().map(|_| Queued(waiting))
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
