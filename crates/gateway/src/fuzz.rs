//! The door of `fuzz/`: what reads credentials, framing and paths, without the gateway around it.

use http::HeaderMap;

/// Finds the secret that a request shows.
pub fn secret(headers: &HeaderMap) -> Option<String> {
    crate::credential::secret(headers)
}

/// Where the framing of what comes in pieces of this size breaks.
pub fn fault(bytes: &[u8], size: usize) -> Option<usize> {
    let mut framing = crate::framing::Framing::new(4096);
    let mut before = 0;
    bytes.chunks(size).find_map(|piece| {
        let found = framing.see(piece).map(|(at, _)| before + at);
        before += piece.len();
        found
    })
}

/// A path in its one form.
pub fn path(path: &str) -> Option<String> {
    crate::routes::normal::path(path).ok().map(std::borrow::Cow::into_owned)
}
