//! The door of `fuzz/`: what reads credentials and paths, without the gateway around it.

use http::HeaderMap;

/// Finds the secret that a request shows.
pub fn secret(headers: &HeaderMap) -> Option<String> {
    crate::credential::secret(headers)
}

/// A path in its one form.
pub fn path(path: &str) -> Option<String> {
    crate::routes::normal::path(path).ok().map(std::borrow::Cow::into_owned)
}
