//! SQLite: one file, one writing connection, a pool of reading ones.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::config::DbConfig;
use rusqlite::types::{ToSqlOutput, Value as SqlValue, ValueRef};
use rusqlite::{Connection, OpenFlags, ToSql, params_from_iter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::dialect::Dialect;
use crate::error::DbError;
use crate::value::{Kind, Row, Value};

/// Reading connections, handed out one at a time.
#[derive(Debug)]
pub(crate) struct SqlitePool {
    path: PathBuf,
    free: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
    cache_kib: i64,
}

/// A connection out of the pool, or the writer's.
pub struct SqliteConn {
    conn: Option<Connection>,
    /// Where it goes back to; the writer's goes nowhere.
    home: Option<(Arc<SqlitePool>, OwnedSemaphorePermit)>,
    /// Whether a query runs on the thread that asks, because it is short.
    inline: bool,
}

impl SqlitePool {
    /// Sets up the file's readers; `readers` is at least 1.
    pub(crate) fn new(path: &Path, readers: usize, cache_bytes: u64) -> Arc<Self> {
        let readers = readers.max(1);
        let share = cache_bytes / 1024 / (readers as u64 + 1);
        Arc::new(SqlitePool {
            path: path.to_owned(),
            free: Mutex::new(Vec::new()),
            permits: Arc::new(Semaphore::new(readers)),
            cache_kib: i64::try_from(share).unwrap_or(i64::MAX),
        })
    }

    /// Opens the connection that writes.
    pub(crate) fn writer(&self) -> Result<SqliteConn, DbError> {
        let conn = self.open(OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
        conn.execute_batch(
            "PRAGMA page_size = 4096; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
             PRAGMA wal_autocheckpoint = 16000; PRAGMA foreign_keys = ON; \
             PRAGMA secure_delete = ON;",
        )?;
        Ok(SqliteConn { conn: Some(conn), home: None, inline: true })
    }

    /// Takes a reading connection; `inline` for a look at a few pages.
    pub(crate) async fn reader(self: &Arc<Self>, inline: bool) -> Result<SqliteConn, DbError> {
        let permit = self.permits.clone().acquire_owned().await;
        let permit = permit.map_err(|e| DbError::Internal(e.to_string()))?;
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let conn = match free {
            Some(conn) => conn,
            None => self.open(OpenFlags::SQLITE_OPEN_READ_ONLY)?,
        };
        Ok(SqliteConn { conn: Some(conn), home: Some((self.clone(), permit)), inline })
    }

    /// Brings the write-ahead log into the file and empties it; false when somebody still reads from it.
    pub(crate) fn empty_log(&self) -> Result<bool, DbError> {
        let conn = self.open(OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        // Whoever writes waits while the log is emptied: so most of it is done before, and the rest is
        // tried for a moment only.
        conn.busy_timeout(std::time::Duration::from_millis(50))?;
        conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
        let busy: i64 = conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        Ok(busy == 0)
    }

    fn open(&self, flags: OpenFlags) -> Result<Connection, DbError> {
        let conn =
            Connection::open_with_flags(&self.path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        conn.busy_timeout(std::time::Duration::from_secs(5))?;
        // A plan that does not depend on what is bound: without it SQLite plans each repeat anew.
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        conn.pragma_update(None, "cache_size", -self.cache_kib)?;
        conn.pragma_update(None, "temp_store", "memory")?;
        conn.set_prepared_statement_cache_capacity(256);
        Ok(conn)
    }
}

impl Drop for SqliteConn {
    fn drop(&mut self) {
        if let (Some(conn), Some((pool, _))) = (self.conn.take(), self.home.as_ref()) {
            pool.free.lock().unwrap_or_else(PoisonError::into_inner).push(conn);
        }
    }
}

/// Who waits for an answer. When nobody does any more, because a client has left, the statement
/// is interrupted: it would hold a thread until its end.
struct Asked {
    left: Arc<AtomicBool>,
    /// Nothing once the answer has come.
    interrupt: Option<rusqlite::InterruptHandle>,
}

impl Drop for Asked {
    fn drop(&mut self) {
        if let Some(interrupt) = &self.interrupt {
            self.left.store(true, Ordering::SeqCst);
            interrupt.interrupt();
        }
    }
}

impl SqliteConn {
    fn get(&self) -> Result<&Connection, DbError> {
        self.conn.as_ref().ok_or_else(|| DbError::Internal("a cancelled connection".into()))
    }

    pub(crate) async fn query(&mut self, sql: &str, params: &[Value]) -> Result<Vec<Row>, DbError> {
        if self.inline {
            return query(self.get()?, sql, params);
        }
        let conn = self.conn.take();
        let conn = conn.ok_or_else(|| DbError::Internal("a cancelled connection".into()))?;
        let (sql, params) = (sql.to_owned(), params.to_vec());
        let left = Arc::new(AtomicBool::new(false));
        let interrupt = Some(conn.get_interrupt_handle());
        let mut asked = Asked { left: left.clone(), interrupt };
        let ran = tokio::task::spawn_blocking(move || {
            let gone = || DbError::Internal("a cancelled connection".into());
            let has_left = left.load(Ordering::SeqCst);
            let rows = if has_left { Err(gone()) } else { query(&conn, &sql, &params) };
            (conn, rows)
        });
        let (conn, rows) = ran.await.map_err(|e| DbError::Internal(e.to_string()))?;
        asked.interrupt = None;
        self.conn = Some(conn);
        rows
    }

    pub(crate) fn batch(&mut self, sql: &str) -> Result<(), DbError> {
        Ok(self.get()?.execute_batch(sql)?)
    }

    pub(crate) fn many(&mut self, sql: &str, rows: &[Row]) -> Result<(), DbError> {
        let mut statement = self.get()?.prepare_cached(&Dialect::Sqlite.sql(sql))?;
        for row in rows {
            statement.execute(params_from_iter(row))?;
        }
        Ok(())
    }
}

fn query(conn: &Connection, sql: &str, params: &[Value]) -> Result<Vec<Row>, DbError> {
    let mut statement = conn.prepare_cached(&Dialect::Sqlite.sql(sql))?;
    let width = statement.column_count();
    let mut rows = statement.query(params_from_iter(params))?;
    let mut out = Vec::new();
    while let Some(row) = rows.next()? {
        let read = (0..width).map(|at| row.get_ref(at).map_err(DbError::from).and_then(value_of));
        out.push(read.collect::<Result<Row, DbError>>()?);
    }
    Ok(out)
}

fn value_of(value: ValueRef<'_>) -> Result<Value, DbError> {
    Ok(match value {
        ValueRef::Null => Value::Null(Kind::Text),
        ValueRef::Integer(value) => Value::Int(value),
        ValueRef::Real(value) => Value::Real(value),
        ValueRef::Text(bytes) => Value::Text(
            std::str::from_utf8(bytes).map_err(|e| DbError::Internal(e.to_string()))?.to_owned(),
        ),
        ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
    })
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Value::Null(_) => ToSqlOutput::Owned(SqlValue::Null),
            Value::Int(value) => ToSqlOutput::Owned(SqlValue::Integer(*value)),
            Value::Real(value) => ToSqlOutput::Owned(SqlValue::Real(*value)),
            Value::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Value::Blob(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The end of the test waits for the thread: it would never come.
    #[tokio::test]
    async fn a_statement_ends_when_nobody_waits_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let pool = SqlitePool::new(&folder.path().join("test.db"), 1, 1 << 20);
        pool.writer().unwrap();
        let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) \
                       SELECT count(*) FROM n";
        let mut conn = pool.reader(false).await.unwrap();
        let asked = conn.query(endless, &[]);
        let moment = std::time::Duration::from_millis(50);
        assert!(tokio::time::timeout(moment, asked).await.is_err());
        drop(conn);
        let mut next = pool.reader(false).await.unwrap();
        assert_eq!(next.query("SELECT 1", &[]).await.unwrap(), [vec![Value::Int(1)]]);
    }
}
