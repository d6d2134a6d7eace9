//! The raw engine: the same rows and indexes in SQLite, without anything around them.

use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use rusqlite::{Connection, params};

const ROWS: i64 = 500;
const ROUNDS: i64 = 100;

/// The CPU per row of an append in transactions of 500 and of a look-up by id, in microseconds. The
/// process does nothing else, so that elapsed time stands for it except for the waits of a commit.
pub(crate) fn sqlite(folder: &Path) -> Result<Vec<(&'static str, f64)>> {
    let conn = Connection::open(folder.join("raw.db"))?;
    conn.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -262144;
         CREATE TABLE s1 (seq INTEGER PRIMARY KEY, id TEXT NOT NULL, version BIGINT NOT NULL,
            op BIGINT NOT NULL, time BIGINT NOT NULL, received_at BIGINT NOT NULL,
            data TEXT NOT NULL, c1 TEXT, c2 BIGINT);
         CREATE INDEX s1_time ON s1 (time, seq);
         CREATE INDEX s1_c1 ON s1 (c1, seq) WHERE c1 IS NOT NULL;
         CREATE INDEX s1_c2 ON s1 (c2, seq) WHERE c2 IS NOT NULL;
         CREATE TABLE record_id (stream BIGINT NOT NULL, id TEXT NOT NULL, seq BIGINT NOT NULL,
            input_hash BLOB, PRIMARY KEY (stream, id)) WITHOUT ROWID;",
    )?;
    let data = format!("{{\"text\":\"{}\"}}", "x".repeat(190));
    let began = own_micros()?;
    for round in 0..ROUNDS {
        conn.execute_batch("BEGIN IMMEDIATE")?;
        let mut log = conn.prepare_cached("INSERT INTO s1 VALUES (?1,?2,1,0,?3,?3,?4,?5,?6)")?;
        let mut ids = conn.prepare_cached("INSERT INTO record_id VALUES (1,?1,?2,NULL)")?;
        for row in 0..ROWS {
            let seq = round * ROWS + row + 1;
            let id = format!("01a21103-32d1-7152-bf25-{seq:012x}");
            log.execute(params![
                seq,
                id,
                seq,
                data,
                ["eu", "us", "ap"][(seq % 3) as usize],
                seq % 7
            ])?;
            ids.execute(params![id, seq])?;
        }
        conn.execute_batch("COMMIT")?;
    }
    let append = (own_micros()? - began) / (ROUNDS * ROWS) as f64;
    let mut get = conn.prepare(
        "SELECT s.seq, s.id, s.version, s.time, s.received_at, s.data FROM record_id r \
         JOIN s1 s ON s.seq = r.seq WHERE r.stream = 1 AND r.id = ?1",
    )?;
    let began = Instant::now();
    for _ in 0..ROUNDS * ROWS {
        get.query_row(["01a21103-32d1-7152-bf25-000000000001"], |row| row.get::<_, i64>(0))?;
    }
    let get = began.elapsed().as_secs_f64() * 1e6 / (ROUNDS * ROWS) as f64;
    Ok(vec![("raw SQLite, append of 500", append), ("raw SQLite, get by id", get)])
}

fn own_micros() -> Result<f64> {
    crate::server::cpu_micros(std::process::id())
}
