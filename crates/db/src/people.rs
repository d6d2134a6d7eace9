//! Who is there to be told something: accounts of people with their addresses, as of now.

use crate::conn::Conn;
use crate::error::DbError;
use crate::log::read::cells;
use crate::value::Row;

/// Somebody who can be told something.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reachable {
    /// The account.
    pub account: String,
    /// The e-mail address, where it was shown to be theirs; else empty.
    pub address: String,
}

const SELECT: &str = "SELECT a.id, p.email, p.verified FROM account a \
                      JOIN person p ON p.account = a.id";

/// Finds somebody by their account; whoever is disabled is not told anything.
pub async fn of_account(conn: &mut Conn, account: &str) -> Result<Option<Reachable>, DbError> {
    let sql = format!("{SELECT} WHERE a.id = $1 AND a.state = 'active'");
    conn.query_opt(&sql, &[account.into()]).await?.map(read).transpose()
}

/// Those who have a role now, in the order of their accounts.
pub async fn of_role(conn: &mut Conn, role: &str, limit: i64) -> Result<Vec<Reachable>, DbError> {
    let sql = format!(
        "{SELECT} JOIN account_role r ON r.account = a.id \
         WHERE r.role = $1 AND a.state = 'active' ORDER BY a.id LIMIT $2"
    );
    let rows = conn.query(&sql, &[role.into(), limit.into()]).await?;
    rows.into_iter().map(read).collect()
}

/// Whose address this is, as addresses are compared.
pub async fn of_address(conn: &mut Conn, key: &str) -> Result<Option<String>, DbError> {
    let sql = "SELECT account FROM person WHERE email_key = $1";
    let row = conn.query_opt(sql, &[key.into()]).await?;
    row.map(|row| cells(row).and_then(|[account]| account.text())).transpose()
}

fn read(row: Row) -> Result<Reachable, DbError> {
    let [account, email, verified] = cells(row)?;
    let address = if verified.int()? == 1 { email.text()? } else { String::new() };
    Ok(Reachable { account: account.text()?, address })
}
