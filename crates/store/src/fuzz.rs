//! The door of `fuzz/`: what reads questions, without the service around it.

use forebay_http::query::Params;
use forebay_model::Error;
use forebay_model::record::Record;
use forebay_model::stream::Stream;

use crate::controllers::subscribe::read_after;
use crate::query::fields::Fields;
use crate::query::position::Position;
use crate::query::sort;

/// Reads `?fields=` and shows a record as it asks.
pub fn fields(params: &Params, record: &Record, stream: &str) -> Result<String, Error> {
    let mut out = String::new();
    Fields::read(params)?.write(record, stream, &mut out);
    Ok(out)
}

/// Reads `?after=` or `Last-Event-ID`: the epoch, where one is given, and the seq.
pub fn after(text: &str) -> Option<(Option<i64>, i64)> {
    read_after(text)
}

/// Reads `?sort=`; how many keys the order has.
pub fn sort(text: &str, stream: &Stream) -> Result<usize, Error> {
    sort::read(text, stream).map(|keys| keys.len())
}

/// Reads what a cursor carries, and writes it again.
pub fn position(text: &str, keys: usize) -> Result<String, Error> {
    Position::read(text, keys).map(|position| position.write())
}
