//! Threads that hash passwords and nothing else: however many sign in, half the machine stays free,
//! and whoever would wait too long is told so before any work is done for them.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use forebay_model::{Error, Result};
use tokio::sync::oneshot;

/// Most passwords that wait for a thread.
const QUEUE: usize = 256;

type Job = Box<dyn FnOnce() + Send>;

/// The threads; they end with it.
#[derive(Clone)]
pub(crate) struct Pool {
    queue: SyncSender<Job>,
    wait: Duration,
}

impl Pool {
    pub(crate) fn start(wait: Duration) -> Result<Pool> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Pool::with((cores / 2).max(1), QUEUE, wait)
    }

    fn with(threads: usize, queue: usize, wait: Duration) -> Result<Pool> {
        let (queue, jobs) = sync_channel::<Job>(queue);
        let jobs = Arc::new(Mutex::new(jobs));
        for _ in 0..threads {
            let jobs = jobs.clone();
            let thread = std::thread::Builder::new().name("password".to_owned());
            thread.spawn(move || work(&jobs)).map_err(Error::internal)?;
        }
        Ok(Pool { queue, wait })
    }

    /// Runs dear work; a full queue, or a turn that comes too late, is `overloaded`.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let deadline = Instant::now() + self.wait;
        let job: Job = Box::new(move || {
            // Who has gone away is not worked for.
            if reply.is_closed() {
                return;
            }
            let late = Instant::now() > deadline;
            // Nobody listens any more: the work is lost.
            let _ = reply.send(if late { Err(busy()) } else { work() });
        });
        match self.queue.try_send(job) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => return Err(busy()),
            Err(TrySendError::Disconnected(_)) => return Err(Error::internal("no thread hashes")),
        }
        answer.await.map_err(|_| Error::internal("hashing a password panicked"))?
    }
}

fn busy() -> Error {
    Error::overloaded("too many sign in at once").retry_after(2)
}

fn work(jobs: &Mutex<Receiver<Job>>) {
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        // A panic in one job must not end the thread; its asker hears of it by the lost reply.
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::channel;

    use forebay_model::Code;

    use super::*;

    #[tokio::test]
    async fn a_full_queue_and_a_late_turn_are_told_before_any_work() {
        let pool = Pool::with(1, 1, Duration::ZERO).unwrap();
        let (open, gate) = channel::<()>();
        let (started, has_started) = channel::<()>();
        // In time: nothing was before it. A thread takes it after the deadline of zero, so this one
        // is given a pool of its own that waits.
        let patient = Pool { queue: pool.queue.clone(), wait: Duration::from_secs(60) };
        let first = tokio::spawn(async move {
            let work = move || {
                started.send(()).map_err(Error::internal)?;
                gate.recv().map_err(Error::internal)
            };
            patient.run(work).await
        });
        tokio::task::spawn_blocking(move || has_started.recv().unwrap()).await.unwrap();
        let worked = Arc::new(AtomicUsize::new(0));
        let count = |worked: &Arc<AtomicUsize>| {
            let worked = worked.clone();
            move || Ok(worked.fetch_add(1, Ordering::Relaxed))
        };
        let late = pool.run(count(&worked));
        let full = pool.run(count(&worked));
        let (late, full, ()) = tokio::join!(late, full, async move { open.send(()).unwrap() });
        for refused in [late, full] {
            let error = refused.unwrap_err();
            assert_eq!((error.code, error.retry_after), (Code::Overloaded, Some(2)));
        }
        assert_eq!(worked.load(Ordering::Relaxed), 0);
        first.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_panic_is_one_asker_s_alone() {
        let pool = Pool::with(1, 4, Duration::from_secs(60)).unwrap();
        let lost = pool.run(|| -> Result<()> { panic!("in one job") }).await;
        assert_eq!(lost.unwrap_err().code, Code::Internal);
        assert_eq!(pool.run(|| Ok(7)).await.unwrap(), 7);
    }
}
