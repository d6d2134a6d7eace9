//! What processes tell each other of indexes: the tables `search_lease`, `search_worker`,
//! `search_refused` and `search_build`, and the deployment's name.

use forebay_db::log::read::cells;
use forebay_db::{Conn, DbError, Value};
use forebay_model::time::Timestamp;

/// Most refused records of an index that are kept.
pub(crate) const MOST_REFUSED: i64 = 1000;

/// What this deployment is called where others store things too; made once.
pub(crate) async fn deployment(conn: &mut Conn) -> Result<String, DbError> {
    let sql = "INSERT INTO setting (name, value) VALUES ('deployment', $1) \
               ON CONFLICT (name) DO NOTHING";
    let new = uuid::Uuid::now_v7().to_string();
    conn.execute(sql, &[Value::Blob(new.into_bytes())]).await?;
    let sql = "SELECT value FROM setting WHERE name = 'deployment'";
    let [value] = cells(conn.query_opt(sql, &[]).await?.unwrap_or_default())?;
    String::from_utf8(value.blob()?).map_err(|_| DbError::Internal("deployment".to_owned()))
}

/// The positions that a stream's indexes do not hold.
pub(crate) async fn refused(conn: &mut Conn, stream: i64) -> Result<Vec<i64>, DbError> {
    let sql = "SELECT DISTINCT seq FROM search_refused WHERE stream = $1 ORDER BY seq LIMIT $2";
    let rows = conn.query(sql, &[stream.into(), MOST_REFUSED.into()]).await?;
    rows.into_iter().map(|row| cells(row).and_then(|[seq]| seq.int())).collect()
}

/// A stream as whoever writes indexes sees it.
pub(crate) struct Head {
    pub(crate) number: i64,
    pub(crate) name: String,
    /// Of its definition.
    pub(crate) version: i64,
    pub(crate) last_seq: i64,
}

/// All streams with their heads.
pub(crate) async fn heads(conn: &mut Conn) -> Result<Vec<Head>, DbError> {
    let sql = "SELECT s.number, s.name, h.version, h.last_seq FROM stream_head h \
               JOIN stream s ON s.number = h.stream";
    let read = |row| {
        let [number, name, version, last_seq] = cells(row)?;
        let (number, name) = (number.int()?, name.text()?);
        Ok(Head { number, name, version: version.int()?, last_seq: last_seq.int()? })
    };
    conn.query(sql, &[]).await?.into_iter().map(read).collect()
}

/// Notes records that an index does not take.
pub(crate) async fn refuse(
    conn: &mut Conn,
    (stream, generation): (i64, &str),
    refused: &[(i64, String)],
    now: Timestamp,
) -> Result<(), DbError> {
    let sql = "SELECT count(*) FROM search_refused WHERE stream = $1 AND generation = $2";
    let row = conn.query_opt(sql, &[stream.into(), generation.into()]).await?.unwrap_or_default();
    let [before] = cells(row)?;
    let room = usize::try_from(MOST_REFUSED - before.int()?).unwrap_or(0);
    let sql = "INSERT INTO search_refused (stream, generation, seq, reason, at) \
               VALUES ($1, $2, $3, $4, $5) ON CONFLICT (stream, generation, seq) DO NOTHING";
    for (seq, reason) in refused.iter().take(room) {
        let reason: String = reason.chars().filter(|c| *c != '\0').take(500).collect();
        let row = [stream.into(), generation.into(), (*seq).into(), reason.into()];
        conn.execute(sql, &[&row[..], &[now.micros().into()]].concat()).await?;
    }
    Ok(())
}

/// Forgets what indexes did not take, but for one.
pub(crate) async fn forgive(conn: &mut Conn, stream: i64, but: &str) -> Result<(), DbError> {
    let sql = "DELETE FROM search_refused WHERE stream = $1 AND generation <> $2";
    conn.execute(sql, &[stream.into(), but.into()]).await
}

/// How many records of which streams are not in their indexes, with one reason each.
pub(crate) async fn all_refused(conn: &mut Conn) -> Result<Vec<(i64, i64, String)>, DbError> {
    let sql = "SELECT stream, count(DISTINCT seq), min(reason) FROM search_refused GROUP BY stream";
    let read = |row| {
        let [stream, count, reason] = cells(row)?;
        Ok((stream.int()?, count.int()?, reason.text()?))
    };
    conn.query(sql, &[]).await?.into_iter().map(read).collect()
}

/// An index that is built, or was asked for.
#[derive(Debug, Clone)]
pub(crate) struct Build {
    pub(crate) stream: i64,
    /// How often it was asked for, and which of these times are done.
    pub(crate) number: i64,
    pub(crate) done: i64,
    /// What whoever builds it says of it; empty when nobody does.
    pub(crate) generation: String,
    pub(crate) position: i64,
}

/// All of them.
pub(crate) async fn builds(conn: &mut Conn) -> Result<Vec<Build>, DbError> {
    let sql = "SELECT stream, number, done, generation, position FROM search_build";
    let read = |row| {
        let [stream, number, done, generation, position] = cells(row)?;
        Ok(Build {
            stream: stream.int()?,
            number: number.int()?,
            done: done.int()?,
            generation: generation.text()?,
            position: position.int()?,
        })
    };
    conn.query(sql, &[]).await?.into_iter().map(read).collect()
}

