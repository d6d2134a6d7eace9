//! The shapes of this service's answers, for the API's description.

use serde_json::Value;
use utoipa::{OpenApi, ToSchema};

use crate::controllers::{batch, records};

/// The description of this service's operations.
#[derive(OpenApi)]
#[openapi(
    paths(records::create, records::replace, records::patch, records::delete, batch::create),
    components(schemas(forebay_http::api::Problem))
)]
pub struct Api;

/// What became of the records of one stream.
#[derive(ToSchema)]
pub struct Results {
    /// New records.
    pub accepted: u64,
    /// Changed records; none in an append stream.
    pub updated: u64,
    /// Records that were there with the same content.
    pub duplicates: u64,
    /// Records that were set aside; none in this release.
    pub quarantined: u64,
    /// Records that were refused.
    pub rejected: Vec<Rejected>,
    /// Where each record is; not with `return=minimal`.
    pub records: Option<Vec<Stored>>,
    /// The head after the request.
    pub last_seq: i64,
}

/// Why a record was refused.
#[derive(ToSchema)]
pub struct Rejected {
    /// Its place in the request, from 0.
    pub index: u64,
    /// What is wrong.
    pub code: String,
    /// A pointer (RFC 6901) from the record's root.
    pub path: String,
    /// The same for people.
    pub message: String,
}

/// Where a record is.
#[derive(ToSchema)]
pub struct Stored {
    /// Its place in the request, from 0.
    pub index: u64,
    /// Its id.
    pub id: String,
    /// Its position.
    pub seq: i64,
    /// Its version.
    pub version: i64,
}

/// What is left of a record that was erased.
#[derive(ToSchema)]
pub struct Erased {
    /// Its id, which is never given again.
    pub id: String,
    /// The stream's name.
    pub stream: String,
    /// The tombstone's position in the log.
    pub seq: i64,
    /// The position that the record had.
    pub erased_seq: i64,
    /// When.
    pub erased_at: String,
}

/// A stream's share of a batch.
#[derive(ToSchema)]
pub struct BatchEntry {
    /// The stream's name; each stands once.
    pub stream: String,
    /// `{"id"?,"time"?,"data":{…}}`.
    #[schema(value_type = Vec<Object>)]
    pub records: Vec<Value>,
}

/// What became of a batch.
#[derive(ToSchema)]
pub struct BatchResults {
    /// By entry, in the request's order.
    pub results: Vec<BatchResult>,
}

/// What became of an entry.
#[derive(ToSchema)]
pub struct BatchResult {
    /// The stream's name.
    pub stream: String,
    /// Its results.
    #[schema(inline)]
    #[serde(flatten)]
    pub results: Results,
}
