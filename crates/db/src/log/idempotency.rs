//! Idempotency keys: a repeat of a request gets its first answer.

use std::collections::HashMap;
use std::sync::Arc;

use forebay_model::time::Timestamp;

use super::append::{Done, Outcome};
use crate::conn::Conn;
use crate::error::DbError;
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

pub(super) type Keys = HashMap<(String, String), (Vec<u8>, u16, String)>;

pub(super) async fn recall(
    conn: &mut Conn,
    key: &Idempotency,
    keys: &mut Keys,
    now: Timestamp,
) -> Result<Option<Outcome>, DbError> {
    let name = (key.principal.clone(), key.key.clone());
    if !keys.contains_key(&name) {
        let row = conn
            .query_opt(
                "SELECT body_hash, status, answer, created_at FROM idempotency \
                 WHERE principal = $1 AND key = $2",
                &[key.principal.as_str().into(), key.key.as_str().into()],
            )
            .await?;
        let Some(row) = row else { return Ok(None) };
        let [hash, status, answer, created_at] = <[Value; 4]>::try_from(row)
            .map_err(|_| DbError::Internal("a row of four was asked for".to_owned()))?;
        if created_at.int()? + key.ttl_micros < now.micros() {
            conn.execute(
                "DELETE FROM idempotency WHERE principal = $1 AND key = $2",
                &[key.principal.as_str().into(), key.key.as_str().into()],
            )
            .await?;
            return Ok(None);
        }
        let status = u16::try_from(status.int()?).unwrap_or(200);
        keys.insert(name.clone(), (hash.blob()?, status, answer.text()?));
    }
    Ok(keys.get(&name).map(|(hash, status, answer)| {
        if *hash == key.body_hash {
            Outcome::Replayed(*status, answer.clone())
        } else {
            Outcome::IdempotencyMismatch
        }
    }))
}

pub(super) async fn remember(
    conn: &mut Conn,
    key: &Idempotency,
    done: &Done,
    keys: &mut Keys,
    now: Timestamp,
) -> Result<(), DbError> {
    let (status, answer) = (key.render)(done);
    conn.execute(
        "INSERT INTO idempotency (principal, key, body_hash, status, answer, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6)",
        &[
            key.principal.as_str().into(),
            key.key.as_str().into(),
            Value::Blob(key.body_hash.clone()),
            i64::from(status).into(),
            answer.as_str().into(),
            now.micros().into(),
        ],
    )
    .await?;
    let name = (key.principal.clone(), key.key.clone());
    keys.insert(name, (key.body_hash.clone(), status, answer));
    Ok(())
}
