//! What `forebay doctor` looks at: one file a check. A check measures, and says what to do.

mod data;
mod search;
mod search_equals_store;

use forebay_db::{DbError, Look};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use crate::{Inner, sql};

/// How well something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Status {
    Ok,
    /// Somebody should look at it.
    Warn,
    /// It does not work.
    Fail,
}

/// What a check has found.
#[derive(Debug, Clone)]
pub(crate) struct Finding {
    id: &'static str,
    status: Status,
    measured: String,
    /// Empty when there is nothing to do.
    advice: String,
}

impl Finding {
    fn ok(id: &'static str, measured: impl Into<String>) -> Finding {
        Finding { id, status: Status::Ok, measured: measured.into(), advice: String::new() }
    }

    fn warn(id: &'static str, measured: impl Into<String>, advice: impl Into<String>) -> Finding {
        Finding { id, status: Status::Warn, measured: measured.into(), advice: advice.into() }
    }

    fn fail(id: &'static str, measured: impl Into<String>, advice: impl Into<String>) -> Finding {
        Finding { id, status: Status::Fail, measured: measured.into(), advice: advice.into() }
    }

    fn to_json(&self) -> Value {
        let status = match self.status {
            Status::Ok => "ok",
            Status::Warn => "warn",
            Status::Fail => "fail",
        };
        let advice = (!self.advice.is_empty()).then_some(&self.advice);
        json!({"id": self.id, "status": status, "measured": self.measured, "advice": advice})
    }
}

/// What comes of a check.
type Found = Result<Vec<Finding>, DbError>;

/// A check.
struct Check {
    id: &'static str,
    run: for<'c> fn(&'c Inner) -> BoxFuture<'c, Found>,
}

/// All of them, in the order in which they are shown.
static CHECKS: &[Check] = &[
    Check { id: data::LOG_GAP_FREE, run: |inner| Box::pin(data::log_gap_free(inner)) },
    Check { id: search::ENGINE, run: |inner| Box::pin(search::engine(inner)) },
    Check { id: search_equals_store::ID, run: |inner| Box::pin(search_equals_store::check(inner)) },
    Check { id: search::LAG, run: |inner| Box::pin(search::lag(inner)) },
    Check { id: search::REFUSED, run: |inner| Box::pin(search::refused(inner)) },
];

/// Runs all checks, one after the other. One that cannot measure fails.
pub(crate) async fn report(inner: &Inner) -> Value {
    let mut checks = Vec::new();
    for check in CHECKS {
        let found = (check.run)(inner).await.unwrap_or_else(|error| {
            let advice = "see whether the database is well, and ask again";
            vec![Finding::fail(check.id, format!("it cannot be measured: {error}"), advice)]
        });
        checks.extend(found.iter().map(Finding::to_json));
    }
    json!({"checks": checks})
}

/// All streams.
async fn streams(inner: &Inner) -> Result<Vec<sql::search::Head>, DbError> {
    let mut conn = inner.db.reader(Look::Scan).await?;
    sql::search::heads(&mut conn).await
}
