//! The table `recovery_code`.

use forebay_db::{Conn, DbError, Value};

/// Gives somebody these codes instead of any before.
pub(crate) async fn replace(
    conn: &mut Conn,
    account: &str,
    hashes: Vec<Vec<u8>>,
) -> Result<(), DbError> {
    conn.execute("DELETE FROM recovery_code WHERE account = $1", &[account.into()]).await?;
    for hash in hashes {
        let sql = "INSERT INTO recovery_code (account, hash) VALUES ($1, $2)";
        conn.execute(sql, &[account.into(), Value::Blob(hash)]).await?;
    }
    Ok(())
}

/// Takes a code; false when there is none, or it was taken before.
pub(crate) async fn take(conn: &mut Conn, account: &str, hash: Vec<u8>) -> Result<bool, DbError> {
    let sql = "DELETE FROM recovery_code WHERE account = $1 AND hash = $2 RETURNING account";
    Ok(conn.query_opt(sql, &[account.into(), Value::Blob(hash)]).await?.is_some())
}
