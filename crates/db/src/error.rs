//! What can go wrong in an engine, sorted by what the caller can do about it.

use forebay_model::{Code, Error};

/// An engine's error.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DbError {
    /// The engine is away: refused, lost, restarting. A retry may help.
    #[error("the engine is unavailable: {0}")]
    Unavailable(String),
    /// The disk is full or failing.
    #[error("the engine cannot write: {0}")]
    Full(String),
    /// Lost a race with another transaction; run it again.
    #[error("lost a race: {0}")]
    Race(String),
    /// A value that the engine refuses.
    #[error("the engine refuses a value: {0}")]
    Data(String),
    /// A table or column that a change of definitions took away.
    #[error("it is gone: {0}")]
    Gone(String),
    /// No connection became free in time, or the statement took too long.
    #[error("timed out: {0}")]
    Timeout(String),
    /// The engine cannot be used: version, encoding, settings.
    #[error("the engine is unfit: {0}")]
    Unfit(String),
    /// The data was written by a newer version of Forebay.
    #[error("the data is of schema {found}, this program knows {known}")]
    Newer {
        /// What the database says.
        found: i64,
        /// The newest that this program knows.
        known: i64,
    },
    /// A full queue.
    #[error("the queue is full")]
    QueueFull,
    /// A fault of ours.
    #[error("{0}")]
    Internal(String),
}

impl From<DbError> for Error {
    fn from(error: DbError) -> Self {
        let (code, detail) = match &error {
            DbError::QueueFull => (Code::Overloaded, "the write queue is full"),
            DbError::Timeout(_) => (Code::Overloaded, "the database is busy"),
            DbError::Race(_) => (Code::Overloaded, "too many writers at once"),
            DbError::Full(_) => (Code::EngineUnavailable, "the database cannot write"),
            DbError::Unavailable(_) | DbError::Unfit(_) | DbError::Newer { .. } => {
                (Code::EngineUnavailable, "the database cannot be reached")
            }
            DbError::Gone(_) => return Error::not_found("the stream").cause(error),
            DbError::Data(_) | DbError::Internal(_) => return Error::internal(error),
        };
        Error::new(code, detail).retry_after(1).cause(error)
    }
}

impl From<rusqlite::Error> for DbError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode as C;
        let text = error.to_string();
        match error.sqlite_error_code() {
            Some(C::DiskFull | C::SystemIoFailure | C::ReadOnly) => DbError::Full(text),
            Some(C::DatabaseBusy | C::DatabaseLocked) => DbError::Race(text),
            Some(C::CannotOpen | C::NotADatabase | C::DatabaseCorrupt) => DbError::Unfit(text),
            Some(C::ConstraintViolation) => DbError::Race(text),
            Some(C::TooBig | C::TypeMismatch) => DbError::Data(text),
            _ if text.contains("no such table") || text.contains("no such column") => {
                DbError::Gone(text)
            }
            _ => DbError::Internal(text),
        }
    }
}

impl From<tokio_postgres::Error> for DbError {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(db) = error.as_db_error() else {
            return DbError::Unavailable(with_causes(&error));
        };
        let text = format!("{} ({})", db.message(), db.code().code());
        match db.code().code() {
            "40001" | "40P01" | "23505" | "55P03" => DbError::Race(text),
            "42P01" | "42703" => DbError::Gone(text),
            "57014" => DbError::Timeout(text),
            "53100" => DbError::Full(text),
            code if code.starts_with("08") || code.starts_with("57P") || code.starts_with("53") => {
                DbError::Unavailable(text)
            }
            code if code.starts_with("22") => DbError::Data(text),
            _ => DbError::Internal(text),
        }
    }
}

/// An error's text with what lies beneath it: a refused certificate is one of the driver's causes.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(below) = cause {
        text.push_str(&format!(": {below}"));
        cause = below.source();
    }
    text
}