/// That of one stream.
pub(crate) async fn build(conn: &mut Conn, stream: i64) -> Result<Option<Build>, DbError> {
    Ok(builds(conn).await?.into_iter().find(|build| build.stream == stream))
}

/// Asks for a stream's index to be built anew.
pub(crate) async fn ask(conn: &mut Conn, stream: i64, now: Timestamp) -> Result<(), DbError> {
    let sql = "INSERT INTO search_build (stream, number, asked_at, done, generation, position, target) \
               VALUES ($1, 1, $2, 0, '', 0, 0) \
               ON CONFLICT (stream) DO UPDATE SET number = search_build.number + 1, asked_at = $2";
    conn.execute(sql, &[stream.into(), now.micros().into()]).await
}

/// Says how far a build is.
pub(crate) async fn progress(
    conn: &mut Conn,
    (stream, generation): (i64, &str),
    (position, target): (i64, i64),
) -> Result<(), DbError> {
    let sql = "INSERT INTO search_build (stream, number, asked_at, done, generation, position, target) \
               VALUES ($1, 0, 0, 0, $2, $3, $4) \
               ON CONFLICT (stream) DO UPDATE SET generation = $2, position = $3, target = $4";
    conn.execute(sql, &[stream.into(), generation.into(), position.into(), target.into()]).await
}

/// Says that a build is done, and the times that it was asked for.
pub(crate) async fn built(conn: &mut Conn, stream: i64, number: i64) -> Result<(), DbError> {
    let sql = "UPDATE search_build SET done = CASE WHEN done < $2 THEN $2 ELSE done END, \
               generation = '', position = 0, target = 0 WHERE stream = $1";
    conn.execute(sql, &[stream.into(), number.into()]).await
}

/// Forgets all that was told of a stream's indexes.
pub(crate) async fn forget(conn: &mut Conn, stream: i64) -> Result<(), DbError> {
    for sql in [
        "DELETE FROM search_refused WHERE stream = $1",
        "DELETE FROM search_build WHERE stream = $1",
        "DELETE FROM search_lease WHERE stream = $1",
    ] {
        conn.execute(sql, &[stream.into()]).await?;
    }
    Ok(())
}

/// Says that a process would write indexes, and strikes those that say so no more. How many there are.
pub(crate) async fn report(
    conn: &mut Conn,
    holder: &str,
    (now, until): (i64, i64),
) -> Result<i64, DbError> {
    let sql = "INSERT INTO search_worker (holder, until) VALUES ($1, $2) \
               ON CONFLICT (holder) DO UPDATE SET until = $2";
    conn.execute(sql, &[holder.into(), until.into()]).await?;
    let sql = "DELETE FROM search_worker WHERE until < $1";
    conn.execute(sql, &[now.into()]).await?;
    let row = conn.query_opt("SELECT count(*) FROM search_worker", &[]).await?.unwrap_or_default();
    let [count] = cells(row)?;
    count.int()
}

/// The leases that hold: stream and holder.
pub(crate) async fn leases(conn: &mut Conn, now: i64) -> Result<Vec<(i64, String)>, DbError> {
    let sql = "SELECT stream, holder FROM search_lease WHERE until >= $1";
    let rows = conn.query(sql, &[now.into()]).await?;
    let read = |row| {
        let [stream, holder] = cells(row)?;
        Ok((stream.int()?, holder.text()?))
    };
    rows.into_iter().map(read).collect()
}

/// Takes a lease that nobody holds; another process may be first.
pub(crate) async fn take(
    conn: &mut Conn,
    (stream, holder): (i64, &str),
    (now, until): (i64, i64),
) -> Result<(), DbError> {
    let sql = "INSERT INTO search_lease (stream, holder, fence, until) VALUES ($1, $2, 1, $3) \
               ON CONFLICT (stream) DO UPDATE SET holder = $2, fence = search_lease.fence + 1, \
               until = $3 WHERE search_lease.until < $4";
    conn.execute(sql, &[stream.into(), holder.into(), until.into(), now.into()]).await
}

/// Keeps a process's leases that still hold for longer.
pub(crate) async fn renew(
    conn: &mut Conn,
    holder: &str,
    (now, until): (i64, i64),
) -> Result<(), DbError> {
    let sql = "UPDATE search_lease SET until = $1 WHERE holder = $2 AND until >= $3";
    conn.execute(sql, &[until.into(), holder.into(), now.into()]).await
}

/// Lets go of one lease. The row stays, for its fence.
pub(crate) async fn leave(conn: &mut Conn, stream: i64, holder: &str) -> Result<(), DbError> {
    let sql = "UPDATE search_lease SET until = 0 WHERE stream = $1 AND holder = $2";
    conn.execute(sql, &[stream.into(), holder.into()]).await
}

/// Lets go of all of a process's leases: it stops.
pub(crate) async fn leave_all(conn: &mut Conn, holder: &str) -> Result<(), DbError> {
    let sql = "UPDATE search_lease SET until = 0 WHERE holder = $1";
    conn.execute(sql, &[holder.into()]).await?;
    conn.execute("DELETE FROM search_worker WHERE holder = $1", &[holder.into()]).await
}
