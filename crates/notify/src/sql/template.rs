//! The table `template`: texts in the place of the built-in ones.

use forebay_db::log::read::cells;
use forebay_db::{Conn, DbError, Row};
use forebay_model::time::Timestamp;

use crate::template::Source;

/// A text as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) name: String,
    pub(crate) source: Source,
    pub(crate) updated_by: String,
    pub(crate) updated_at: Timestamp,
}

const SELECT: &str = "SELECT name, subject, body, html, updated_by, updated_at FROM template";

/// Finds a text.
pub(crate) async fn find(conn: &mut Conn, name: &str) -> Result<Option<Kept>, DbError> {
    let sql = format!("{SELECT} WHERE name = $1");
    conn.query_opt(&sql, &[name.into()]).await?.map(read).transpose()
}

/// All of them: at most as many as there are built-in ones.
pub(crate) async fn list(conn: &mut Conn) -> Result<Vec<Kept>, DbError> {
    let sql = format!("{SELECT} ORDER BY name LIMIT 1000");
    conn.query(&sql, &[]).await?.into_iter().map(read).collect()
}

/// Writes a text, new or changed.
pub(crate) async fn put(conn: &mut Conn, kept: &Kept) -> Result<(), DbError> {
    let sql = "INSERT INTO template (name, subject, body, html, updated_by, updated_at) \
               VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (name) DO UPDATE SET subject = $2, \
               body = $3, html = $4, updated_by = $5, updated_at = $6";
    let row: Row = vec![
        kept.name.as_str().into(),
        kept.source.subject.as_str().into(),
        kept.source.text.as_str().into(),
        kept.source.html.as_str().into(),
        kept.updated_by.as_str().into(),
        kept.updated_at.micros().into(),
    ];
    conn.execute(sql, &row).await
}

/// Takes a text away; whether it was there.
pub(crate) async fn delete(conn: &mut Conn, name: &str) -> Result<bool, DbError> {
    let sql = "DELETE FROM template WHERE name = $1 RETURNING name";
    Ok(conn.query_opt(sql, &[name.into()]).await?.is_some())
}

fn read(row: Row) -> Result<Kept, DbError> {
    let [name, subject, text, html, updated_by, updated_at] = cells(row)?;
    let (subject, text, html) = (subject.text()?, text.text()?, html.text()?);
    Ok(Kept {
        name: name.text()?,
        source: Source { subject, text, html },
        updated_by: updated_by.text()?,
        updated_at: Timestamp::from_micros(updated_at.int()?),
    })
}
