//! What rules say of their groups: records of the system stream [`STREAM`].

use serde_json::{Value, json};

/// The stream of alerts: each change of a group's state.
pub const STREAM: &str = "_alerts";

/// The definition of [`STREAM`].
pub fn definition() -> Value {
    let text = json!({"type": "string"});
    let indexed = json!({"type": "string", "x-index": true});
    json!({"schema": {
        "type": "object",
        "required": ["rule_id", "rule", "stream", "state"],
        "properties": {
            "rule_id": indexed,
            "rule": text,
            "stream": indexed,
            "state": indexed,
            "group": {"type": "object", "additionalProperties": true},
            "value": {"type": "number"},
            "peak": {"type": "number"},
            "episode": {"type": "integer"},
            "at": text,
            "started_at": text,
            "by": text,
            "until": text,
        },
    }})
}
