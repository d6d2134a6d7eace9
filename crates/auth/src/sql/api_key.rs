//! The table `api_key`.

use forebay_db::log::read::cells;
use forebay_db::{Conn, DbError, Kind, Row, Value};
use forebay_model::principal::Permission;
use forebay_model::time::Timestamp;

use crate::rights;

/// A key, without its secret.
#[derive(Debug, Clone)]
pub(crate) struct ApiKey {
    pub(crate) id: String,
    /// An account's id, or [`crate::directory::BOOTSTRAP`].
    pub(crate) owner: String,
    pub(crate) name: String,
    pub(crate) permissions: Vec<Permission>,
    pub(crate) filter: Option<String>,
    /// Where it may be shown; empty is anywhere.
    pub(crate) networks: Vec<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) last_used_at: Option<Timestamp>,
}

const SELECT: &str = "SELECT id, owner, name, permissions, filter, networks, created_at, \
                      expires_at, last_used_at FROM api_key";

/// Finds the key of a secret. One that a rotation has replaced expires when its time of grace ends.
pub(crate) async fn by_hash(conn: &mut Conn, hash: &[u8]) -> Result<Option<ApiKey>, DbError> {
    let hash = Value::Blob(hash.to_vec());
    let row =
        conn.query_opt(&format!("{SELECT} WHERE hash = $1"), std::slice::from_ref(&hash)).await?;
    if let Some(row) = row {
        return key(row).map(Some);
    }
    let row = conn.query_opt(&format!("{SELECT} WHERE old_hash = $1"), &[hash]).await?;
    let Some(row) = row else { return Ok(None) };
    let mut key = key(row)?;
    let sql = "SELECT old_until FROM api_key WHERE id = $1";
    let row = conn.query_opt(sql, &[key.id.as_str().into()]).await?.unwrap_or_default();
    let [until] = cells(row)?;
    let until = Timestamp::from_micros(until.int()?);
    key.expires_at = Some(key.expires_at.map_or(until, |at| at.min(until)));
    Ok(Some(key))
}

/// Finds a key.
pub(crate) async fn find(conn: &mut Conn, id: &str) -> Result<Option<ApiKey>, DbError> {
    let row = conn.query_opt(&format!("{SELECT} WHERE id = $1"), &[id.into()]).await?;
    row.map(key).transpose()
}

/// Lists the keys of an owner, or of all, after an id.
pub(crate) async fn list(
    conn: &mut Conn,
    owner: Option<&str>,
    after: &str,
    limit: i64,
) -> Result<Vec<ApiKey>, DbError> {
    let rows = match owner {
        Some(owner) => {
            let sql = format!("{SELECT} WHERE owner = $1 AND id > $2 ORDER BY id LIMIT $3");
            conn.query(&sql, &[owner.into(), after.into(), limit.into()]).await?
        }
        None => {
            let sql = format!("{SELECT} WHERE id > $1 ORDER BY id LIMIT $2");
            conn.query(&sql, &[after.into(), limit.into()]).await?
        }
    };
    rows.into_iter().map(key).collect()
}

fn key(row: Row) -> Result<ApiKey, DbError> {
    let [id, owner, name, permissions, filter, networks, created_at, expires_at, last_used_at] =
        cells(row)?;
    let time = |value: Value| match value {
        Value::Null(_) => Ok(None),
        value => value.int().map(Timestamp::from_micros).map(Some),
    };
    let text = |value: Value| match value {
        Value::Null(_) => Ok(None),
        value => value.text().map(Some),
    };
    let networks = text(networks)?.and_then(|text| serde_json::from_str(&text).ok());
    Ok(ApiKey {
        id: id.text()?,
        owner: owner.text()?,
        name: name.text()?,
        permissions: rights::from_stored(&permissions.text()?),
        filter: text(filter)?,
        networks: networks.unwrap_or_default(),
        created_at: Timestamp::from_micros(created_at.int()?),
        expires_at: time(expires_at)?,
        last_used_at: time(last_used_at)?,
    })
}

/// Writes a new key.
pub(crate) async fn insert(conn: &mut Conn, key: &ApiKey, hash: &[u8]) -> Result<(), DbError> {
    let or_null = |text: Option<String>| text.map_or(Value::Null(Kind::Text), Value::Text);
    let networks = (!key.networks.is_empty())
        .then(|| serde_json::Value::from(key.networks.clone()).to_string());
    conn.execute(
        "INSERT INTO api_key (id, owner, name, hash, permissions, filter, networks, created_at, \
         expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        &[
            key.id.as_str().into(),
            key.owner.as_str().into(),
            key.name.as_str().into(),
            Value::Blob(hash.to_vec()),
            rights::to_json(&key.permissions).to_string().into(),
            or_null(key.filter.clone()),
            or_null(networks),
            key.created_at.micros().into(),
            key.expires_at.map_or(Value::Null(Kind::Int), |at| at.micros().into()),
        ],
    )
    .await
}

/// Gives a key a new secret; the one before stays good until a time.
pub(crate) async fn rotate(
    conn: &mut Conn,
    id: &str,
    hash: &[u8],
    old_until: Timestamp,
) -> Result<(), DbError> {
    let sql = "UPDATE api_key SET old_hash = hash, old_until = $1, hash = $2 WHERE id = $3";
    conn.execute(sql, &[old_until.micros().into(), Value::Blob(hash.to_vec()), id.into()]).await
}

/// Deletes a key.
pub(crate) async fn delete(conn: &mut Conn, id: &str) -> Result<(), DbError> {
    conn.execute("DELETE FROM api_key WHERE id = $1", &[id.into()]).await
}

/// Notes when a key was shown last.
pub(crate) async fn used(conn: &mut Conn, id: &str, at: Timestamp) -> Result<(), DbError> {
    let sql = "UPDATE api_key SET last_used_at = $1 WHERE id = $2";
    conn.execute(sql, &[at.micros().into(), id.into()]).await
}
