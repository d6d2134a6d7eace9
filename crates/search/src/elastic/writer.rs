//! An index that is written, one batch after the other, each with the log's position behind it.
//!
//! The position's document says which change of it we saw last (`_seq_no`, `_primary_term`), and is
//! only written when nothing has changed it since: another writer has not, and no restart of the
//! server has lost it. Whoever finds it changed begins anew at the position that is there.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::Server;
use super::bulk;
use super::catalog::POSITION;
use super::client::Call;
use super::names::door;
use super::view::unread;
use crate::document::{Batch, Written};
use crate::error::SearchError;
use crate::layout::Layout;

/// How long a server may take to merge an index.
const MERGING: Duration = Duration::from_secs(30 * 60);

/// Stands for the number that a change of the position is about to get.
const NOW: i64 = -1;

/// An index that is written.
pub struct Writer {
    server: Arc<Server>,
    layout: Arc<Layout>,
    index: String,
    at: Position,
    /// Whether something was begun and not ended: nothing is known any more.
    is_broken: bool,
}

/// The position, and which change of its document it is.
#[derive(Debug, Clone, Copy)]
struct Position {
    position: i64,
    number: i64,
    term: i64,
    /// The last change of it with which something was erased.
    erased: Option<i64>,
}

impl Writer {
    pub(super) async fn open(
        server: &Arc<Server>,
        stream: i64,
        name: &str,
    ) -> Result<Writer, SearchError> {
        let index = server.names.known(stream, name)?.to_owned();
        let layout = server.layout(&index).await?;
        let at = match Position::read(server, &index).await? {
            Some(at) => at,
            None => Position::begin(server, &index).await?,
        };
        Ok(Writer { server: server.clone(), layout, index, at, is_broken: false })
    }

    /// Up to where the log is in.
    pub fn position(&self) -> i64 {
        self.at.position
    }

    /// Writes the next part of the log. A batch that ends with an error has not moved the position.
    ///
    /// # Errors
    /// [`SearchError::Fenced`] when somebody else, or a restart of the server, has changed the
    /// position; [`SearchError::Damaged`] when the index is gone; [`SearchError::Unavailable`] when the
    /// server does not take it now. The writer is of no use after any of them.
    pub async fn write(&mut self, batch: Batch) -> Result<Written, SearchError> {
        self.begin()?;
        let writes = bulk::writes(&self.layout, &batch);
        let (position, erases) = (batch.position, !batch.erased.is_empty());
        drop(batch);
        let refused = bulk::send(&self.server.client, &door(&self.index), writes).await?;
        if position > self.at.position || erases {
            let position = position.max(self.at.position);
            self.at = self.at.moved(&self.server, &self.index, (position, erases)).await?;
        }
        self.is_broken = false;
        Ok(Written { refused })
    }

    /// Merges away what was erased, on disk too.
    ///
    /// A server keeps what was replaced, whatever is merged, until it knows that no copy of the index
    /// needs it to catch up; it looks twice a minute. Until then this ends with
    /// [`SearchError::Unavailable`], for records that were erased soon after they came.
    ///
    /// # Errors
    /// When that fails; it may be tried again.
    pub async fn expunge(&mut self) -> Result<(), SearchError> {
        let client = &self.server.client;
        let Some(erased) = self.at.erased else { return Ok(()) };
        let path = format!(
            "{}/_stats?level=shards&filter_path=indices.*.shards.*.retention_leases.leases",
            self.index
        );
        let kept = kept_from(&client.ask(&Call::get(path)).await?);
        if kept.is_some_and(|kept| kept <= erased) {
            let what = "what was erased is kept for other copies of the index for up to a minute";
            return Err(SearchError::Unavailable(what.to_owned()));
        }
        let path = format!("{}/_forcemerge?only_expunge_deletes=true&flush=true", self.index);
        client.ask(&Call::act(path).patient(MERGING)).await?;
        Ok(())
    }

    /// Stays broken unless what is begun ends well: it may also be dropped on the way.
    fn begin(&mut self) -> Result<(), SearchError> {
        if std::mem::replace(&mut self.is_broken, true) {
            let what = "this writer ended with an error before".to_owned();
            return Err(SearchError::Fenced(what));
        }
        Ok(())
    }
}

/// From which change on a server keeps what was replaced.
fn kept_from(stats: &Json) -> Option<i64> {
    let members = |value: &Json| {
        value.as_object().into_iter().flatten().map(|(_, value)| value.clone()).collect::<Vec<_>>()
    };
    let shards = stats.get("indices").map(members).unwrap_or_default().into_iter();
    let copies = shards.filter_map(|index| index.get("shards").map(members)).flatten();
    let copies = copies.filter_map(|copies| copies.as_array().cloned()).flatten();
    let leases =
        copies.filter_map(|copy| copy.pointer("/retention_leases/leases")?.as_array().cloned());
    leases.flatten().filter_map(|lease| lease.get("retaining_seq_no")?.as_i64()).min()
}

impl Position {
    /// The position as it was last written, searchable or not.
    async fn read(server: &Server, index: &str) -> Result<Option<Position>, SearchError> {
        let path = format!("{index}/_doc/{POSITION}?stored_fields=position,erased&_source=false");
        let answer = match server.client.ask(&Call::get(path)).await {
            Err(fault) if fault.is_no_document() => return Ok(None),
            answer => answer?,
        };
        let field = |name: &str| answer.pointer(&format!("/fields/{name}/0"))?.as_i64();
        let at = Position::of(&answer, field("position").ok_or_else(unread)?)?;
        let erased = field("erased").map(|erased| if erased == NOW { at.number } else { erased });
        Ok(Some(Position { erased, ..at }))
    }

    /// Begins at 0, unless somebody else has meanwhile.
    async fn begin(server: &Server, index: &str) -> Result<Position, SearchError> {
        let path = format!("{}/_create/{POSITION}?require_alias=true", door(index));
        match server.client.once(&Call::put(path, &json!({"position": 0}))).await {
            Ok(answer) => Position::of(&answer, 0),
            Err(fault) if fault.status == 409 => {
                Position::read(server, index).await?.ok_or_else(unread)
            }
            Err(fault) => Err(fault.into()),
        }
    }

    /// Moves, if it is where it was left. Sent once: what is not known to have failed may have moved it.
    async fn moved(
        self,
        server: &Server,
        index: &str,
        (position, erases): (i64, bool),
    ) -> Result<Position, SearchError> {
        let mut body = json!({"position": position});
        if let Some(erased) = self.erased.filter(|_| !erases).or(erases.then_some(NOW)) {
            body["erased"] = erased.into();
        }
        let path = format!(
            "{}/_doc/{POSITION}?require_alias=true&if_seq_no={}&if_primary_term={}",
            door(index),
            self.number,
            self.term
        );
        match server.client.once(&Call::put(path, &body)).await {
            Ok(answer) => {
                let at = Position::of(&answer, position)?;
                Ok(Position { erased: if erases { Some(at.number) } else { self.erased }, ..at })
            }
            Err(fault) if fault.status == 409 => {
                Err(SearchError::Fenced(format!("{index} is not at {} any more", self.position)))
            }
            Err(fault) => Err(fault.into()),
        }
    }

    fn of(answer: &Json, position: i64) -> Result<Position, SearchError> {
        let number = |name: &str| answer.get(name).and_then(Json::as_i64).ok_or_else(unread);
        let (number, term) = (number("_seq_no")?, number("_primary_term")?);
        Ok(Position { position, number, term, erased: None })
    }
}
