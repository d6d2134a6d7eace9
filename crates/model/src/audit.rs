//! A security event: who did what to what, from where, and how it ended. It becomes a record of the
//! system stream [`STREAM`]; nothing secret stands in it.

use serde_json::{Map, Value, json};

use crate::principal::Principal;

/// The stream of security events.
pub const STREAM: &str = "_audit";

/// The definition of [`STREAM`].
pub fn definition() -> Value {
    let text = json!({"type": "string"});
    let indexed = json!({"type": "string", "x-index": true});
    json!({"schema": {
        "type": "object",
        "required": ["action", "outcome"],
        "properties": {
            "action": indexed,
            "outcome": {"enum": ["success", "failure"], "type": "string", "x-index": true},
            "reason": text,
            "actor": {"type": "object", "properties":
                {"id": indexed, "name": text, "key_id": text, "session_id": text}},
            "target": {"type": "object", "properties": {"kind": text, "id": indexed}},
            "address": indexed,
            "request_id": text,
            "details": {"type": "object"},
        },
    }})
}

/// An event.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Event {
    /// What was done: `login`, `api_key.create`.
    pub action: &'static str,
    /// Why it was not done, as the code of the problem that was answered; `None` when it was.
    pub failure: Option<&'static str>,
    /// Who did it, as far as that is known.
    pub actor: Option<Actor>,
    /// What it was done to: a kind and an id.
    pub target: Option<(&'static str, String)>,
    /// Where the caller was.
    pub address: Option<String>,
    /// The request's id, as its answer and the log have it.
    pub request_id: Option<String>,
    /// What else matters, by the action.
    pub details: Map<String, Value>,
}

/// Who did something.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Actor {
    /// The principal's id: `user:…`, `key:…`, `system:…`.
    pub id: String,
    /// For people.
    pub name: Option<String>,
    /// The key that was shown.
    pub key_id: Option<String>,
    /// The session in which it was done.
    pub session_id: Option<String>,
}

impl From<&Principal> for Actor {
    fn from(who: &Principal) -> Self {
        Actor {
            id: who.id.clone(),
            name: Some(who.name.clone()),
            key_id: who.key_id.clone(),
            session_id: who.session_id.clone(),
        }
    }
}

impl Event {
    /// The record's data.
    pub fn to_json(&self) -> Value {
        let mut out = Map::new();
        out.insert("action".to_owned(), self.action.into());
        let outcome = if self.failure.is_some() { "failure" } else { "success" };
        out.insert("outcome".to_owned(), outcome.into());
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                out.insert(name.to_owned(), value);
            }
        };
        put("reason", self.failure.map(Value::from));
        put("actor", self.actor.as_ref().map(Actor::to_json));
        let target = self.target.as_ref().map(|(kind, id)| json!({"kind": kind, "id": id}));
        put("target", target);
        put("address", self.address.clone().map(Value::from));
        put("request_id", self.request_id.clone().map(Value::from));
        put("details", (!self.details.is_empty()).then(|| self.details.clone().into()));
        Value::Object(out)
    }
}

impl Actor {
    fn to_json(&self) -> Value {
        let mut out = Map::new();
        out.insert("id".to_owned(), self.id.clone().into());
        let more =
            [("name", &self.name), ("key_id", &self.key_id), ("session_id", &self.session_id)];
        for (name, value) in more {
            if let Some(value) = value {
                out.insert(name.to_owned(), value.clone().into());
            }
        }
        Value::Object(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::Definition;

    #[test]
    fn an_event_fits_the_stream() {
        let (_, schema) = Definition::read(&definition()).unwrap();
        let who = Principal { id: "user:1".into(), name: "Ann".into(), ..Principal::default() };
        let mut event = Event { action: "login", ..Event::default() };
        assert_eq!(schema.check(&event.to_json()), []);
        event.failure = Some("invalid_credentials");
        event.actor = Some(Actor::from(&who));
        event.target = Some(("account", "1".into()));
        event.address = Some("127.0.0.1".into());
        event.details.insert("roles".into(), json!(["viewer"]));
        let data = event.to_json();
        assert_eq!(schema.check(&data), []);
        assert_eq!((&data["outcome"], &data["actor"]["name"]), (&json!("failure"), &json!("Ann")));
    }
}
