//! The table `role`.

use forebay_db::log::read::cells;
use forebay_db::{Conn, DbError, Row};
use forebay_model::principal::Permission;
use forebay_model::time::Timestamp;

use crate::rights;

/// A role that was made here.
#[derive(Debug, Clone)]
pub(crate) struct Role {
    pub(crate) name: String,
    pub(crate) permissions: Vec<Permission>,
    /// Its rights are had only after a second factor was shown.
    pub(crate) second_factor: bool,
    pub(crate) version: i64,
    pub(crate) created_at: Timestamp,
}

const SELECT: &str = "SELECT name, permissions, second_factor, version, created_at FROM role";

/// Finds a role.
pub(crate) async fn find(conn: &mut Conn, name: &str) -> Result<Option<Role>, DbError> {
    let row = conn.query_opt(&format!("{SELECT} WHERE name = $1"), &[name.into()]).await?;
    row.map(role).transpose()
}

/// All roles, by name: there are few.
pub(crate) async fn all(conn: &mut Conn) -> Result<Vec<Role>, DbError> {
    let rows = conn.query(&format!("{SELECT} ORDER BY name LIMIT 1000"), &[]).await?;
    rows.into_iter().map(role).collect()
}

fn role(row: Row) -> Result<Role, DbError> {
    let [name, permissions, second_factor, version, created_at] = cells(row)?;
    Ok(Role {
        name: name.text()?,
        permissions: rights::from_stored(&permissions.text()?),
        second_factor: second_factor.int()? == 1,
        version: version.int()?,
        created_at: Timestamp::from_micros(created_at.int()?),
    })
}

/// Writes a new role, or what an old one has become.
pub(crate) async fn put(conn: &mut Conn, role: &Role) -> Result<(), DbError> {
    conn.execute(
        "INSERT INTO role (name, permissions, version, created_at, second_factor) \
         VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (name) DO UPDATE SET permissions = $2, version = $3, second_factor = $5",
        &[
            role.name.as_str().into(),
            rights::to_json(&role.permissions).to_string().into(),
            role.version.into(),
            role.created_at.micros().into(),
            i64::from(role.second_factor).into(),
        ],
    )
    .await
}

/// Deletes a role; whoever held it holds it no more.
pub(crate) async fn delete(conn: &mut Conn, name: &str) -> Result<(), DbError> {
    conn.execute("DELETE FROM account_role WHERE role = $1", &[name.into()]).await?;
    conn.execute("DELETE FROM role WHERE name = $1", &[name.into()]).await
}
