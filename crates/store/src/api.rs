//! The shapes of this service's answers, for the API's description.

use forebay_http::api::Record;
use serde_json::Value;
use utoipa::{OpenApi, ToSchema};

use crate::controllers::{
    aggregate, doctor, export, index, records, search, socket, streams, subscribe,
};

/// The description of this service's operations.
#[derive(OpenApi)]
#[openapi(
    paths(
        streams::list,
        streams::show,
        streams::put,
        streams::delete,
        records::list,
        records::show,
        records::audit,
        search::search,
        export::export,
        aggregate::create,
        subscribe::subscribe,
        socket::subscribe,
        index::show,
        index::rebuild,
        doctor::show
    ),
    components(schemas(forebay_http::api::Problem))
)]
pub struct Api;

/// What a sender says of a stream.
#[derive(ToSchema)]
pub struct Definition {
    /// `append`.
    pub kind: Option<String>,
    /// A JSON Schema (2020-12) of the records' data; `x-index` makes a typed column of a field.
    #[schema(value_type = Object)]
    pub schema: Value,
    /// Where plain data carries its id, e.g. `data.order_id`.
    pub id_from: Option<String>,
    /// Where plain data carries its time.
    pub time_from: Option<String>,
    /// What becomes of records that are not valid: `reject`.
    pub on_reject: Option<String>,
}

/// A stream.
#[derive(ToSchema)]
pub struct StreamDocument {
    /// Its definition.
    #[schema(inline)]
    #[serde(flatten)]
    pub definition: Definition,
    /// Its name.
    pub name: String,
    /// Of the definition.
    pub version: i64,
    /// Which stream of this name it is.
    pub epoch: i64,
    /// When it was made.
    pub created_at: String,
    /// The first position that is kept.
    pub first_seq: i64,
    /// The last position.
    pub last_seq: i64,
    /// How many records there are: all positions, but for those of records that were erased.
    pub records: i64,
    /// The typed columns.
    pub indexes: Vec<Index>,
}

/// A typed column.
#[derive(ToSchema)]
pub struct Index {
    /// The field's dotted path.
    pub field: String,
    /// Its scalar type.
    pub r#type: String,
    /// `filling`, `ready`, or `partial` when older records have values that it cannot hold.
    pub state: String,
}

/// A page of streams.
#[derive(ToSchema)]
pub struct StreamPage {
    /// By name.
    pub items: Vec<StreamDocument>,
    /// For the next page.
    pub next_cursor: Option<String>,
}

/// A page of records.
#[derive(ToSchema)]
pub struct RecordPage {
    /// In the order that was asked for.
    pub items: Vec<Record>,
    /// For the next page.
    pub next_cursor: Option<String>,
    /// The head when the first page was read.
    pub as_of_seq: i64,
    /// How many there are, when it was asked for.
    pub count: Option<i64>,
}

/// A page of what was found.
#[derive(ToSchema)]
pub struct SearchPage {
    /// In the order that was asked for.
    pub items: Vec<SearchHit>,
    /// How many of all matches have a value, by the names of the facets; the most frequent values.
    #[schema(value_type = std::collections::HashMap<String, Vec<FacetValue>>)]
    pub facets: Value,
    /// Up to where records were looked for; facets are as of the head.
    pub indexed_seq: i64,
    /// For the next page.
    pub next_cursor: Option<String>,
    /// How it was found, when it was asked for.
    #[schema(value_type = Option<Object>)]
    pub explain: Option<Value>,
}

/// A record that was found.
#[derive(ToSchema)]
pub struct SearchHit {
    /// The record.
    pub record: Record,
    /// How well it fits; only to be compared with others of the same answer.
    pub score: f32,
    /// By field, its texts around the words that were found; these stand between `<mark>` and
    /// `</mark>`, all else is escaped for HTML.
    #[schema(value_type = std::collections::HashMap<String, Vec<String>>)]
    pub highlight: Value,
}

/// A value of a facet.
#[derive(ToSchema)]
pub struct FacetValue {
    /// The value, as records have it.
    pub value: Value,
    /// How many of the matches have it.
    pub count: i64,
}

