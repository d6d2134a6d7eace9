//! Erasing a record: the right to, the tombstone, and the note in the audit, in one transaction.

use forebay_db::log::read::by_id;
use forebay_db::log::{Erase, Erased, Tombstone, erase, tombstone};
use forebay_db::{DbError, Lane, Look, outbox};
use forebay_http::reply::{json_text, matches};
use forebay_http::{Answer, Caller};
use forebay_model::audit::Event;
use forebay_model::stream::Stream;
use forebay_model::time::Timestamp;
use forebay_model::{Code, Error};
use http::{HeaderValue, StatusCode};
use serde_json::json;

use crate::Process;
use crate::access::Erasure;
use crate::ingest::Tries;

/// Every record of an append stream has this version.
const VERSION: i64 = 1;

impl Process {
    /// Erases a record for good. Whoever repeats it gets the same answer, unless only some records are
    /// theirs to see: whether one that is gone was among them, nobody knows.
    pub(crate) async fn erase(
        &self,
        caller: &Caller,
        (name, id): (&str, &str),
        if_match: Option<&HeaderValue>,
    ) -> Answer {
        let tries = Tries::begin();
        while tries.go_on() {
            let stream = self.inner.catalog.stream(name).await?;
            let now = self.inner.clock.now();
            let erasure = Erasure::of(&caller.who, &stream, now);
            let missing = || Error::not_found(format!("the record `{id}`"));
            let mut conn = self.inner.db.reader(Look::Point).await?;
            let record = by_id(&mut conn, stream.number, id).await?;
            let before = match record {
                Some(_) => None,
                None => tombstone::by_id(&mut conn, stream.number, id).await?,
            };
            drop(conn);
            // It never changes: what is checked now holds until it is gone.
            match &record {
                Some(record) => erasure.check(record)?,
                None if before.is_some() && erasure.is_all() => {}
                None => return Err(missing().into()),
            }
            check_match(if_match, &stream)?;
            if let Some(before) = before {
                return answer(&stream, &before);
            }
            match self.erase_once(caller, &stream, id, now).await? {
                Erased::Now(tombstone) => {
                    self.inner.db.heads().advance(stream.number, tombstone.seq);
                    let labels =
                        [("stream", stream.name.clone()), ("outcome", "erased".to_owned())];
                    metrics::counter!("forebay_records_total", &labels).increment(1);
                    return answer(&stream, &tombstone);
                }
                // Somebody else was quicker, with the same that was seen here.
                Erased::Before(tombstone) => return answer(&stream, &tombstone),
                Erased::Missing => return Err(missing().into()),
                Erased::Stale => self.inner.catalog.forget(name),
            }
        }
        Err(Error::overloaded("the stream's definition keeps changing").into())
    }

    async fn erase_once(
        &self,
        caller: &Caller,
        stream: &Stream,
        id: &str,
        now: Timestamp,
    ) -> Result<Erased, DbError> {
        let wanted = Erase { stream: stream.number, version: stream.version, id: id.to_owned() };
        let mut event = Event { action: "record.erase", ..caller.event("record", id) };
        event.details.insert("stream".to_owned(), stream.name.clone().into());
        let writer = self.inner.db.writer();
        let erased = writer.run(Lane::Interactive, move |conn| {
            Box::pin(async move {
                let erased = erase(conn, &wanted, now).await?;
                if let Erased::Now(tombstone) = &erased {
                    event.details.insert("seq".to_owned(), tombstone.seq.into());
                    outbox::note(conn, &event, now).await?;
                }
                Ok(erased)
            })
        });
        erased.await
    }
}

/// Checks the version that is meant, also of a record that is gone: a repeat gets the first answer.
fn check_match(if_match: Option<&HeaderValue>, stream: &Stream) -> Result<(), Error> {
    let tag = stream.tag(VERSION);
    if if_match.is_none() || matches(if_match, &format!("\"{tag}\"")) {
        return Ok(());
    }
    Err(Error::new(Code::VersionMismatch, format!("the record is at version {tag}")))
}

fn answer(stream: &Stream, tombstone: &Tombstone) -> Answer {
    let body = json!({
        "id": tombstone.id,
        "stream": stream.name,
        "seq": tombstone.seq,
        "erased_seq": tombstone.erased_seq,
        "erased_at": tombstone.erased_at.to_string(),
    });
    Ok(json_text(StatusCode::OK, body.to_string()))
}
