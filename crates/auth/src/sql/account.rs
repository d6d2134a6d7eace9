//! The tables `account` and `account_role`.

use std::collections::HashMap;

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
    let Some(row) = row else { return Ok(None) };
    let mut account = account(row)?;
    let sql = "SELECT role FROM account_role WHERE account = $1 ORDER BY role";
    let roles = conn.query(sql, &[id.into()]).await?;
    let roles = roles.into_iter().map(|row| cells(row).and_then(|[role]| role.text()));
    account.roles = roles.collect::<Result<_, _>>()?;
    Ok(Some(account))
}

/// Lists the accounts of people, or of programs, after an id.
pub(crate) async fn list(
    conn: &mut Conn,
    person: bool,
    after: &str,
    limit: i64,
) -> Result<Vec<Account>, DbError> {
    let sql = format!("{SELECT} WHERE kind = $1 AND id > $2 ORDER BY id LIMIT $3");
    let rows = conn.query(&sql, &[kind_of(person).into(), after.into(), limit.into()]).await?;
    let mut accounts = rows.into_iter().map(account).collect::<Result<Vec<_>, _>>()?;
    let (Some(first), Some(last)) = (accounts.first(), accounts.last()) else {
        return Ok(accounts);
    };
    // One question for all of the page.
    let sql = "SELECT account, role FROM account_role WHERE account >= $1 AND account <= $2 \
               ORDER BY role";
    let rows = conn.query(sql, &[first.id.as_str().into(), last.id.as_str().into()]).await?;
    let mut roles: HashMap<String, Vec<String>> = HashMap::new();
    for row in rows {
        let [account, role] = cells(row)?;
        roles.entry(account.text()?).or_default().push(role.text()?);
    }
    for account in &mut accounts {
        account.roles = roles.remove(&account.id).unwrap_or_default();
    }
    Ok(accounts)
}

fn kind_of(person: bool) -> &'static str {
    if person { "person" } else { "service" }
}

/// Its roles are in another table.
fn account(row: Row) -> Result<Account, DbError> {
    let [id, kind, name, state, version, created_at] = cells(row)?;
    Ok(Account {
        id: id.text()?,
        person: kind.text()? == kind_of(true),
        name: name.text()?,
        enabled: state.text()? == "active",
        version: version.int()?,
        created_at: Timestamp::from_micros(created_at.int()?),
        roles: Vec::new(),
    })
}

/// Writes a new account, or what an old one has become.
pub(crate) async fn put(conn: &mut Conn, account: &Account) -> Result<(), DbError> {
    let state = if account.enabled { "active" } else { "disabled" };
    let kind = kind_of(account.person);
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

/// Whether a person is there who may do everything, is not disabled, and is not this one.
pub(crate) async fn has_other_administrator(conn: &mut Conn, id: &str) -> Result<bool, DbError> {
    let sql = "SELECT 1 FROM account_role JOIN account ON account.id = account_role.account \
               WHERE account_role.role = 'admin' AND account.kind = 'person' \
               AND account.state = 'active' AND account.id <> $1 LIMIT 1";
    Ok(conn.query_opt(sql, &[id.into()]).await?.is_some())
}

/// Deletes an account with its keys and sessions.
pub(crate) async fn delete(conn: &mut Conn, id: &str) -> Result<(), DbError> {
    for sql in [
        "DELETE FROM api_key WHERE owner = $1",
        "DELETE FROM session WHERE account = $1",
        "DELETE FROM recovery_code WHERE account = $1",
        "DELETE FROM person WHERE account = $1",
        "DELETE FROM email_change WHERE account = $1",
        "DELETE FROM known_device WHERE account = $1",
        "DELETE FROM mail WHERE account = $1",
        "DELETE FROM inbox WHERE account = $1",
        "DELETE FROM inbox_head WHERE account = $1",
        "DELETE FROM preference WHERE account = $1",
        "DELETE FROM account_role WHERE account = $1",
        "DELETE FROM account WHERE id = $1",
    ] {
        conn.execute(sql, &[id.into()]).await?;
    }
    Ok(())
}
