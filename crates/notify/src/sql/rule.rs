//! The tables `rule`, `rule_version`, `rule_cursor` and `rule_state`.

use std::collections::HashMap;

use forebay_db::log::read::cells;
use forebay_db::{Conn, DbError, Dialect, Row};
use forebay_model::time::Timestamp;

const COLUMNS: &str = "id, name, owner, runs_as, stream, kind, definition, state, error, error_at, \
                       version, created_at, updated_at";

/// A rule as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) id: String,
    pub(crate) name: String,
    /// An account's id, or that of a principal without one.
    pub(crate) owner: String,
    /// The id of the principal as whom it runs.
    pub(crate) runs_as: String,
    pub(crate) stream: String,
    pub(crate) kind: String,
    /// JSON: what was sent.
    pub(crate) definition: String,
    pub(crate) on: bool,
    /// Why it cannot run now; empty when it can.
    pub(crate) error: String,
    pub(crate) error_at: i64,
    pub(crate) version: i64,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

/// A rule that this process runs, and up to where it was run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) rule: String,
    pub(crate) fence: i64,
    /// The stream's number when it was run last.
    pub(crate) stream: i64,
    pub(crate) seq: i64,
    pub(crate) at: i64,
}

/// A group of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) fingerprint: String,
    /// JSON: the group's values, in the order of the fields.
    pub(crate) keys: String,
    pub(crate) state: i64,
    pub(crate) since: i64,
    pub(crate) episode: i64,
    pub(crate) acked_by: String,
    pub(crate) acked_until: i64,
    /// JSON.
    pub(crate) memory: String,
}

/// Writes a new rule, which begins behind a position of its stream.
pub(crate) async fn insert(
    conn: &mut Conn,
    rule: &Kept,
    (stream, seq): (i64, i64),
) -> Result<(), DbError> {
    let sql = "INSERT INTO rule (id, name, owner, runs_as, stream, kind, definition, state, error, \
               error_at, version, created_at, updated_at) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
    conn.execute(sql, &row(rule)).await?;
    let sql = "INSERT INTO rule_cursor (rule, stream, seq, at, holder, held_until, fence) \
               VALUES ($1, $2, $3, $4, '', 0, 0)";
    let at = rule.created_at.micros();
    conn.execute(sql, &[rule.id.as_str().into(), stream.into(), seq.into(), at.into()]).await?;
    remember(conn, rule).await
}

fn row(rule: &Kept) -> Row {
    vec![
        rule.id.as_str().into(),
        rule.name.as_str().into(),
        rule.owner.as_str().into(),
        rule.runs_as.as_str().into(),
        rule.stream.as_str().into(),
        rule.kind.as_str().into(),
        rule.definition.as_str().into(),
        i64::from(!rule.on).into(),
        rule.error.as_str().into(),
        rule.error_at.into(),
        rule.version.into(),
        rule.created_at.micros().into(),
        rule.updated_at.micros().into(),
    ]
}

/// Keeps what a version of a rule said.
async fn remember(conn: &mut Conn, rule: &Kept) -> Result<(), DbError> {
    let sql = "INSERT INTO rule_version (rule, version, definition, changed_by, changed_at) \
               VALUES ($1, $2, $3, $4, $5)";
    let by = rule.runs_as.as_str().into();
    let (id, text) = (rule.id.as_str().into(), rule.definition.as_str().into());
    conn.execute(sql, &[id, rule.version.into(), text, by, rule.updated_at.micros().into()]).await
}

/// Changes a rule. One that says something else begins anew behind a position of its stream: whoever
/// ran it finds out by the fence.
pub(crate) async fn update(
    conn: &mut Conn,
    rule: &Kept,
    anew: Option<(i64, i64)>,
) -> Result<(), DbError> {
    let sql = "UPDATE rule SET name = $2, owner = $3, runs_as = $4, stream = $5, kind = $6, \
               definition = $7, state = $8, error = $9, error_at = $10, version = $11, \
               created_at = $12, updated_at = $13 WHERE id = $1";
    conn.execute(sql, &row(rule)).await?;
    if let Some((stream, seq)) = anew {
        let sql = "UPDATE rule_cursor SET stream = $2, seq = $3, at = $4, fence = fence + 1, \
                   held_until = 0 WHERE rule = $1";
        let at = rule.updated_at.micros();
        let id = || rule.id.as_str().into();
        conn.execute(sql, &[id(), stream.into(), seq.into(), at.into()]).await?;
        conn.execute("DELETE FROM rule_state WHERE rule = $1", &[id()]).await?;
    }
    remember(conn, rule).await
}

/// Drops a rule with all that belongs to it.
pub(crate) async fn delete(conn: &mut Conn, id: &str) -> Result<(), DbError> {
    for sql in [
        "DELETE FROM rule_cursor WHERE rule = $1",
        "DELETE FROM rule_state WHERE rule = $1",
        "DELETE FROM rule_version WHERE rule = $1",
        "DELETE FROM rule WHERE id = $1",
    ] {
        conn.execute(sql, &[id.into()]).await?;
    }
    Ok(())
}

