//! One connection to either engine, behind the same few calls.

use std::borrow::Cow;

use crate::dialect::Dialect;
use crate::error::DbError;
use crate::postgres::PgConn;
use crate::sqlite::SqliteConn;
use crate::value::{Kind, Row, Value};

const SELECT_ID: &str = "SELECT id, seq, input_hash FROM record_id WHERE stream = $1 AND id = $2";
const SELECT_IDS: &str =
    "SELECT id, seq, input_hash FROM record_id WHERE stream = $1 AND id = ANY($2)";

/// A connection: THE enum that all of the house's SQL goes through.
pub enum Conn {
    /// An embedded SQLite file.
    Sqlite(SqliteConn),
    /// A pooled PostgreSQL session.
    Postgres(PgConn),
}

/// Rows to insert into one table.
pub struct Insert {
    /// The table.
    pub table: Cow<'static, str>,
    /// Its columns with their types.
    pub columns: Vec<(Cow<'static, str>, Kind)>,
    /// The rows, each as long as `columns`.
    pub rows: Vec<Row>,
}

/// A statement that is run for many rows of parameters.
#[derive(Debug, Clone, Copy)]
pub struct Each {
    /// For one of them.
    pub one: &'static str,
    /// For all of them at once, on PostgreSQL.
    pub many: &'static str,
    /// The parameters' types.
    pub kinds: &'static [Kind],
}

impl Conn {
    /// Which SQL it speaks.
    pub fn dialect(&self) -> Dialect {
        match self {
            Conn::Sqlite(_) => Dialect::Sqlite,
            Conn::Postgres(_) => Dialect::Postgres,
        }
    }

    /// Runs a query; `sql` has `$1` parameters.
    pub async fn query(&mut self, sql: &str, params: &[Value]) -> Result<Vec<Row>, DbError> {
        match self {
            Conn::Sqlite(conn) => conn.query(sql, params).await,
            Conn::Postgres(conn) => conn.query(sql, params).await,
        }
    }

    /// Runs a query of which at most one row matters.
    pub async fn query_opt(&mut self, sql: &str, params: &[Value]) -> Result<Option<Row>, DbError> {
        Ok(self.query(sql, params).await?.into_iter().next())
    }

    /// Runs a statement.
    pub async fn execute(&mut self, sql: &str, params: &[Value]) -> Result<(), DbError> {
        self.query(sql, params).await.map(|_| ())
    }

    /// Runs statements without parameters or results.
    pub async fn batch(&mut self, sql: &str) -> Result<(), DbError> {
        match self {
            Conn::Sqlite(conn) => conn.batch(sql),
            Conn::Postgres(conn) => conn.batch(sql).await,
        }
    }

    /// Runs upkeep of PostgreSQL, outside of any transaction.
    pub(crate) async fn upkeep(&mut self, sql: &str) -> Result<(), DbError> {
        match self {
            Conn::Sqlite(conn) => conn.batch(sql),
            Conn::Postgres(conn) => conn.upkeep(sql).await,
        }
    }

    /// Inserts many rows: a cached statement a row on SQLite, arrays on PostgreSQL.
    pub async fn insert(&mut self, insert: Insert) -> Result<(), DbError> {
        let sql = self.dialect().insert(&insert.table, &insert.columns);
        let kinds = insert.columns.iter().map(|(_, kind)| *kind).collect();
        self.many(&sql, kinds, insert.rows).await
    }

    /// Inserts those of many rows that are not there yet, by any of the table's unique keys.
    pub async fn insert_new(&mut self, insert: Insert) -> Result<(), DbError> {
        let sql = self.dialect().insert(&insert.table, &insert.columns) + " ON CONFLICT DO NOTHING";
        let kinds = insert.columns.iter().map(|(_, kind)| *kind).collect();
        self.many(&sql, kinds, insert.rows).await
    }

    /// Runs one statement for each row of parameters: one after the other on SQLite, all at once over
    /// arrays on PostgreSQL, where each parameter is an array of its kind and `sql` has `UNNEST` of them.
    pub async fn each(&mut self, sql: Each, rows: Vec<Row>) -> Result<(), DbError> {
        let text = if self.dialect() == Dialect::Sqlite { sql.one } else { sql.many };
        self.many(text, sql.kinds.to_vec(), rows).await
    }

    /// Inserts into two tables and runs a statement, all three on their way at once where the engine is
    /// at the other end of a wire: whoever waits for a lock of this transaction waits less.
    pub(crate) async fn insert_both(
        &mut self,
        (one, other): (Insert, Insert),
        (sql, params): (&str, &[Value]),
    ) -> Result<(), DbError> {
        match self {
            Conn::Sqlite(_) => {
                self.insert(one).await?;
                self.insert(other).await?;
                self.execute(sql, params).await
            }
            Conn::Postgres(conn) => conn.insert_both((one, other), (sql, params)).await,
        }
    }

    /// Fills a numbered column; a row is a value and the position of its record.
    pub async fn fill_column(
        &mut self,
        stream: i64,
        (column, kind): (i64, Kind),
        rows: Vec<Row>,
    ) -> Result<(), DbError> {
        let sql = self.dialect().fill_column(stream, column, kind);
        self.many(&sql, vec![kind, Kind::Int], rows).await
    }

    /// Runs one statement for many rows of parameters of these kinds.
    async fn many(&mut self, sql: &str, kinds: Vec<Kind>, rows: Vec<Row>) -> Result<(), DbError> {
        if rows.is_empty() {
            return Ok(());
        }
        match self {
            Conn::Sqlite(conn) => conn.many(sql, &rows),
            Conn::Postgres(conn) => conn.many(sql, &kinds, rows).await,
        }
    }

    /// Finds which ids of a stream are taken: id, seq and input hash.
    pub(crate) async fn find_ids(
        &mut self,
        stream: i64,
        ids: &[&str],
    ) -> Result<Vec<(String, i64, Vec<u8>)>, DbError> {
        let mut found = Vec::new();
        match self {
            Conn::Sqlite(conn) => {
                for id in ids {
                    let params = [stream.into(), (*id).into()];
                    found.extend(conn.query(SELECT_ID, &params).await?);
                }
            }
            Conn::Postgres(conn) if !ids.is_empty() => {
                found = conn.query_ids(SELECT_IDS, stream, ids).await?;
            }
            Conn::Postgres(_) => {}
        }
        let read = found.into_iter().map(|row| {
            let [id, seq, hash] = <[Value; 3]>::try_from(row)
                .map_err(|_| DbError::Internal("a row of three was asked for".to_owned()))?;
            Ok((id.text()?, seq.int()?, hash.blob()?))
        });
        read.collect()
    }

    /// Begins a writing transaction.
    pub async fn begin(&mut self) -> Result<(), DbError> {
        match self {
            Conn::Sqlite(conn) => conn.batch("BEGIN IMMEDIATE"),
            Conn::Postgres(conn) => conn.begin().await,
        }
    }

    /// Commits; on SQLite this is the fsync.
    pub async fn commit(&mut self) -> Result<(), DbError> {
        self.batch("COMMIT").await
    }

    /// Rolls back; a connection that cannot is given up.
    pub async fn rollback(&mut self) {
        if self.batch("ROLLBACK").await.is_err()
            && let Conn::Postgres(conn) = self
        {
            conn.discard();
        }
    }
}
