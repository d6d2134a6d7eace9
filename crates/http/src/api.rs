//! What every operation's documentation shares.

use serde_json::Value;
use utoipa::ToSchema;

/// An error (RFC 9457).
#[derive(ToSchema)]
pub struct Problem {
    /// `urn:forebay:problem:<code>`.
    pub r#type: String,
    /// The same for every problem of this code.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// One sentence about this occurrence.
    pub detail: String,
    /// What went wrong, from a closed list.
    pub code: String,
    /// Under which the log has more.
    pub request_id: String,
    /// The places that are wrong.
    pub errors: Option<Vec<Place>>,
}

/// One wrong place.
#[derive(ToSchema)]
pub struct Place {
    /// A pointer (RFC 6901) into the body, or `?name` for a parameter.
    pub path: String,
    /// What is wrong.
    pub code: String,
    /// The same for people.
    pub message: String,
    /// 1-based column in a text.
    pub column: Option<u64>,
}

/// A record.
#[derive(ToSchema)]
pub struct Record {
    /// Unique in its stream.
    pub id: String,
    /// Its stream's name.
    pub stream: String,
    /// Its position in the stream, from 1 and without gaps.
    pub seq: i64,
    /// 1, as long as it has not changed.
    pub version: i64,
    /// When it happened: RFC 3339, microseconds, UTC.
    pub time: String,
    /// When it was stored.
    pub received_at: String,
    /// What the sender sent.
    #[schema(value_type = Object)]
    pub data: Value,
}
