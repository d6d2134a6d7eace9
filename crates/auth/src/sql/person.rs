//! The table `person`: what somebody signs in with.

use forebay_db::log::read::cells;
use forebay_db::{Conn, DbError, Row, Value};

use super::{maybe_blob, maybe_text, or_null};

/// What somebody signs in with.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) account: String,
    pub(crate) email: String,
    pub(crate) email_key: String,
    pub(crate) password: Option<Hashed>,
    /// Sealed.
    pub(crate) totp: Option<Vec<u8>>,
    /// Sealed, and not confirmed yet.
    pub(crate) totp_new: Option<Vec<u8>>,
    pub(crate) totp_step: i64,
    /// Whether the address was shown to be theirs.
    pub(crate) verified: bool,
}

/// A password as it is kept.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Hashed {
    pub(crate) hash: String,
    /// How dear it is: the name of its scheme.
    pub(crate) cost: String,
    /// Too short to be the only factor.
    pub(crate) short: bool,
}

const SELECT: &str = "SELECT account, email, email_key, password, password_cost, password_short, \
                      totp, totp_new, totp_step, verified FROM person";

/// Finds somebody by their account.
pub(crate) async fn find(conn: &mut Conn, account: &str) -> Result<Option<Person>, DbError> {
    let row = conn.query_opt(&format!("{SELECT} WHERE account = $1"), &[account.into()]).await?;
    row.map(person).transpose()
}

/// Those with accounts from one id to another.
pub(crate) async fn between(
    conn: &mut Conn,
    first: &str,
    last: &str,
) -> Result<Vec<Person>, DbError> {
    let sql = format!("{SELECT} WHERE account >= $1 AND account <= $2 ORDER BY account");
    let rows = conn.query(&sql, &[first.into(), last.into()]).await?;
    rows.into_iter().map(person).collect()
}

/// Finds somebody by their address, as it is compared.
pub(crate) async fn by_email(conn: &mut Conn, key: &str) -> Result<Option<Person>, DbError> {
    let row = conn.query_opt(&format!("{SELECT} WHERE email_key = $1"), &[key.into()]).await?;
    row.map(person).transpose()
}

/// The kinds of hashes that are in use.
pub(crate) async fn costs(conn: &mut Conn) -> Result<Vec<String>, DbError> {
    let sql = "SELECT DISTINCT password_cost FROM person WHERE password_cost IS NOT NULL LIMIT 100";
    let rows = conn.query(sql, &[]).await?;
    rows.into_iter().map(|row| cells(row).and_then(|[cost]| cost.text())).collect()
}

fn person(row: Row) -> Result<Person, DbError> {
    let [account, email, email_key, password, cost, short, totp, totp_new, step, verified] =
        cells(row)?;
    let short = short.int()? == 1;
    let hashed = maybe_text(password)?.zip(maybe_text(cost)?);
    Ok(Person {
        account: account.text()?,
        email: email.text()?,
        email_key: email_key.text()?,
        password: hashed.map(|(hash, cost)| Hashed { hash, cost, short }),
        totp: maybe_blob(totp)?,
        totp_new: maybe_blob(totp_new)?,
        totp_step: step.int()?,
        verified: verified.int()? == 1,
    })
}

/// Writes somebody new; false when the address is taken.
pub(crate) async fn insert(conn: &mut Conn, person: &Person) -> Result<bool, DbError> {
    let (hash, cost, short) = columns(person.password.as_ref());
    let sql = "INSERT INTO person (account, email, email_key, password, password_cost, \
               password_short, totp_step, verified) VALUES ($1, $2, $3, $4, $5, $6, 0, $7) \
               ON CONFLICT (email_key) DO NOTHING RETURNING account";
    let row = conn
        .query_opt(
            sql,
            &[
                person.account.as_str().into(),
                person.email.as_str().into(),
                person.email_key.as_str().into(),
                hash,
                cost,
                short,
                i64::from(person.verified).into(),
            ],
        )
        .await?;
    Ok(row.is_some())
}

