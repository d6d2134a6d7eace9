//! Idempotency keys: a repeat of a request gets its first answer.

use std::collections::HashMap;
use std::sync::Arc;

use forebay_model::time::Timestamp;

use super::append::{Done, Outcome};
use crate::conn::Conn;
use crate::error::DbError;
use crate::log::read::cells;
use crate::value::Value;

/// Writes a request's answer: its status and body.
pub type Render = Arc<dyn Fn(&Done) -> (u16, String) + Send + Sync>;

/// An idempotency key with what it stands for.
pub struct Idempotency {
    /// Whose key it is.
    pub principal: String,
    /// The key.
    pub key: String,
    /// Hash of the request.
    pub body_hash: Vec<u8>,
    /// Keys are kept for this long, in microseconds.
    pub ttl_micros: i64,
    /// Writes the answer that a repeat will get: status and body.
    pub render: Render,
}

/// A key as it is kept.
#[derive(Clone)]
pub(super) struct Kept {
    body_hash: Vec<u8>,
    status: u16,
    answer: String,
    /// The streams that the request wrote to.
    streams: String,
}

pub(super) type Keys = HashMap<(String, String), Kept>;

/// What is known of a request's key; nothing, when a stream that it wrote to is gone: whoever made
/// the stream again means a new request. The caller holds the heads of the request's streams.
pub(super) async fn recall(
    conn: &mut Conn,
    (key, streams): (&Idempotency, &[i64]),
    keys: &mut Keys,
    now: Timestamp,
) -> Result<Option<Outcome>, DbError> {
    let name = (key.principal.clone(), key.key.clone());
    if !keys.contains_key(&name) {
        let row = conn
            .query_opt(
                "SELECT body_hash, status, answer, created_at, streams FROM idempotency \
                 WHERE principal = $1 AND key = $2",
                &[key.principal.as_str().into(), key.key.as_str().into()],
            )
            .await?;
        let Some(row) = row else { return Ok(None) };
        let [hash, status, answer, created_at, kept_streams] = cells(row)?;
        let kept = Kept {
            body_hash: hash.blob()?,
            status: u16::try_from(status.int()?).unwrap_or(200),
            answer: answer.text()?,
            streams: kept_streams.text()?,
        };
        let over = created_at.int()? + key.ttl_micros < now.micros();
        if over || (kept.streams != written(streams) && !are_there(conn, &kept.streams).await?) {
            conn.execute(
                "DELETE FROM idempotency WHERE principal = $1 AND key = $2",
                &[key.principal.as_str().into(), key.key.as_str().into()],
            )
            .await?;
            return Ok(None);
        }
        keys.insert(name.clone(), kept);
    }
    Ok(keys.get(&name).map(|kept| {
        if kept.body_hash == key.body_hash {
            Outcome::Replayed(kept.status, kept.answer.clone())
        } else {
            Outcome::IdempotencyMismatch
        }
    }))
}

fn written(streams: &[i64]) -> String {
    serde_json::Value::from(streams).to_string()
}

/// Whether streams that were written to are still there.
async fn are_there(conn: &mut Conn, streams: &str) -> Result<bool, DbError> {
    let numbers: Vec<i64> = serde_json::from_str(streams).unwrap_or_default();
    for number in numbers {
        let sql = "SELECT stream FROM stream_head WHERE stream = $1";
        if conn.query_opt(sql, &[number.into()]).await?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

pub(super) async fn remember(
    conn: &mut Conn,
    (key, streams): (&Idempotency, &[i64]),
    done: &Done,
    keys: &mut Keys,
    now: Timestamp,
) -> Result<(), DbError> {
    let (status, answer) = (key.render)(done);
    let streams = written(streams);
    conn.execute(
        "INSERT INTO idempotency (principal, key, body_hash, status, answer, created_at, streams) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        &[
            key.principal.as_str().into(),
            key.key.as_str().into(),
            Value::Blob(key.body_hash.clone()),
            i64::from(status).into(),
            answer.as_str().into(),
            now.micros().into(),
            streams.as_str().into(),
        ],
    )
    .await?;
    let name = (key.principal.clone(), key.key.clone());
    keys.insert(name, Kept { body_hash: key.body_hash.clone(), status, answer, streams });
    Ok(())
}
