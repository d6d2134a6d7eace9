//! The door of `fuzz/`: what reads bodies, without the service around it.

use forebay_model::Error;
use forebay_model::stream::Stream;
use serde_json::Value;

use crate::decode::{Bounds, Coding, Form, batch};
use crate::prepare::{Reading, prepare};

/// A row's value, or the code of its rejection.
pub type Row = Result<Value, &'static str>;

/// Reads one object or an array of them.
pub fn json(body: &[u8], stream: &Stream, max: usize) -> Result<Vec<Row>, Error> {
    rows(Form::Json, body, stream, max)
}

/// Reads an object a line.
pub fn ndjson(body: &[u8], stream: &Stream, max: usize) -> Result<Vec<Row>, Error> {
    rows(Form::Ndjson, body, stream, max)
}

/// Reads CSV with a header row.
pub fn csv(body: &[u8], stream: &Stream, max: usize) -> Result<Vec<Row>, Error> {
    rows(Form::Csv, body, stream, max)
}

fn rows(form: Form, body: &[u8], stream: &Stream, max: usize) -> Result<Vec<Row>, Error> {
    let rows = form.rows(body, stream, Bounds { max, root: "/data" })?;
    Ok(rows.into_iter().map(|row| row.map_err(|why| why.code)).collect())
}

/// Reads the entries of a batch: each stream's name with its records.
pub fn batch(body: &[u8], max: usize) -> Result<Vec<(String, Vec<Value>)>, Error> {
    let entries = batch::entries(body, max)?;
    Ok(entries.into_iter().map(|entry| (entry.stream, entry.records)).collect())
}

/// Decodes gzip.
pub fn gzip(bytes: &[u8], max: usize) -> Result<Vec<u8>, Error> {
    Coding::Gzip.decode(bytes, max)
}

/// Decodes zstd.
pub fn zstd(bytes: &[u8], max: usize) -> Result<Vec<u8>, Error> {
    Coding::Zstd.decode(bytes, max)
}

/// Makes a row ready for the log; its id and canonical data, or the code of its rejection.
pub fn record(
    row: Value,
    stream: &Stream,
    envelope: bool,
) -> Result<(String, String), &'static str> {
    let row = prepare(row, stream, Reading { envelope, max_record: 1 << 20 });
    row.map(|row| (row.id, row.data)).map_err(|why| why.code)
}
