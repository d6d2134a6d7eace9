//! The table `channel`.

use forebay_db::log::read::cells;
use forebay_db::{Conn, DbError, Row, Value};
use forebay_model::time::Timestamp;

const COLUMNS: &str =
    "id, name, kind, owner, config, secrets, state, version, created_at, updated_at";

/// A channel as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) kind: String,
    /// An account's id, or that of a principal without one.
    pub(crate) owner: String,
    /// JSON, without what is secret.
    pub(crate) config: String,
    /// Sealed.
    pub(crate) secrets: Vec<u8>,
    pub(crate) state: State,
    pub(crate) version: i64,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

/// Whether messages go there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// They do.
    On,
    /// Somebody has switched it off: they wait.
    Off,
    /// Its other end said that it is gone: they wait too.
    Gone,
}

impl State {
    /// As the API has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            State::On => "active",
            State::Off => "disabled",
            State::Gone => "gone",
        }
    }

    fn number(self) -> i64 {
        self as i64
    }

    fn read(number: i64) -> State {
        match number {
            0 => State::On,
            2 => State::Gone,
            _ => State::Off,
        }
    }
}

/// Finds a channel.
pub(crate) async fn find(conn: &mut Conn, id: &str) -> Result<Option<Kept>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM channel WHERE id = $1");
    conn.query_opt(&sql, &[id.into()]).await?.map(read).transpose()
}

/// Channels after an id, all or somebody's.
pub(crate) async fn list(
    conn: &mut Conn,
    owner: Option<&str>,
    after: &str,
    limit: i64,
) -> Result<Vec<Kept>, DbError> {
    let rows = match owner {
        None => {
            let sql = format!("SELECT {COLUMNS} FROM channel WHERE id > $1 ORDER BY id LIMIT $2");
            conn.query(&sql, &[after.into(), limit.into()]).await?
        }
        Some(owner) => {
            let sql = format!(
                "SELECT {COLUMNS} FROM channel WHERE owner = $1 AND id > $2 ORDER BY id LIMIT $3"
            );
            conn.query(&sql, &[owner.into(), after.into(), limit.into()]).await?
        }
    };
    rows.into_iter().map(read).collect()
}

/// How many there are, counted up to a bound.
pub(crate) async fn count(conn: &mut Conn, most: i64) -> Result<i64, DbError> {
    let sql = "SELECT count(*) FROM (SELECT id FROM channel LIMIT $1) AS counted";
    let row = conn.query_opt(sql, &[most.into()]).await?.unwrap_or_default();
    cells(row).and_then(|[count]| count.int())
}

/// Writes a channel, new or changed.
pub(crate) async fn put(conn: &mut Conn, kept: &Kept) -> Result<(), DbError> {
    let sql = "INSERT INTO channel (id, name, kind, owner, config, secrets, state, version, \
               created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
               ON CONFLICT (id) DO UPDATE SET name = $2, config = $5, secrets = $6, state = $7, \
               version = $8, updated_at = $10";
    let row: Row = vec![
        kept.id.as_str().into(),
        kept.name.as_str().into(),
        kept.kind.as_str().into(),
        kept.owner.as_str().into(),
        kept.config.as_str().into(),
        Value::Blob(kept.secrets.clone()),
        kept.state.number().into(),
        kept.version.into(),
        kept.created_at.micros().into(),
        kept.updated_at.micros().into(),
    ];
    conn.execute(sql, &row).await
}

/// Notes that the other end is gone.
pub(crate) async fn set_gone(conn: &mut Conn, id: &str, now: Timestamp) -> Result<(), DbError> {
    let sql = "UPDATE channel SET state = 2, version = version + 1, updated_at = $2 \
               WHERE id = $1 AND state = 0";
    conn.execute(sql, &[id.into(), now.micros().into()]).await
}

/// Takes a channel away.
pub(crate) async fn delete(conn: &mut Conn, id: &str) -> Result<(), DbError> {
    conn.execute("DELETE FROM channel WHERE id = $1", &[id.into()]).await
}

fn read(row: Row) -> Result<Kept, DbError> {
    let [id, name, kind, owner, config, secrets, state, version, created_at, updated_at] =
        cells(row)?;
    Ok(Kept {
        id: id.text()?,
        name: name.text()?,
        kind: kind.text()?,
        owner: owner.text()?,
        config: config.text()?,
        secrets: secrets.blob()?,
        state: State::read(state.int()?),
        version: version.int()?,
        created_at: Timestamp::from_micros(created_at.int()?),
        updated_at: Timestamp::from_micros(updated_at.int()?),
    })
}
