//! What a subscriber is told, as server-sent events and as WebSocket frames.

use std::sync::Arc;

use forebay_db::log::Tombstone;
use forebay_model::record::Record;

/// One event. Events of records are shared by all who get them.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    name: &'static str,
    /// The record's position, or the tombstone's; 0 for events of neither.
    seq: i64,
    /// Where a subscriber that has heard it goes on; none while a snapshot is not whole, so that who
    /// drops out of it begins anew.
    id: Option<Arc<str>>,
    data: Arc<str>,
}

impl Event {
    /// An event with nothing but its name and place.
    pub(crate) fn plain(name: &'static str, id: Option<String>) -> Event {
        Event::with(name, id, "{}".to_owned())
    }

    /// An event with its data as JSON text.
    pub(crate) fn with(name: &'static str, id: Option<String>, data: String) -> Event {
        Event { name, seq: 0, id: id.map(Into::into), data: data.into() }
    }

    /// A new record that matches.
    pub(crate) fn created((stream, epoch): (&str, i64), record: &Record) -> Event {
        Event::record("create", Some(format!("{epoch}-{}", record.seq)), stream, record)
    }

    /// A record that was erased.
    pub(crate) fn deleted(epoch: i64, tombstone: &Tombstone) -> Event {
        let mut data = String::from("{\"id\":");
        forebay_model::json::write_string(&tombstone.id, &mut data);
        data.push_str(&format!(",\"seq\":{}}}", tombstone.seq));
        let id = Some(format!("{epoch}-{}", tombstone.seq));
        Event { seq: tombstone.seq, ..Event::with("delete", id, data) }
    }

    /// A record of a snapshot.
    pub(crate) fn in_snapshot(stream: &str, record: &Record) -> Event {
        Event::record("snapshot", None, stream, record)
    }

    fn record(name: &'static str, id: Option<String>, stream: &str, record: &Record) -> Event {
        let mut data = String::from("{\"record\":");
        record.write_json(stream, &mut data);
        data.push('}');
        Event { seq: record.seq, ..Event::with(name, id, data) }
    }

    /// The record's position, or the tombstone's; 0 for events of neither.
    pub(crate) fn seq(&self) -> i64 {
        self.seq
    }

    /// How long it is as a server-sent event, at most.
    pub(crate) fn sse_size(&self) -> usize {
        self.data.len() + 80
    }

    /// How much it holds, in bytes.
    pub(crate) fn size(&self) -> usize {
        self.data.len()
    }

    /// Appends it as a server-sent event (HTML Living Standard, 9.2).
    pub(crate) fn write_sse(&self, out: &mut String) {
        for part in ["event: ", self.name, "\n"] {
            out.push_str(part);
        }
        // Without this line a client keeps the id that it has (9.2.6).
        if let Some(id) = &self.id {
            ["id: ", id, "\n"].iter().for_each(|part| out.push_str(part));
        }
        for part in ["data: ", &self.data, "\n\n"] {
            out.push_str(part);
        }
    }

    /// As a WebSocket frame's text; `uid` names the subscription where there are several.
    pub(crate) fn frame(&self, uid: Option<&str>) -> String {
        let mut out = String::with_capacity(self.data.len() + 100);
        out.push('{');
        if let Some(uid) = uid {
            out.push_str("\"uid\":");
            forebay_model::json::write_string(uid, &mut out);
            out.push(',');
        }
        for part in ["\"event\":\"", self.name, "\",\"id\":"] {
            out.push_str(part);
        }
        match &self.id {
            Some(id) => ["\"", id, "\""].iter().for_each(|part| out.push_str(part)),
            None => out.push_str("null"),
        }
        for part in [",\"data\":", &self.data] {
            out.push_str(part);
        }
        out.push('}');
        out
    }
}
