//! `?explain=true`: what the engine answers, by which index, and what is looked at one by one.

use forebay_db::DbError;
use forebay_db::log::find::{Find, plan};
use forebay_filter::Filter;
use forebay_filter::lower::Lowered;
use forebay_filter::span::Span;
use forebay_model::stream::Stream;
use serde_json::{Value, json};

use crate::query::Asked;
use crate::query::index::Index;
use crate::query::source::Source;

/// Explains how a question is answered.
pub(crate) async fn explain(
    source: &mut Source,
    stream: &Stream,
    asked: &Asked,
    find: &Find<'_>,
) -> Result<Value, DbError> {
    match source {
        Source::Sql(conn) => {
            let mut out = parts(stream, asked);
            // An engine's plan would show what an access rule compares with.
            if asked.sees_all() {
                out["plan"] = json!(plan(conn, stream.number, find).await?);
            }
            Ok(out)
        }
        Source::Index(index) => Ok(by_index(stream, asked, index)),
    }
}

/// The parts of a filter that an index answers, and up to where it does.
pub(crate) fn by_index(stream: &Stream, asked: &Asked, index: &Index) -> Value {
    let lowered = index.searched.filter.as_ref();
    let mut out = of(stream, asked.filter().zip(lowered));
    out["plan"] = json!("index");
    out["engine"] = json!(index.engine());
    out["indexed_seq"] = json!(index.position);
    out
}

/// The parts of a filter by who answers them.
pub(crate) fn parts(stream: &Stream, asked: &Asked) -> Value {
    of(stream, asked.parts())
}

/// The parts of a filter as it was lowered.
pub(crate) fn of(stream: &Stream, parts: Option<(&Filter, &Lowered)>) -> Value {
    let Some((filter, lowered)) = parts else {
        return json!({"pushed": [], "evaluated": [], "indexes": [], "wanted": []});
    };
    let texts = |spans: &[Span]| spans.iter().map(|s| s.of(filter.source())).collect::<Vec<_>>();
    json!({
        "pushed": texts(&lowered.pushed),
        "evaluated": texts(&lowered.evaluated),
        "indexes": indexes(stream, lowered),
        "wanted": lowered.wanted,
    })
}

fn indexes(stream: &Stream, lowered: &Lowered) -> Vec<String> {
    let used = stream.columns.iter().filter(|column| lowered.columns.contains(&column.number));
    used.map(|column| column.path.to_string()).collect()
}
