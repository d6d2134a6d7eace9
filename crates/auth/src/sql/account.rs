//! The tables `account` and `account_role`.

use forebay_db::log::read::cells;
use forebay_db::{Conn, DbError, Row};
use forebay_model::time::Timestamp;

/// An account with its roles.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) id: String,
    /// Else it is a program's.
    pub(crate) person: bool,
    pub(crate) name: String,
    pub(crate) enabled: bool,
    pub(crate) version: i64,
    pub(crate) created_at: Timestamp,
    pub(crate) roles: Vec<String>,
}

const SELECT: &str = "SELECT id, kind, name, state, version, created_at FROM account";

/// Finds an account.
pub(crate) async fn find(conn: &mut Conn, id: &str) -> Result<Option<Account>, DbError> {
    let row = conn.query_opt(&format!("{SELECT} WHERE id = $1"), &[id.into()]).await?;
    match row {
        Some(row) => Ok(Some(with_roles(conn, row).await?)),
        None => Ok(None),
    }
}

/// Lists the accounts of programs after an id.
pub(crate) async fn list(
    conn: &mut Conn,
    after: &str,
    limit: i64,
) -> Result<Vec<Account>, DbError> {
    let sql = format!("{SELECT} WHERE kind = 'service' AND id > $1 ORDER BY id LIMIT $2");
    let mut accounts = Vec::new();
    for row in conn.query(&sql, &[after.into(), limit.into()]).await? {
        accounts.push(with_roles(conn, row).await?);
    }
    Ok(accounts)
}

async fn with_roles(conn: &mut Conn, row: Row) -> Result<Account, DbError> {
    let [id, kind, name, state, version, created_at] = cells(row)?;
    let id = id.text()?;
    let sql = "SELECT role FROM account_role WHERE account = $1 ORDER BY role";
    let roles = conn.query(sql, &[id.as_str().into()]).await?;
    let roles = roles.into_iter().map(|row| cells(row).and_then(|[role]| role.text()));
    Ok(Account {
        person: kind.text()? == "person",
        name: name.text()?,
        enabled: state.text()? == "active",
        version: version.int()?,
        created_at: Timestamp::from_micros(created_at.int()?),
        roles: roles.collect::<Result<_, _>>()?,
        id,
    })
}

/// Writes a new account, or what an old one has become.
pub(crate) async fn put(conn: &mut Conn, account: &Account) -> Result<(), DbError> {
    let state = if account.enabled { "active" } else { "disabled" };
    let kind = if account.person { "person" } else { "service" };
    conn.execute(
        "INSERT INTO account (id, kind, name, state, version, created_at) \
         VALUES ($1, $6, $2, $3, $4, $5) \
         ON CONFLICT (id) DO UPDATE SET name = $2, state = $3, version = $4",
        &[
            account.id.as_str().into(),
            account.name.as_str().into(),
            state.into(),
            account.version.into(),
            account.created_at.micros().into(),
            kind.into(),
        ],
    )
    .await?;
    let id = account.id.as_str();
    conn.execute("DELETE FROM account_role WHERE account = $1", &[id.into()]).await?;
    for role in &account.roles {
        let sql = "INSERT INTO account_role (account, role) VALUES ($1, $2)";
        conn.execute(sql, &[id.into(), role.as_str().into()]).await?;
    }
    Ok(())
}

/// Whether a person is there who may do everything.
pub(crate) async fn has_administrator(conn: &mut Conn) -> Result<bool, DbError> {
    let sql = "SELECT 1 FROM account_role JOIN account ON account.id = account_role.account \
               WHERE account_role.role = 'admin' AND account.kind = 'person' LIMIT 1";
    Ok(conn.query_opt(sql, &[]).await?.is_some())
}

/// Deletes an account with its keys and sessions.
pub(crate) async fn delete(conn: &mut Conn, id: &str) -> Result<(), DbError> {
    for sql in [
        "DELETE FROM api_key WHERE owner = $1",
        "DELETE FROM session WHERE account = $1",
        "DELETE FROM recovery_code WHERE account = $1",
        "DELETE FROM person WHERE account = $1",
        "DELETE FROM account_role WHERE account = $1",
        "DELETE FROM account WHERE id = $1",
    ] {
        conn.execute(sql, &[id.into()]).await?;
    }
    Ok(())
}
