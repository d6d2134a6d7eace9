//! `?explain=true`: what the engine answers, by which index, and what is looked at one by one.

use forebay_db::log::find::{Find, plan};
use forebay_db::{Conn, DbError};
use forebay_filter::lower::Lowered;
use forebay_filter::span::Span;
use forebay_model::stream::Stream;
use serde_json::{Value, json};

use crate::query::Asked;

/// Explains how a question is answered.
pub(crate) async fn explain(
    conn: &mut Conn,
    stream: &Stream,
    asked: &Asked,
    find: &Find<'_>,
) -> Result<Value, DbError> {
    let mut out = parts(stream, asked);
    // An engine's plan would show what an access rule compares with.
    if asked.sees_all() {
        out["plan"] = json!(plan(conn, stream.number, find).await?);
    }
    Ok(out)
}

/// The parts of a filter by who answers them.
pub(crate) fn parts(stream: &Stream, asked: &Asked) -> Value {
    let Some((filter, lowered)) = asked.parts() else {
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
