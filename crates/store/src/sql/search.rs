//! What processes tell each other of indexes: the tables `search_lease`, `search_worker`,
//! `search_refused` and `search_build`, and the deployment's name.

use forebay_db::log::read::cells;
use forebay_db::{Conn, DbError, Value};

/// Most refused records of an index that are kept.
pub(crate) const MOST_REFUSED: i64 = 1000;

/// What this deployment is called where others store things too; made once.
pub(crate) async fn deployment(conn: &mut Conn) -> Result<String, DbError> {
    let sql = "INSERT INTO setting (name, value) VALUES ('deployment', $1) \
               ON CONFLICT (name) DO NOTHING";
    let new = uuid::Uuid::now_v7().to_string();
    conn.execute(sql, &[Value::Blob(new.into_bytes())]).await?;
    let sql = "SELECT value FROM setting WHERE name = 'deployment'";
    let [value] = cells(conn.query_opt(sql, &[]).await?.unwrap_or_default())?;
    String::from_utf8(value.blob()?).map_err(|_| DbError::Internal("deployment".to_owned()))
}

/// The positions that a stream's indexes do not hold.
pub(crate) async fn refused(conn: &mut Conn, stream: i64) -> Result<Vec<i64>, DbError> {
    let sql = "SELECT DISTINCT seq FROM search_refused WHERE stream = $1 ORDER BY seq LIMIT $2";
    let rows = conn.query(sql, &[stream.into(), MOST_REFUSED.into()]).await?;
    rows.into_iter().map(|row| cells(row).and_then(|[seq]| seq.int())).collect()
}
