//! What tantivy and the file system say, as errors of an engine.

use std::io;

use tantivy::TantivyError;
use tantivy::directory::error::{OpenDirectoryError, OpenReadError, OpenWriteError};

use crate::error::SearchError;

/// What an error means for the index.
pub(super) fn fault(error: &TantivyError) -> SearchError {
    let says = error.to_string();
    match error {
        TantivyError::IoError(cause) => of_io(cause.kind(), says),
        TantivyError::OpenWriteError(OpenWriteError::IoError { io_error, .. }) => {
            of_io(io_error.kind(), says)
        }
        TantivyError::OpenReadError(OpenReadError::IoError { io_error, .. })
        | TantivyError::OpenDirectoryError(OpenDirectoryError::IoError { io_error, .. }) => {
            of_io(io_error.kind(), says)
        }
        TantivyError::LockFailure(..) => SearchError::Fenced(says),
        TantivyError::ErrorInThread(_) | TantivyError::SystemError(_) => {
            SearchError::Unavailable(says)
        }
        TantivyError::OpenReadError(_)
        | TantivyError::OpenWriteError(_)
        | TantivyError::OpenDirectoryError(_)
        | TantivyError::DataCorruption(_)
        | TantivyError::IncompatibleIndex(_)
        | TantivyError::MissingPlugin(_) => SearchError::Damaged(says),
        _ => SearchError::Internal(says),
    }
}

/// The same of the file system.
pub(super) fn io_fault(error: &io::Error) -> SearchError {
    of_io(error.kind(), error.to_string())
}

/// A disk that is full or fails is there again some time; what cannot be read is lost.
fn of_io(kind: io::ErrorKind, says: String) -> SearchError {
    match kind {
        io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData => {
            SearchError::Damaged(says)
        }
        _ => SearchError::Unavailable(says),
    }
}

/// For `map_err`.
#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
pub(super) fn from_tantivy(error: TantivyError) -> SearchError {
    fault(&error)
}

/// For `map_err`.
#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
pub(super) fn from_io(error: io::Error) -> SearchError {
    io_fault(&error)
}
