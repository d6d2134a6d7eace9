//! A principal on its way from one process to another: all of it, and nothing that is not known.

use std::sync::Arc;

use forebay_model::principal::{Permission, Principal};
use forebay_model::time::Timestamp;
use serde_json::{Map, Value, json};

/// Writes a principal.
pub fn write(who: &Principal) -> Value {
    // Each member by name: a new one that is forgotten here does not compile.
    let Principal {
        id,
        name,
        permissions,
        user_id,
        email,
        roles,
        key_id,
        session_id,
        filter,
        viewer,
        proven_at,
        until,
    } = who;
    let permissions: Vec<String> = permissions.iter().map(ToString::to_string).collect();
    let mut written = json!({"id": id, "name": name, "may": permissions, "roles": roles});
    let texts = [
        ("user", user_id),
        ("email", email),
        ("key", key_id),
        ("session", session_id),
        ("filter", filter),
    ];
    for (name, text) in texts {
        if let Some(text) = text {
            written[name] = text.as_str().into();
        }
    }
    for (name, at) in [("proven", proven_at), ("until", until)] {
        if let Some(at) = at {
            written[name] = at.micros().into();
        }
    }
    if let Some(viewer) = viewer {
        written["viewer"] = write(viewer);
    }
    written
}

/// Reads a principal; `None` where something in it is not understood.
pub fn read(written: &Value) -> Option<Principal> {
    let who = written.as_object()?;
    let viewer = match who.get("viewer") {
        // Whoever sees as somebody else does so in their own name.
        Some(viewer) if viewer.get("viewer").is_none() => Some(Arc::new(read(viewer)?)),
        Some(_) => return None,
        None => None,
    };
    let permissions = texts(who, "may")?;
    let permissions = permissions.iter().map(|text| Permission::parse(text));
    Some(Principal {
        id: who.get("id")?.as_str()?.to_owned(),
        name: who.get("name")?.as_str()?.to_owned(),
        permissions: permissions.collect::<Option<_>>()?,
        user_id: text(who, "user")?,
        email: text(who, "email")?,
        roles: texts(who, "roles")?,
        key_id: text(who, "key")?,
        session_id: text(who, "session")?,
        filter: text(who, "filter")?,
        viewer,
        proven_at: time(who, "proven")?,
        until: time(who, "until")?,
    })
}

/// The inner one is what is there.
fn text(who: &Map<String, Value>, name: &str) -> Option<Option<String>> {
    match who.get(name) {
        Some(text) => Some(Some(text.as_str()?.to_owned())),
        None => Some(None),
    }
}

/// The inner one is what is there.
fn time(who: &Map<String, Value>, name: &str) -> Option<Option<Timestamp>> {
    match who.get(name) {
        Some(at) => Some(Some(Timestamp::from_micros(at.as_i64()?))),
        None => Some(None),
    }
}

fn texts(who: &Map<String, Value>, name: &str) -> Option<Vec<String>> {
    let texts = who.get(name)?.as_array()?.iter();
    texts.map(|text| text.as_str().map(str::to_owned)).collect()
}
