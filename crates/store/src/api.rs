//! The shapes of this service's answers, for the API's description.

use forebay_http::api::Record;
use serde_json::Value;
use utoipa::{OpenApi, ToSchema};

use crate::controllers::{export, records, socket, streams, subscribe};

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
        export::export,
        subscribe::subscribe,
        socket::subscribe
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