/// Writes that an address was shown to be somebody's.
pub(crate) async fn verify(conn: &mut Conn, account: &str) -> Result<(), DbError> {
    conn.execute("UPDATE person SET verified = 1 WHERE account = $1", &[account.into()]).await
}

/// Gives somebody another address, as it is typed and as it is compared.
pub(crate) async fn set_email(
    conn: &mut Conn,
    account: &str,
    (email, key): (&str, &str),
) -> Result<(), DbError> {
    let sql = "UPDATE person SET email = $1, email_key = $2, verified = 1 WHERE account = $3";
    conn.execute(sql, &[email.into(), key.into(), account.into()]).await
}

/// Accounts that were made before a time, and whose address nobody has shown to be theirs.
pub(crate) async fn unverified(
    conn: &mut Conn,
    before: forebay_model::time::Timestamp,
) -> Result<Vec<String>, DbError> {
    let sql = "SELECT p.account FROM person p JOIN account a ON a.id = p.account \
               WHERE p.verified = 0 AND a.created_at < $1 LIMIT 100";
    let rows = conn.query(sql, &[before.micros().into()]).await?;
    rows.into_iter().map(|row| cells(row).and_then(|[account]| account.text())).collect()
}

/// Gives somebody another password, or the same one hashed otherwise.
pub(crate) async fn set_password(
    conn: &mut Conn,
    account: &str,
    password: &Hashed,
) -> Result<(), DbError> {
    let (hash, cost, short) = columns(Some(password));
    let sql = "UPDATE person SET password = $1, password_cost = $2, password_short = $3 \
               WHERE account = $4";
    conn.execute(sql, &[hash, cost, short, account.into()]).await
}

fn columns(password: Option<&Hashed>) -> (Value, Value, Value) {
    (
        or_null(password.map(|p| p.hash.as_str())),
        or_null(password.map(|p| p.cost.as_str())),
        i64::from(password.is_some_and(|p| p.short)).into(),
    )
}

/// Keeps a seed that is not confirmed yet.
pub(crate) async fn offer_totp(
    conn: &mut Conn,
    account: &str,
    sealed: Vec<u8>,
) -> Result<(), DbError> {
    let sql = "UPDATE person SET totp_new = $1 WHERE account = $2";
    conn.execute(sql, &[Value::Blob(sealed), account.into()]).await
}

/// Makes the offered seed the one that counts; its first code is taken.
pub(crate) async fn confirm_totp(conn: &mut Conn, account: &str, step: i64) -> Result<(), DbError> {
    let sql = "UPDATE person SET totp = totp_new, totp_new = NULL, totp_step = $1 \
               WHERE account = $2 AND totp_new IS NOT NULL";
    conn.execute(sql, &[step.into(), account.into()]).await
}

/// Takes the second factor away.
pub(crate) async fn remove_totp(conn: &mut Conn, account: &str) -> Result<(), DbError> {
    let sql = "UPDATE person SET totp = NULL, totp_new = NULL, totp_step = 0 WHERE account = $1";
    conn.execute(sql, &[account.into()]).await
}

/// Takes away a password that is too short to be alone: nobody signs in by it any more.
pub(crate) async fn remove_short_password(conn: &mut Conn, account: &str) -> Result<(), DbError> {
    let sql = "UPDATE person SET password = NULL, password_cost = NULL, password_short = 0 \
               WHERE account = $1 AND password_short = 1";
    conn.execute(sql, &[account.into()]).await
}

/// Takes a code's step; false when it, or a later one, was taken before.
pub(crate) async fn take_step(conn: &mut Conn, account: &str, step: i64) -> Result<bool, DbError> {
    let sql = "UPDATE person SET totp_step = $1 WHERE account = $2 AND totp_step < $1 \
               RETURNING account";
    Ok(conn.query_opt(sql, &[step.into(), account.into()]).await?.is_some())
}
