//! The system's own streams: made at the start, written by the system alone.

use forebay_db::{Conn, DbError, Lane};
use forebay_model::stream::Definition;
use forebay_model::time::Timestamp;
use forebay_model::{Error, alert, audit};
use serde_json::Value;

use crate::{Store, sql};

/// Each with its definition.
fn streams() -> [(&'static str, Value); 2] {
    [(alert::STREAM, alert::definition()), (audit::STREAM, audit::definition())]
}

impl Store {
    /// Makes the system's streams, or brings them to what this program knows them to be.
    pub async fn prepare(&self) -> Result<(), Error> {
        let now = self.inner.clock.now();
        for (name, definition) in streams() {
            let writer = self.inner.db.writer();
            let made = writer
                .run(Lane::Interactive, move |conn| Box::pin(prepare(conn, name, definition, now)));
            made.await?;
        }
        Ok(())
    }
}

async fn prepare(
    conn: &mut Conn,
    name: &str,
    definition: Value,
    now: Timestamp,
) -> Result<(), DbError> {
    let read = Definition::read(&definition);
    let (definition, schema) =
        read.map_err(|errors| DbError::Internal(format!("{name}: {errors:?}")))?;
    let number = sql::stream::lock_catalog(conn).await?;
    match sql::stream::find(conn, name).await? {
        Some(stream) if stream.definition == definition => Ok(()),
        Some(stream) => sql::stream::update(conn, &stream, &definition, &schema).await,
        None => {
            let (definition, schema) = (&definition, &schema);
            let new = sql::stream::New { name, number, now, definition, schema };
            sql::stream::create(conn, &new).await
        }
    }
}
