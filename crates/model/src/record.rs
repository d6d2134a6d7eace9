//! A record as it is read: its envelope and its `data` as canonical JSON text.

use std::fmt::Write as _;

use crate::json::write_string;
use crate::time::Timestamp;

/// One stored record. `data` is canonical JSON: member order kept, no blanks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Position in the stream's log; begins at 1 and has no gaps.
    pub seq: i64,
    /// Unique in the stream.
    pub id: String,
    /// 1 for a record that was never changed.
    pub version: i64,
    /// When it happened, as its sender says.
    pub time: Timestamp,
    /// When it was stored; never runs backwards along `seq`.
    pub received_at: Timestamp,
    /// The canonical JSON text of an object.
    pub data: String,
}

impl Record {
    /// Appends the envelope with `data` as it stands, without parsing it again.
    pub fn write_json(&self, stream: &str, out: &mut String) {
        out.reserve(self.data.len() + self.id.len() + stream.len() + 160);
        out.push_str("{\"id\":");
        write_string(&self.id, out);
        out.push_str(",\"stream\":");
        write_string(stream, out);
        // Writing to a String cannot fail.
        let _ = write!(
            out,
            ",\"seq\":{},\"version\":{},\"time\":\"{}\",\"received_at\":\"{}\",\"data\":",
            self.seq, self.version, self.time, self.received_at
        );
        out.push_str(&self.data);
        out.push('}');
    }
}
