//! A record's id: a string of 1 to 255 bytes, given by the sender or a new UUIDv7.

/// The most bytes that an id may have.
pub const MAX_ID_BYTES: usize = 255;

/// Checks an id; the error is a message for people.
pub fn check_id(id: &str) -> Result<(), &'static str> {
    match id.len() {
        0 => Err("an id has at least 1 byte"),
        1..=MAX_ID_BYTES if id.contains('\0') => Err("an id has no NUL character"),
        1..=MAX_ID_BYTES => Ok(()),
        _ => Err("an id has at most 255 bytes"),
    }
}
