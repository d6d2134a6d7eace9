//! An open database, on either engine: its readers, its writer and its heads.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use forebay_model::time::SharedClock;

use crate::conn::Conn;
use crate::error::DbError;
use crate::heads::Heads;
use crate::postgres::{PgPool, PgSettings};
use crate::sqlite::SqlitePool;
use crate::writer::Writer;
use crate::{log, migrate, scrub, writer};

/// Which engine, and how.
#[derive(Debug, Clone)]
pub enum Settings {
    /// One file, one process.
    Sqlite {
        /// The file.
        path: PathBuf,
        /// Reading connections.
        readers: usize,
        /// Page cache of all connections together, in bytes.
        cache_bytes: u64,
    },
    /// A server, for many processes.
    Postgres {
        /// How to reach it.
        server: PgSettings,
        /// Transactions of this process in flight at once.
        writers: usize,
    },
}

#[derive(Clone)]
enum Readers {
    Sqlite(Arc<SqlitePool>),
    Postgres(PgPool),
}

/// An open database.
#[derive(Clone)]
pub struct Db {
    readers: Readers,
    writer: Writer,
    heads: Arc<Heads>,
}

/// How much a read looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// A few rows by their key.
    Point,
    /// A page or more.
    Scan,
}

impl Db {
    /// Opens and migrates the database, and starts its writers.
    pub async fn open(settings: Settings, clock: SharedClock) -> Result<Db, DbError> {
        let heads = Arc::new(Heads::default());
        let writer = Writer::new(heads.clone(), clock);
        let readers = match settings {
            Settings::Sqlite { path, readers, cache_bytes } => {
                let pool = SqlitePool::new(&path, readers, cache_bytes);
                let mut conn = Conn::Sqlite(pool.writer()?);
                migrate::migrate(&mut conn).await?;
                let serve = writer.clone().serve(writer::Source::Sqlite(Box::new(conn)));
                let runtime = tokio::runtime::Handle::current();
                std::thread::Builder::new()
                    .name("writer".to_owned())
                    .spawn(move || runtime.block_on(serve))
                    .map_err(|e| DbError::Internal(e.to_string()))?;
                Readers::Sqlite(pool)
            }
            Settings::Postgres { server, writers } => {
                let pool = PgPool::new(&server)?;
                let mut conn = Conn::Postgres(pool.get().await?);
                check_server(&mut conn).await?;
                migrate::migrate(&mut conn).await?;
                for _ in 0..writers.max(1) {
                    let source = writer::Source::Postgres(pool.clone());
                    tokio::spawn(writer.clone().serve(source));
                }
                Readers::Postgres(pool)
            }
        };
        let db = Db { readers, writer, heads };
        if matches!(db.readers, Readers::Postgres(_)) {
            tokio::spawn(poll_heads(db.clone()));
        }
        Ok(db)
    }

    /// Takes a connection to read with.
    pub async fn reader(&self, look: Look) -> Result<Conn, DbError> {
        match &self.readers {
            Readers::Sqlite(pool) => Ok(Conn::Sqlite(pool.reader(look == Look::Point).await?)),
            Readers::Postgres(pool) => Ok(Conn::Postgres(pool.get().await?)),
        }
    }

    /// Whether other processes may write to it too, of which heads say nothing at once.
    pub fn is_shared(&self) -> bool {
        matches!(self.readers, Readers::Postgres(_))
    }

    /// Clears away what the engine's files still have of erased records of a stream: all that was
    /// erased `before`. False when somebody may still read it; then this is to be tried again.
    pub async fn scrub(&self, stream: i64, before: Instant) -> Result<bool, DbError> {
        match &self.readers {
            Readers::Sqlite(pool) => {
                let pool = pool.clone();
                let emptied = tokio::task::spawn_blocking(move || pool.empty_log());
                emptied.await.map_err(|e| DbError::Internal(e.to_string()))?
            }
            Readers::Postgres(pool) => scrub::postgres(pool.get().await?, stream, before).await,
        }
    }

    /// The writer.
    pub fn writer(&self) -> &Writer {
        &self.writer
    }

    /// The heads, to follow.
    pub fn heads(&self) -> &Heads {
        &self.heads
    }
}

async fn check_server(conn: &mut Conn) -> Result<(), DbError> {
    let sql = "SELECT current_setting('server_version_num')::bigint, \
               current_setting('server_encoding')";
    let row = conn.query_opt(sql, &[]).await?.unwrap_or_default();
    let [version, encoding] = log::read::cells(row)?;
    let (version, encoding) = (version.int()?, encoding.text()?);
    if version < 150_000 {
        return Err(DbError::Unfit(format!("PostgreSQL 15 is needed, this is {version}")));
    }
    if encoding != "UTF8" {
        return Err(DbError::Unfit(format!("the encoding UTF8 is needed, this is {encoding}")));
    }
    Ok(())
}

/// Hears of what other processes wrote, for as long as somebody follows.
async fn poll_heads(db: Db) {
    let mut every = tokio::time::interval(Duration::from_millis(100));
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        let followed = db.heads.followed();
        if followed.is_empty() {
            continue;
        }
        let Ok(mut conn) = db.reader(Look::Point).await else { continue };
        for stream in followed {
            if let Ok(Some(span)) = log::read::span(&mut conn, stream).await {
                db.heads.advance(stream, span.last_seq);
            }
        }
    }
}