/// How many rules there are, up to a number.
pub(crate) async fn count(conn: &mut Conn, most: i64) -> Result<i64, DbError> {
    let sql = "SELECT count(*) FROM (SELECT id FROM rule LIMIT $1) AS counted";
    let row = conn.query_opt(sql, &[most.into()]).await?.unwrap_or_default();
    let [count] = cells(row)?;
    count.int()
}

/// Finds a rule.
pub(crate) async fn find(conn: &mut Conn, id: &str) -> Result<Option<Kept>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM rule WHERE id = $1");
    conn.query_opt(&sql, &[id.into()]).await?.map(read).transpose()
}

/// Rules after an id: all, or those of an owner.
pub(crate) async fn list(
    conn: &mut Conn,
    owner: Option<&str>,
    after: &str,
    limit: i64,
) -> Result<Vec<Kept>, DbError> {
    let rows = match owner {
        None => {
            let sql = format!("SELECT {COLUMNS} FROM rule WHERE id > $1 ORDER BY id LIMIT $2");
            conn.query(&sql, &[after.into(), limit.into()]).await?
        }
        Some(owner) => {
            let sql = format!(
                "SELECT {COLUMNS} FROM rule WHERE owner = $1 AND id > $2 ORDER BY id LIMIT $3"
            );
            conn.query(&sql, &[owner.into(), after.into(), limit.into()]).await?
        }
    };
    rows.into_iter().map(read).collect()
}

fn read(row: Row) -> Result<Kept, DbError> {
    let [
        id,
        name,
        owner,
        runs_as,
        stream,
        kind,
        definition,
        state,
        error,
        error_at,
        version,
        created_at,
        updated_at,
    ] = cells(row)?;
    Ok(Kept {
        id: id.text()?,
        name: name.text()?,
        owner: owner.text()?,
        runs_as: runs_as.text()?,
        stream: stream.text()?,
        kind: kind.text()?,
        definition: definition.text()?,
        on: state.int()? == 0,
        error: error.text()?,
        error_at: error_at.int()?,
        version: version.int()?,
        created_at: Timestamp::from_micros(created_at.int()?),
        updated_at: Timestamp::from_micros(updated_at.int()?),
    })
}

/// Says why a rule cannot run, or that it can.
pub(crate) async fn set_error(
    conn: &mut Conn,
    id: &str,
    error: &str,
    now: Timestamp,
) -> Result<(), DbError> {
    let sql = "UPDATE rule SET error = $2, error_at = $3 WHERE id = $1 AND error <> $2";
    conn.execute(sql, &[id.into(), error.into(), now.micros().into()]).await
}

/// Takes rules that are switched on and that nobody runs, or that this holder ran before it was
/// started again (`own`).
pub(crate) async fn take(
    conn: &mut Conn,
    holder: &str,
    (now, until): (Timestamp, Timestamp),
    (limit, own): (i64, bool),
) -> Result<Vec<Held>, DbError> {
    let lock = match conn.dialect() {
        Dialect::Sqlite => "",
        Dialect::Postgres => " FOR UPDATE OF c SKIP LOCKED",
    };
    let free = if own { "c.holder = $1 AND c.held_until > $2" } else { "c.held_until <= $2" };
    let sql = format!(
        "UPDATE rule_cursor SET holder = $1, held_until = $3, fence = fence + 1 WHERE rule IN \
         (SELECT c.rule FROM rule_cursor c JOIN rule r ON r.id = c.rule \
         WHERE {free} AND r.state = 0 ORDER BY c.rule LIMIT $4{lock}) \
         RETURNING rule, fence, stream, seq, at"
    );
    let parameters = [holder.into(), now.micros().into(), until.micros().into(), limit.into()];
    let rows = conn.query(&sql, &parameters).await?;
    rows.into_iter().map(held).collect()
}

fn held(row: Row) -> Result<Held, DbError> {
    let [rule, fence, stream, seq, at] = cells(row)?;
    Ok(Held {
        rule: rule.text()?,
        fence: fence.int()?,
        stream: stream.int()?,
        seq: seq.int()?,
        at: at.int()?,
    })
}

/// Holds on to what a holder runs; gives the rules that are still its own, with their fences.
pub(crate) async fn renew(
    conn: &mut Conn,
    holder: &str,
    (now, until): (Timestamp, Timestamp),
) -> Result<Vec<(String, i64)>, DbError> {
    let sql = "UPDATE rule_cursor SET held_until = $3 WHERE holder = $1 AND held_until > $2 \
               AND rule IN (SELECT id FROM rule WHERE state = 0) RETURNING rule, fence";
    let parameters = [holder.into(), now.micros().into(), until.micros().into()];
    let rows = conn.query(sql, &parameters).await?;
    let read = |row: Row| {
        let [rule, fence] = cells(row)?;
        Ok((rule.text()?, fence.int()?))
    };
    rows.into_iter().map(read).collect()
}

