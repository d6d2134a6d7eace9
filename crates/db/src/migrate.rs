//! Brings a database to this program's schema: once, under a lock, forward only.

use crate::conn::Conn;
use crate::dialect::Dialect;
use crate::error::DbError;

const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_log.sql"),
    include_str!("migrations/0002_columns.sql"),
    include_str!("migrations/0003_identity.sql"),
    include_str!("migrations/0004_idempotency.sql"),
    include_str!("migrations/0005_people.sql"),
    include_str!("migrations/0006_outbox.sql"),
    include_str!("migrations/0007_quota.sql"),
    include_str!("migrations/0008_erasure.sql"),
    include_str!("migrations/0009_search.sql"),
    include_str!("migrations/0010_notify.sql"),
    include_str!("migrations/0011_rules.sql"),
    include_str!("migrations/0012_inbox.sql"),
    include_str!("migrations/0013_mail.sql"),
];

/// Applies what is missing; refuses data of a newer program.
pub(crate) async fn migrate(conn: &mut Conn) -> Result<(), DbError> {
    let made = conn
        .batch("CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL PRIMARY KEY)")
        .await;
    // Two processes that create it at once: one loses, and finds it there.
    if let Err(error @ (DbError::Unavailable(_) | DbError::Full(_) | DbError::Unfit(_))) = made {
        return Err(error);
    }
    conn.begin().await?;
    let applied = apply(conn).await;
    match applied {
        Ok(()) => conn.commit().await,
        Err(error) => {
            conn.rollback().await;
            Err(error)
        }
    }
}

async fn apply(conn: &mut Conn) -> Result<(), DbError> {
    if conn.dialect() == Dialect::Postgres {
        conn.batch("LOCK TABLE schema_version IN ACCESS EXCLUSIVE MODE").await?;
    }
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    let sql = "SELECT coalesce(max(version), 0) FROM schema_version";
    let row = conn.query_opt(sql, &[]).await?.unwrap_or_default();
    let [found] = crate::log::read::cells(row)?;
    let found = found.int()?;
    if found > known {
        return Err(DbError::Newer { found, known });
    }
    for (at, text) in MIGRATIONS.iter().enumerate().skip(usize::try_from(found).unwrap_or(0)) {
        let text = conn.dialect().migration(text);
        conn.batch(&text).await?;
        let version = i64::try_from(at + 1).unwrap_or(i64::MAX);
        conn.execute("INSERT INTO schema_version (version) VALUES ($1)", &[version.into()]).await?;
    }
    Ok(())
}