/// What is asked of groups of records. Each name means one thing.
#[derive(ToSchema)]
pub struct Aggregate {
    /// Only records that match.
    pub filter: Option<String>,
    /// Only records with these words, as in a search.
    pub q: Option<String>,
    /// What makes a group; without it all records are one. At most four.
    pub group_by: Option<Vec<AggregateLevel>>,
    /// Names with what is measured: `count()`, `count(data.a)` (records of which it is known),
    /// `sum`, `avg`, `min`, `max` and `distinct` of an expression, `percentile(data.a, 0.95)`
    /// (nearest rank). Without it `{"count": "count()"}`. At most 32.
    #[schema(value_type = Object, example = json!({"n": "count()", "avg": "avg(data.ms)"}))]
    pub metrics: Option<Value>,
    /// Only groups that match: a condition on the names of groups and metrics.
    pub having: Option<String>,
    /// Names of groups and metrics, `-name` for the greatest first. Missing values are last;
    /// without it, and among equals, groups stand by their keys.
    pub order_by: Option<Vec<String>>,
    /// The most groups in the answer: 1 to 10 000, 100 without it.
    pub limit: Option<u32>,
    /// Whether the answer says how it was found.
    pub explain: Option<bool>,
}

/// A level of groups: by the value itself, by a period of time, or by ranges.
#[derive(ToSchema)]
pub struct AggregateLevel {
    /// Its name; the last name of the field without it.
    pub r#as: Option<String>,
    /// A field: `data.region`, `time`, `id`, …
    pub field: Option<String>,
    /// An expression instead of a field.
    pub expr: Option<String>,
    /// A period: a part that divides a day (`10s`, `5m`, `1h`, `6h`), days (`1d`, `7d`), `1w` from
    /// Monday on, `1M`, `1q`, `1y`. The key is its first instant.
    pub every: Option<String>,
    /// Of the period: `Europe/Berlin`, `+02:00`; UTC without it.
    pub zone: Option<String>,
    /// Ascending bounds. The key is `{"from", "to"}`: from its first value up to the next bound,
    /// without that; null at the open ends.
    #[schema(value_type = Option<Vec<Object>>)]
    pub ranges: Option<Vec<Value>>,
}

/// What was found.
#[derive(ToSchema)]
pub struct Aggregated {
    /// In order.
    pub groups: Vec<AggregateGroup>,
    /// Names of the metrics whose values are not exact, but within 1 %.
    pub approximate: Vec<String>,
    /// Whether there are more groups than `limit`.
    pub truncated: bool,
    /// The head when it was asked: all records up to here were counted.
    pub as_of_seq: i64,
    /// How it was found, when it was asked for.
    #[schema(value_type = Option<Object>)]
    pub explain: Option<Value>,
}

/// A group.
#[derive(ToSchema)]
pub struct AggregateGroup {
    /// Its keys by name; null for records without the field.
    #[schema(value_type = Object)]
    pub key: Value,
    /// Its values by name. A sum of integers may have more than 64 bits. Null where there is no
    /// value, and for a sum that no double holds.
    #[schema(value_type = Object)]
    pub values: Value,
}

/// The index of a stream.
#[derive(ToSchema)]
pub struct IndexState {
    /// The search engine with its version; `null` while it was never reached.
    pub engine: Option<String>,
    /// The index that answers; `null` when there is none.
    pub live: Option<LiveIndex>,
    /// The index that is being built beside it.
    pub building: Option<BuildingIndex>,
    /// Age of the oldest record that is not in the index.
    pub lag_seconds: f64,
    /// How many records the engine refuses for what they are; they are found without it.
    pub refused: i64,
}

/// The index that answers.
#[derive(ToSchema)]
pub struct LiveIndex {
    /// Its name.
    pub generation: String,
    /// Every record up to here is in it.
    pub indexed_seq: i64,
}

/// An index that is being built.
#[derive(ToSchema)]
pub struct BuildingIndex {
    /// Its name.
    pub generation: String,
    /// Every record up to here is in it.
    pub position: i64,
    /// The stream's last position.
    pub of: i64,
}

/// What was found.
#[derive(ToSchema)]
pub struct DoctorReport {
    /// Each check.
    pub checks: Vec<DoctorCheck>,
}

/// One check.
#[derive(ToSchema)]
pub struct DoctorCheck {
    /// What was looked at, e.g. `search.lag`.
    pub id: String,
    /// `ok`, `warn` or `fail`.
    pub status: String,
    /// What was measured.
    pub measured: String,
    /// What to do; `null` when there is nothing to do.
    pub advice: Option<String>,
}
