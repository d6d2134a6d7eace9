//! How many idempotency keys a principal has: counted now and then, so that a key costs no more
//! than its own row.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use forebay_db::log::read::cells;
use forebay_db::{Db, DbError, Look, Value};
use forebay_model::{Code, Error};

const COUNTED: Duration = Duration::from_secs(10);
/// Principals that are remembered; beyond it all are counted anew.
const MOST: usize = 10_000;

#[derive(Default)]
pub(crate) struct Quota(Mutex<HashMap<String, (usize, Instant)>>);

impl Quota {
    /// Takes one key, or says that the principal has too many.
    pub(crate) async fn take(&self, db: &Db, principal: &str, max: usize) -> Result<(), Error> {
        let held = match self.fresh(principal) {
            Some(held) => held,
            None => self.count(db, principal, max).await?,
        };
        if held <= max {
            return Ok(());
        }
        let detail = format!("at most {max} idempotency keys are kept at once; send ids instead");
        Err(Error::new(Code::RateLimited, detail).retry_after(60))
    }

    /// Counts the key in, if the count is recent.
    fn fresh(&self, principal: &str) -> Option<usize> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (held, at) = known.get_mut(principal).filter(|(_, at)| at.elapsed() < COUNTED)?;
        let _ = at;
        *held += 1;
        Some(*held)
    }

    async fn count(&self, db: &Db, principal: &str, max: usize) -> Result<usize, Error> {
        let sql = "SELECT count(*) FROM \
                   (SELECT 1 AS one FROM idempotency WHERE principal = $1 LIMIT $2) AS held";
        let most: Value = i64::try_from(max).unwrap_or(i64::MAX).into();
        let mut conn = db.reader(Look::Point).await?;
        let row = conn.query_opt(sql, &[principal.into(), most]).await?;
        let [held] = cells(row.ok_or_else(|| DbError::Internal("no count".to_owned()))?)?;
        let held = usize::try_from(held.int()?).unwrap_or(usize::MAX).saturating_add(1);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(principal.to_owned(), (held, Instant::now()));
        Ok(held)
    }
}
