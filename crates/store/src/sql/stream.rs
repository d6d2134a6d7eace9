//! Stream definitions: the tables `stream`, `stream_name`, `stream_column` and `stream_head`.

use forebay_db::log::read::cells;
use forebay_db::{Conn, DbError, Dialect, Insert, Kind};
use forebay_model::field::FieldPath;
use forebay_model::schema::{ScalarType, Schema};
use forebay_model::stream::{Column, ColumnState, Definition, Stream};
use forebay_model::time::Timestamp;

const SELECT: &str = "SELECT number, name, epoch, version, created_at, definition FROM stream";

/// Reads a stream with its columns.
pub(crate) async fn find(conn: &mut Conn, name: &str) -> Result<Option<Stream>, DbError> {
    let sql = format!("{SELECT} WHERE name = $1");
    let Some(row) = conn.query_opt(&sql, &[name.into()]).await? else { return Ok(None) };
    let [number, name, epoch, version, created_at, definition] = cells(row)?;
    let number = number.int()?;
    let broken = |what: &str| DbError::Internal(format!("stream {number}: {what}"));
    let definition =
        serde_json::from_str(&definition.text()?).map_err(|e| broken(&e.to_string()))?;
    let (definition, schema) = Definition::read(&definition)
        .map_err(|errors| broken(&format!("the stored definition is not valid: {errors:?}")))?;
    Ok(Some(Stream {
        name: name.text()?,
        number,
        epoch: epoch.int()?,
        version: version.int()?,
        created_at: Timestamp::from_micros(created_at.int()?),
        definition,
        schema,
        columns: columns(conn, number).await?.into(),
    }))
}

/// Reads a stream's number and version, to see whether what is remembered still holds.
pub(crate) async fn version(conn: &mut Conn, name: &str) -> Result<Option<(i64, i64)>, DbError> {
    let sql = "SELECT number, version FROM stream WHERE name = $1";
    let Some(row) = conn.query_opt(sql, &[name.into()]).await? else { return Ok(None) };
    let [number, version] = cells(row)?;
    Ok(Some((number.int()?, version.int()?)))
}

/// The names of all streams, in order, after a name.
pub(crate) async fn names(
    conn: &mut Conn,
    after: &str,
    limit: i64,
) -> Result<Vec<String>, DbError> {
    let sql = "SELECT name FROM stream WHERE name > $1 ORDER BY name LIMIT $2";
    let rows = conn.query(sql, &[after.into(), limit.into()]).await?;
    rows.into_iter().map(|row| cells(row).and_then(|[name]| name.text())).collect()
}

async fn columns(conn: &mut Conn, stream: i64) -> Result<Vec<Column>, DbError> {
    let sql = "SELECT number, path, scalar, state FROM stream_column WHERE stream = $1 \
               ORDER BY number";
    let rows = conn.query(sql, &[stream.into()]).await?;
    let read = rows.into_iter().map(|row| {
        let [number, path, scalar, state] = cells(row)?;
        let (path, scalar) = (path.text()?, scalar.text()?);
        let broken = || DbError::Internal(format!("stream {stream}: column {path} {scalar}"));
        Ok(Column {
            number: number.int()?,
            path: FieldPath::parse(&path).map_err(|_| broken())?,
            scalar: ScalarType::from_name(&scalar).ok_or_else(broken)?,
            state: ColumnState::from_name(&state.text()?).ok_or_else(broken)?,
        })
    });
    read.collect()
}

/// Serialises all changes of definitions: whoever holds this row may make one.
pub(crate) async fn lock_catalog(conn: &mut Conn) -> Result<i64, DbError> {
    let sql = match conn.dialect() {
        Dialect::Sqlite => "SELECT value FROM setting WHERE name = 'next_stream'",
        Dialect::Postgres => "SELECT value FROM setting WHERE name = 'next_stream' FOR UPDATE",
    };
    let row = conn.query_opt(sql, &[]).await?.unwrap_or_default();
    let [next] = cells(row)?;
    let text = String::from_utf8(next.blob()?).unwrap_or_default();
    text.parse().map_err(|_| DbError::Internal(format!("next_stream is {text}")))
}

/// What a new stream begins with.
pub(crate) struct New<'n> {
    /// Its name.
    pub(crate) name: &'n str,
    /// Its number, from [`lock_catalog`].
    pub(crate) number: i64,
    /// When.
    pub(crate) now: Timestamp,
    /// What was declared.
    pub(crate) definition: &'n Definition,
    /// Its indexed fields.
    pub(crate) schema: &'n Schema,
}