/// The versions of the rules that a holder runs and that are switched on, by their ids.
pub(crate) async fn versions(
    conn: &mut Conn,
    holder: &str,
) -> Result<HashMap<String, i64>, DbError> {
    let sql = "SELECT r.id, r.version FROM rule_cursor c JOIN rule r ON r.id = c.rule \
               WHERE c.holder = $1 AND r.state = 0";
    let rows = conn.query(sql, &[holder.into()]).await?;
    let read = |row: Row| {
        let [id, version] = cells(row)?;
        Ok((id.text()?, version.int()?))
    };
    rows.into_iter().map(read).collect()
}

/// Lets go of everything: others take it at once.
pub(crate) async fn release(conn: &mut Conn, holder: &str) -> Result<(), DbError> {
    let sql = "UPDATE rule_cursor SET held_until = 0 WHERE holder = $1";
    conn.execute(sql, &[holder.into()]).await
}

/// Writes down how far a rule was run; false when somebody else runs it by now.
pub(crate) async fn move_cursor(
    conn: &mut Conn,
    holder: &str,
    held: &Held,
) -> Result<bool, DbError> {
    let sql = "UPDATE rule_cursor SET stream = $4, seq = $5, at = $6 \
               WHERE rule = $1 AND holder = $2 AND fence = $3 RETURNING rule";
    let parameters = [
        held.rule.as_str().into(),
        holder.into(),
        held.fence.into(),
        held.stream.into(),
        held.seq.into(),
        held.at.into(),
    ];
    Ok(conn.query_opt(sql, &parameters).await?.is_some())
}

/// The groups of a rule, the first ones by fingerprint after one.
pub(crate) async fn groups(
    conn: &mut Conn,
    rule: &str,
    after: &str,
    limit: i64,
) -> Result<Vec<Group>, DbError> {
    let sql = "SELECT fingerprint, keys, state, since, episode, acked_by, acked_until, memory \
               FROM rule_state WHERE rule = $1 AND fingerprint > $2 ORDER BY fingerprint LIMIT $3";
    let rows = conn.query(sql, &[rule.into(), after.into(), limit.into()]).await?;
    let read = |row: Row| {
        let [fingerprint, keys, state, since, episode, acked_by, acked_until, memory] = cells(row)?;
        Ok(Group {
            fingerprint: fingerprint.text()?,
            keys: keys.text()?,
            state: state.int()?,
            since: since.int()?,
            episode: episode.int()?,
            acked_by: acked_by.text()?,
            acked_until: acked_until.int()?,
            memory: memory.text()?,
        })
    };
    rows.into_iter().map(read).collect()
}

/// Writes the states of groups; acknowledgements stay as they are while an episode lasts.
pub(crate) async fn put_groups(
    conn: &mut Conn,
    rule: &str,
    groups: &[Group],
) -> Result<(), DbError> {
    for group in groups {
        let sql = "INSERT INTO rule_state (rule, fingerprint, keys, state, since, episode, \
                   acked_by, acked_until, memory) VALUES ($1, $2, $3, $4, $5, $6, '', 0, $7) \
                   ON CONFLICT (rule, fingerprint) DO UPDATE SET state = excluded.state, \
                   since = excluded.since, episode = excluded.episode, memory = excluded.memory, \
                   acked_by = CASE WHEN rule_state.episode = excluded.episode \
                   THEN rule_state.acked_by ELSE '' END, \
                   acked_until = CASE WHEN rule_state.episode = excluded.episode \
                   THEN rule_state.acked_until ELSE 0 END";
        let parameters = [
            rule.into(),
            group.fingerprint.as_str().into(),
            group.keys.as_str().into(),
            group.state.into(),
            group.since.into(),
            group.episode.into(),
            group.memory.as_str().into(),
        ];
        conn.execute(sql, &parameters).await?;
    }
    Ok(())
}

/// Drops groups of which nothing has to be remembered.
pub(crate) async fn drop_groups(
    conn: &mut Conn,
    rule: &str,
    fingerprints: &[String],
) -> Result<(), DbError> {
    for fingerprint in fingerprints {
        let sql = "DELETE FROM rule_state WHERE rule = $1 AND fingerprint = $2";
        conn.execute(sql, &[rule.into(), fingerprint.as_str().into()]).await?;
    }
    Ok(())
}

/// Notes that somebody has seen that a group fires; false when it does not.
pub(crate) async fn acknowledge(
    conn: &mut Conn,
    (rule, fingerprint): (&str, &str),
    (by, until): (&str, i64),
) -> Result<bool, DbError> {
    let sql = "UPDATE rule_state SET acked_by = $3, acked_until = $4 \
               WHERE rule = $1 AND fingerprint = $2 AND state IN (1, 2, 3) RETURNING rule";
    let parameters = [rule.into(), fingerprint.into(), by.into(), until.into()];
    Ok(conn.query_opt(sql, &parameters).await?.is_some())
}
