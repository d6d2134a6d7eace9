//! The two engines' differences in SQL text; nothing else in the house knows them.

use std::borrow::Cow;
use std::fmt::Write as _;

use forebay_model::schema::ScalarType;

use crate::value::Kind;

/// Which engine speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// SQLite 3.
    Sqlite,
    /// PostgreSQL 15 and newer.
    Postgres,
}

impl Dialect {
    /// Rewrites `$1` to `?1` for SQLite, where `$1` would be a *named* parameter numbered by its
    /// first appearance.
    pub fn sql(self, text: &str) -> Cow<'_, str> {
        match self {
            Dialect::Postgres => Cow::Borrowed(text),
            Dialect::Sqlite => Cow::Owned(text.replace('$', "?")),
        }
    }

    /// Whether it groups by hashes. SQLite sorts all records instead, which takes three times as long
    /// as to read their values and group them here.
    pub fn groups_by_hash(self) -> bool {
        self == Dialect::Postgres
    }

    /// Fills the words of a migration that differ.
    pub fn migration(self, text: &str) -> String {
        let words: [(&str, &str, &str); 5] = [
            ("{text}", "TEXT", "TEXT COLLATE \"C\""),
            ("{blob}", "BLOB", "BYTEA"),
            ("{head_options}", "", "WITH (fillfactor = 10)"),
            ("{clustered}", "WITHOUT ROWID", ""),
            ("{one}", "x'31'", "'\\x31'"),
        ];
        words.iter().fold(text.to_owned(), |text, (word, sqlite, postgres)| {
            text.replace(word, if self == Dialect::Sqlite { sqlite } else { postgres })
        })
    }

    /// What ends a `SELECT` whose rows are held until the transaction ends, so that another process
    /// takes others. SQLite has one writer.
    pub fn skip_locked(self) -> &'static str {
        if self == Dialect::Sqlite { "" } else { " FOR UPDATE SKIP LOCKED" }
    }

    fn column_type(self, scalar: ScalarType) -> &'static str {
        match (scalar, self) {
            (ScalarType::String, Dialect::Sqlite) => "TEXT",
            (ScalarType::String, Dialect::Postgres) => "TEXT COLLATE \"C\"",
            (ScalarType::Number, _) => "DOUBLE PRECISION",
            (ScalarType::Integer | ScalarType::Boolean, _) => "BIGINT",
        }
    }

    /// The statements that make a stream's table, without its numbered columns.
    pub fn create_log(self, stream: i64) -> Vec<String> {
        let text = self.column_type(ScalarType::String);
        // An INTEGER PRIMARY KEY is SQLite's row id: the table itself is ordered by seq.
        let seq = if self == Dialect::Sqlite { "INTEGER" } else { "BIGINT" };
        vec![
            format!(
                "CREATE TABLE s{stream} (seq {seq} PRIMARY KEY, id {text} NOT NULL, \
                 version BIGINT NOT NULL, op BIGINT NOT NULL, time BIGINT NOT NULL, \
                 received_at BIGINT NOT NULL, data {text} NOT NULL)"
            ),
            format!("CREATE INDEX s{stream}_time ON s{stream} (time, seq)"),
        ]
    }

    /// The statements that add a numbered column and its index.
    ///
    /// The index leaves NULL out, so that making it on a filled table sorts nothing.
    pub fn add_column(self, stream: i64, column: i64, scalar: ScalarType) -> Vec<String> {
        let ty = self.column_type(scalar);
        vec![
            format!("ALTER TABLE s{stream} ADD COLUMN c{column} {ty}"),
            format!(
                "CREATE INDEX s{stream}_c{column} ON s{stream} (c{column}, seq) \
                 WHERE c{column} IS NOT NULL"
            ),
        ]
    }

    /// The statements that take a numbered column away.
    pub fn drop_column(self, stream: i64, column: i64) -> Vec<String> {
        vec![
            format!("DROP INDEX s{stream}_c{column}"),
            format!("ALTER TABLE s{stream} DROP COLUMN c{column}"),
        ]
    }

    /// The statements that take a stream's table away.
    pub fn drop_log(self, stream: i64) -> String {
        let drop = format!("DROP TABLE IF EXISTS s{stream}");
        match self {
            // To write zeros over all of a table would be as much work as it was to fill it.
            Dialect::Sqlite => {
                format!("PRAGMA secure_delete = FAST; {drop}; PRAGMA secure_delete = ON")
            }
            Dialect::Postgres => drop,
        }
    }

    /// Inserts rows of `columns`: one row with `$1…` on SQLite, arrays on PostgreSQL.
    pub fn insert(self, table: &str, columns: &[(Cow<'static, str>, Kind)]) -> String {
        let mut sql = format!("INSERT INTO {table} (");
        for (at, (name, _)) in columns.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            let _ = write!(sql, "{comma}{name}");
        }
        sql.push_str(if self == Dialect::Sqlite {
            ") VALUES ("
        } else {
            ") SELECT * FROM UNNEST("
        });
        for (at, (_, kind)) in columns.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            let number = at + 1;
            let _ = match self {
                Dialect::Sqlite => write!(sql, "{comma}${number}"),
                Dialect::Postgres => write!(sql, "{comma}${number}::{}", array_type(*kind)),
            };
        }
        sql.push(')');
        sql
    }

    /// Reads records in one of the orders, between two positions.
    pub fn select_log(self, stream: i64, order: Order) -> String {
        const COLUMNS: &str = "seq, id, version, time, received_at, data";
        match order {
            Order::SeqAscending => format!(
                "SELECT {COLUMNS} FROM s{stream} WHERE seq > $1 AND seq <= $2 ORDER BY seq LIMIT $3"
            ),
            Order::SeqDescending => format!(
                "SELECT {COLUMNS} FROM s{stream} WHERE seq < $1 AND seq <= $2 \
                 ORDER BY seq DESC LIMIT $3"
            ),
            Order::TimeAscending => format!(
                "SELECT {COLUMNS} FROM s{stream} WHERE (time, seq) > ($4, $1) AND seq <= $2 \
                 ORDER BY time, seq LIMIT $3"
            ),
            Order::TimeDescending => format!(
                "SELECT {COLUMNS} FROM s{stream} WHERE (time, seq) < ($4, $1) AND seq <= $2 \
                 ORDER BY time DESC, seq DESC LIMIT $3"
            ),
        }
    }

    /// Finds one record by its id.
    pub fn select_by_id(self, stream: i64) -> String {
        format!(
            "SELECT s.seq, s.id, s.version, s.time, s.received_at, s.data \
             FROM record_id r JOIN s{stream} s ON s.seq = r.seq WHERE r.stream = $1 AND r.id = $2"
        )
    }

    /// Fills one numbered column: of one record on SQLite, from arrays of values and positions on
    /// PostgreSQL.
    pub fn fill_column(self, stream: i64, column: i64, kind: Kind) -> String {
        match self {
            Dialect::Sqlite => format!("UPDATE s{stream} SET c{column} = $1 WHERE seq = $2"),
            Dialect::Postgres => format!(
                "UPDATE s{stream} SET c{column} = filled.value \
                 FROM UNNEST($1::{}, $2::bigint[]) AS filled (value, at) \
                 WHERE s{stream}.seq = filled.at",
                array_type(kind)
            ),
        }
    }
}

/// The orders that a log can be read in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Oldest position first.
    SeqAscending,
    /// Newest position first.
    SeqDescending,
    /// Earliest event first.
    TimeAscending,
    /// Latest event first.
    TimeDescending,
}

fn array_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Int => "bigint[]",
        Kind::Real => "double precision[]",
        Kind::Text => "text[]",
        Kind::Blob => "bytea[]",
    }
}
