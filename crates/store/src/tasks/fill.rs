//! Fills the column of a newly indexed field from the records before it, in short steps.

use std::time::Duration;

use forebay_db::log::append::kind_of;
use forebay_db::log::column_value;
use forebay_db::log::read::{Page, cells, page};
use forebay_db::{Conn, Db, DbError, Lane, Order};
use forebay_model::field::FieldPath;
use forebay_model::schema::{MAX_INDEXED_BYTES, ScalarType, exact_in_double, integral};
use forebay_model::stream::ColumnState;
use serde_json::Value as Json;

use crate::sql::stream::lock_head;

/// Records of one step: well under 10 ms of the writer.
const STEP: i64 = 200;

/// Runs until it is dropped.
pub(crate) async fn run(db: &Db) {
    let mut every = tokio::time::interval(Duration::from_millis(500));
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        loop {
            match db.writer().run(Lane::Maintenance, |conn| Box::pin(step(conn))).await {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    tracing::warn!(error = %error, "filling an index failed, will try again");
                    break;
                }
            }
        }
    }
}

/// Fills some records of the first column that waits, newest first; false when none waits.
async fn step(conn: &mut Conn) -> Result<bool, DbError> {
    let sql = "SELECT stream, number FROM stream_column \
               WHERE state = 'filling' ORDER BY stream, number LIMIT 1";
    let Some(row) = conn.query_opt(sql, &[]).await? else { return Ok(false) };
    let [stream, number] = cells(row)?;
    let (stream, number) = (stream.int()?, number.int()?);
    // Under the lock the column stays what it is, and no other process fills it too.
    lock_head(conn, stream).await?;
    let sql = "SELECT path, scalar, fill_to FROM stream_column \
               WHERE stream = $1 AND number = $2 AND state = 'filling'";
    let row = conn.query_opt(sql, &[stream.into(), number.into()]).await?;
    let Some(row) = row else { return Ok(true) };
    let [path, scalar, fill_to] = cells(row)?;
    let (path, scalar, fill_to) = (path.text()?, scalar.text()?, fill_to.int()?);
    let broken = || DbError::Internal(format!("column {path} {scalar}"));
    let field = FieldPath::parse(&path).map_err(|_| broken())?;
    let scalar = ScalarType::from_name(&scalar).ok_or_else(broken)?;
    let wanted = Page {
        order: Order::SeqDescending,
        after: Some((fill_to + 1, 0)),
        up_to: fill_to,
        limit: STEP,
    };
    let records = page(conn, stream, wanted).await?;
    let mut filled = Vec::with_capacity(records.len());
    for record in &records {
        let data: Json = serde_json::from_str(&record.data)
            .map_err(|e| DbError::Internal(format!("record {}: {e}", record.seq)))?;
        if !holds(&field, scalar, &data) {
            return partial(conn, stream, number).await;
        }
        filled.push(vec![column_value(&field, scalar, &data), record.seq.into()]);
    }
    conn.fill_column(stream, (number, kind_of(scalar)), filled).await?;
    let left = records.last().map_or(0, |last| last.seq - 1);
    let state = if left == 0 { ColumnState::Ready } else { ColumnState::Filling };
    conn.execute(
        "UPDATE stream_column SET fill_to = $1, state = $2 WHERE stream = $3 AND number = $4",
        &[left.into(), state.name().into(), stream.into(), number.into()],
    )
    .await?;
    Ok(true)
}

/// Whether a column can say what an older record has at its field: newer ones are checked when
/// they come in.
fn holds(field: &FieldPath, scalar: ScalarType, data: &Json) -> bool {
    match (scalar, field.get(data)) {
        (_, None | Some(Json::Null)) => true,
        (ScalarType::String, Some(Json::String(text))) => text.len() <= MAX_INDEXED_BYTES,
        (ScalarType::Integer, Some(Json::Number(number))) => integral(number).is_some(),
        (ScalarType::Number, Some(Json::Number(number))) => {
            number.as_i64().is_none_or(exact_in_double)
        }
        (ScalarType::Boolean, Some(Json::Bool(_))) => true,
        _ => false,
    }
}

/// Gives a column up: queries do without it.
async fn partial(conn: &mut Conn, stream: i64, number: i64) -> Result<bool, DbError> {
    conn.execute(
        "UPDATE stream_column SET state = $1 WHERE stream = $2 AND number = $3",
        &[ColumnState::Partial.name().into(), stream.into(), number.into()],
    )
    .await?;
    tracing::warn!(stream, column = number, "older records have values that an index cannot hold");
    Ok(true)
}
