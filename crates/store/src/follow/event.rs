//! What a subscriber is told, as server-sent events and as WebSocket frames.

use std::sync::Arc;

use forebay_model::record::Record;

/// One event. Events of records are shared by all who get them.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    name: &'static str,
    /// The record's position; 0 for events of none.
    seq: i64,
    id: Arc<str>,
    data: Arc<str>,
}

impl Event {
    /// An event with nothing but its name and place.
    pub(crate) fn plain(name: &'static str, id: String) -> Event {
        Event::with(name, id, "{}".to_owned())
    }

    /// An event with its data as JSON text.
    pub(crate) fn with(name: &'static str, id: String, data: String) -> Event {
        Event { name, seq: 0, id: id.into(), data: data.into() }
    }

    /// A record that matches.
    pub(crate) fn record(
        name: &'static str,
        (stream, epoch): (&str, i64),
        record: &Record,
    ) -> Event {
        let mut data = String::from("{\"record\":");
        record.write_json(stream, &mut data);
        data.push('}');
        Event { seq: record.seq, ..Event::with(name, format!("{epoch}-{}", record.seq), data) }
    }

    /// The record's position; 0 for events of none.
    pub(crate) fn seq(&self) -> i64 {
        self.seq
    }

    /// How much it holds, in bytes.
    pub(crate) fn size(&self) -> usize {
        self.data.len()
    }

    /// Appends it as a server-sent event (HTML Living Standard, 9.2).
    pub(crate) fn write_sse(&self, out: &mut String) {
        out.reserve(self.data.len() + self.id.len() + 40);
        for part in ["event: ", self.name, "\nid: ", &self.id, "\ndata: ", &self.data, "\n\n"] {
            out.push_str(part);
        }
    }

    /// As a WebSocket frame's text; `uid` names the subscription where there are several.
    pub(crate) fn frame(&self, uid: Option<&str>) -> String {
        let mut out = String::with_capacity(self.data.len() + self.id.len() + 60);
        out.push('{');
        if let Some(uid) = uid {
            out.push_str("\"uid\":");
            forebay_model::json::write_string(uid, &mut out);
            out.push(',');
        }
        for part in ["\"event\":\"", self.name, "\",\"id\":\"", &self.id, "\",\"data\":"] {
            out.push_str(part);
        }
        out.push_str(&self.data);
        out.push('}');
        out
    }
}
