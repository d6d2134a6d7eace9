//! Views of indexes that somebody pages through by score. A score depends on all that is in an index,
//! so the next page is right only by the same view; it is held for a while.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use forebay_search::View;

/// The most views that are held.
const MOST: usize = 32;
/// How long. Files that were merged away, what was erased among them, stay on the disk until then.
const LONGEST: Duration = Duration::from_secs(60);

/// The views, the oldest first.
#[derive(Default)]
pub(crate) struct Held(Mutex<Vec<One>>);

struct One {
    stream: i64,
    view: Arc<View>,
    since: Instant,
}

impl Held {
    /// Holds a view; again, when it is held already.
    pub(crate) fn keep(&self, stream: i64, view: Arc<View>) {
        let mut all = self.all();
        all.retain(|one| !Arc::ptr_eq(&one.view, &view));
        if all.len() >= MOST {
            all.remove(0);
        }
        all.push(One { stream, view, since: Instant::now() });
    }

    /// A view of a stream at exactly this position.
    pub(crate) fn find(&self, stream: i64, position: i64) -> Option<Arc<View>> {
        let all = self.all();
        let mut these = all.iter().filter(|one| one.stream == stream);
        these.find(|one| one.view.indexed_seq() == position).map(|one| one.view.clone())
    }

    /// Lets go of a stream's views: something of it was erased, or it is gone.
    pub(crate) fn let_go(&self, stream: i64) {
        self.all().retain(|one| one.stream != stream);
    }

    /// Lets go of what was held long enough, for as long as it is polled.
    pub(crate) async fn run(&self) {
        loop {
            tokio::time::sleep(LONGEST / 4).await;
            self.all().retain(|one| one.since.elapsed() < LONGEST);
        }
    }

    fn all(&self) -> MutexGuard<'_, Vec<One>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