/// Creates a stream with its table.
pub(crate) async fn create(conn: &mut Conn, new: &New<'_>) -> Result<(), DbError> {
    let next = forebay_db::Value::Blob((new.number + 1).to_string().into_bytes());
    conn.execute("UPDATE setting SET value = $1 WHERE name = 'next_stream'", &[next]).await?;
    let sql = "SELECT last_epoch FROM stream_name WHERE name = $1";
    let epoch = match conn.query_opt(sql, &[new.name.into()]).await? {
        Some(row) => {
            let [last] = cells(row)?;
            let epoch = last.int()? + 1;
            let sql = "UPDATE stream_name SET last_epoch = $1 WHERE name = $2";
            conn.execute(sql, &[epoch.into(), new.name.into()]).await?;
            epoch
        }
        None => {
            let sql = "INSERT INTO stream_name (name, last_epoch) VALUES ($1, 1)";
            conn.execute(sql, &[new.name.into()]).await?;
            1
        }
    };
    for statement in conn.dialect().create_log(new.number) {
        conn.batch(&statement).await?;
    }
    conn.execute(
        "INSERT INTO stream (number, name, epoch, version, created_at, definition) \
         VALUES ($1, $2, $3, 1, $4, $5)",
        &[
            new.number.into(),
            new.name.into(),
            epoch.into(),
            new.now.micros().into(),
            text_of(new.definition).into(),
        ],
    )
    .await?;
    conn.execute(
        "INSERT INTO stream_head (stream, version, first_seq, last_seq, last_received_at) \
         VALUES ($1, 1, 1, 0, 0)",
        &[new.number.into()],
    )
    .await?;
    let mut number = 1;
    for field in new.schema.declared().iter().filter(|d| d.indexed) {
        if let Some(scalar) = field.scalar {
            add_column(conn, new.number, (number, &field.path, scalar), 0).await?;
            number += 1;
        }
    }
    let sql = "UPDATE stream SET next_column = $1 WHERE number = $2";
    conn.execute(sql, &[number.into(), new.number.into()]).await
}

/// Locks a stream's head, as every append does first: whoever changes or drops its table holds this
/// before, so that nobody waits in a circle. Its last seq; `None` when the stream is gone.
pub(crate) async fn lock_head(conn: &mut Conn, stream: i64) -> Result<Option<i64>, DbError> {
    let sql = match conn.dialect() {
        Dialect::Sqlite => "SELECT last_seq FROM stream_head WHERE stream = $1",
        Dialect::Postgres => "SELECT last_seq FROM stream_head WHERE stream = $1 FOR UPDATE",
    };
    let Some(row) = conn.query_opt(sql, &[stream.into()]).await? else { return Ok(None) };
    let [last_seq] = cells(row)?;
    Ok(Some(last_seq.int()?))
}

/// Changes a stream's definition, under the lock of its head.
pub(crate) async fn update(
    conn: &mut Conn,
    stream: &Stream,
    definition: &Definition,
    schema: &Schema,
) -> Result<(), DbError> {
    let last_seq = lock_head(conn, stream.number).await?.unwrap_or(0);
    let wanted: Vec<_> = schema
        .declared()
        .iter()
        .filter(|d| d.indexed)
        .filter_map(|d| d.scalar.map(|s| (&d.path, s)))
        .collect();
    for column in stream.columns.iter() {
        if !wanted.contains(&(&column.path, column.scalar)) {
            drop_column(conn, stream.number, column.number).await?;
        }
    }
    let sql = "SELECT next_column FROM stream WHERE number = $1";
    let row = conn.query_opt(sql, &[stream.number.into()]).await?.unwrap_or_default();
    let [number] = cells(row)?;
    let mut number = number.int()?;
    for (path, scalar) in wanted {
        if !stream.columns.iter().any(|c| c.path == *path && c.scalar == scalar) {
            add_column(conn, stream.number, (number, path, scalar), last_seq).await?;
            number += 1;
        }
    }
    let version = stream.version + 1;
    conn.execute(
        "UPDATE stream SET version = $1, definition = $2, next_column = $3 WHERE number = $4",
        &[version.into(), text_of(definition).into(), number.into(), stream.number.into()],
    )
    .await?;
    let sql = "UPDATE stream_head SET version = $1 WHERE stream = $2";
    conn.execute(sql, &[version.into(), stream.number.into()]).await
}

/// Takes a stream away, under the lock of its head. Its ids go later, in steps; its number never comes back.
pub(crate) async fn delete(conn: &mut Conn, number: i64) -> Result<(), DbError> {
    lock_head(conn, number).await?;
    for sql in [
        "DELETE FROM stream_head WHERE stream = $1",
        "DELETE FROM stream_column WHERE stream = $1",
        "DELETE FROM stream WHERE number = $1",
        "INSERT INTO dropped_stream (number) VALUES ($1)",
    ] {
        conn.execute(sql, &[number.into()]).await?;
    }
    let sql = conn.dialect().drop_log(number);
    conn.batch(&sql).await
}

async fn drop_column(conn: &mut Conn, stream: i64, number: i64) -> Result<(), DbError> {
    for sql in conn.dialect().drop_column(stream, number) {
        conn.batch(&sql).await?;
    }
    let sql = "DELETE FROM stream_column WHERE stream = $1 AND number = $2";
    conn.execute(sql, &[stream.into(), number.into()]).await
}

async fn add_column(
    conn: &mut Conn,
    stream: i64,
    (number, path, scalar): (i64, &FieldPath, ScalarType),
    fill_to: i64,
) -> Result<(), DbError> {
    for sql in conn.dialect().add_column(stream, number, scalar) {
        conn.batch(&sql).await?;
    }
    let state = if fill_to == 0 { ColumnState::Ready } else { ColumnState::Filling };
    let columns = [
        ("stream", Kind::Int),
        ("number", Kind::Int),
        ("path", Kind::Text),
        ("scalar", Kind::Text),
        ("state", Kind::Text),
        ("fill_to", Kind::Int),
    ];
    let row = vec![
        stream.into(),
        number.into(),
        path.to_string().into(),
        scalar.name().into(),
        state.name().into(),
        fill_to.into(),
    ];
    let columns = columns.map(|(name, kind)| (name.into(), kind)).to_vec();
    conn.insert(Insert { table: "stream_column".into(), columns, rows: vec![row] }).await
}

fn text_of(definition: &Definition) -> String {
    serde_json::Value::Object(definition.to_json()).to_string()
}
