//! What tantivy and the file system say, as errors of an engine.

use std::io;

use tantivy::TantivyError;
use tantivy::directory::error::{LockError, OpenDirectoryError, OpenReadError, OpenWriteError};

use crate::error::SearchError;

/// What an error means for the index.
pub(super) fn fault(error: &TantivyError) -> SearchError {
    let says = error.to_string();
    match error {
        TantivyError::IoError(cause) => of_io(cause, says),
        TantivyError::OpenWriteError(OpenWriteError::IoError { io_error, .. }) => {
            of_io(io_error, says)
        }
        TantivyError::OpenReadError(OpenReadError::IoError { io_error, .. })
        | TantivyError::OpenDirectoryError(OpenDirectoryError::IoError { io_error, .. }) => {
            of_io(io_error, says)
        }
        TantivyError::LockFailure(LockError::IoError(cause), _) => of_io(cause, says),
        TantivyError::LockFailure(..) => SearchError::Fenced(says),
        // What the system says, with a number, as a text: a full disk on the way to a commit.
        TantivyError::InternalError(cause) if cause.contains("os error") => {
            SearchError::Unavailable(says)
        }
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
    of_io(error, error.to_string())
}

/// A disk that is full or fails is there again some time. What is not there, or was read and makes
/// no sense, is lost.
fn of_io(error: &io::Error, says: String) -> SearchError {
    let is_system = error.raw_os_error().is_some() || error.kind() == io::ErrorKind::StorageFull;
    match is_system && error.kind() != io::ErrorKind::NotFound {
        true => SearchError::Unavailable(says),
        false => SearchError::Damaged(says),
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
