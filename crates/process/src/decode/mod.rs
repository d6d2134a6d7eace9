//! From bytes to rows: a request's body by its content type and encoding.

pub(crate) mod batch;
mod body;
mod csv;
mod json;
mod quotes;

pub(crate) use body::{Coding, Limits, Taken, read_body};

use std::borrow::Cow;

use forebay_model::stream::Stream;
use forebay_model::{Code, Error};
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use serde_json::Value;

/// A row of a body: its value, or why it has none.
pub(crate) type Row = Result<Value, Rejection>;

/// Why a record was not taken.
#[derive(Debug, Clone)]
pub(crate) struct Rejection {
    pub(crate) code: &'static str,
    /// RFC 6901 pointer from the record's root; empty for the record itself.
    pub(crate) path: String,
    pub(crate) message: Cow<'static, str>,
}

impl Rejection {
    pub(crate) fn new(
        code: &'static str,
        path: impl Into<String>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Rejection { code, path: path.into(), message: message.into() }
    }
}

/// The forms that a body can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// One object, or an array of them.
    Json,
    /// One object a line.
    Ndjson,
    /// A header row, then a record a row.
    Csv,
}

impl Form {
    /// Finds the form by the content type; JSON without one.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Form, Error> {
        let Some(value) = headers.get(CONTENT_TYPE) else { return Ok(Form::Json) };
        let text = value.to_str().unwrap_or_default();
        let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match essence.as_str() {
            "application/json" | "text/json" => Ok(Form::Json),
            "application/x-ndjson"
            | "application/ndjson"
            | "application/jsonl"
            | "application/jsonlines"
            | "application/x-jsonlines" => Ok(Form::Ndjson),
            "text/csv" => Ok(Form::Csv),
            _ => Err(Error::new(
                Code::UnsupportedMediaType,
                "send application/json, application/x-ndjson or text/csv",
            )),
        }
    }

    /// Takes a body apart; an error is one of the whole request.
    pub(crate) fn rows(self, body: &[u8], stream: &Stream, how: Bounds) -> Result<Vec<Row>, Error> {
        match self {
            Form::Json => json::object_or_array(body, how),
            Form::Ndjson => json::lines(body, how),
            Form::Csv => csv::rows(body, stream, how.max),
        }
    }
}

/// How rows are taken apart.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Most rows.
    pub(crate) max: usize,
    /// The pointer from a record's root to what a row is: `/data`, or nothing for an envelope.
    pub(crate) root: &'static str,
}

/// The refusal of a request with too many records.
pub(crate) fn too_many(max: usize) -> Error {
    let detail = format!("a request has at most {max} records; split it, or use `forebay push`");
    Error::new(Code::TooLarge, detail)
}
